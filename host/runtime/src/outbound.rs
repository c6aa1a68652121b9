//! Outgoing HTTP and sockets of guests, held to `allowed_outbound_hosts`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::HeaderValue;
use http::header::{HOST, TE};
use http_body::Body as _;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use spindrift_app::AllowedHosts;
use spindrift_failures::{Excerpt, Kind, log_failure};
use spindrift_memory::{Budget, Purpose};
use spindrift_store::Transaction;
use tokio_util::sync::{CancellationToken, DropGuard};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::exchanged_body::ExchangedBody;
use super::forbidden_headers::{self, remove_connection_options};
use super::request_scope::{RequestScope, SideEffects};
use super::self_requests::{HandlerCell, SelfRequestClient, SelfTarget};

/// The boxed future that `wasmtime-wasi-http` passes around.
type BoxFuture<T> = Box<dyn Future<Output = T> + Send>;

/// What a guest sends out, if the manifest allows its host.
pub struct Outbound {
    component: Arc<str>,
    allowed: Arc<AllowedHosts>,
    /// Those of the request on whose behalf the guest acts.
    side_effects: Arc<Mutex<SideEffects>>,
    /// The guest has had a socket, which it may keep and write to in any
    /// later request.
    connected: Arc<AtomicBool>,
    /// Bodies of outgoing requests, and of the responses to them, that have not
    /// ended: the guest may keep those too, and write or read more of them in
    /// a later request. What is read is gone for a second run.
    unfinished: Arc<AtomicUsize>,
    memory: Arc<Budget>,
    /// For the bodies of this request of which nobody else takes the rest: they are read until there is another. `None` until the
    /// request sends one.
    reads_on: Option<DropGuard>,
    /// Which `wasi:http` the request is of that is sent next.
    version: WasiHttpVersion,
    /// That of the request on whose behalf the guest acts.
    transaction: Option<Transaction>,
    /// For requests to the application itself.
    self_client: SelfRequestClient,
}

impl Outbound {
    /// For the guests of a component. What is under way is on the budget `memory`; what is sent to the application itself is
    /// for `self_handler`.
    pub fn new(
        component: Arc<str>,
        allowed: Arc<AllowedHosts>,
        memory: Arc<Budget>,
        self_handler: HandlerCell,
    ) -> Self {
        Outbound {
            self_client: SelfRequestClient::new(component.clone(), self_handler, 0),
            component,
            allowed,
            side_effects: Arc::default(),
            connected: Arc::default(),
            unfinished: Arc::default(),
            memory,
            reads_on: None,
            version: WasiHttpVersion::P2,
            transaction: None,
        }
    }

    /// Names the request on whose behalf the guest acts from now on.
    ///
    /// What the guest sends through something that it has kept, the host
    /// learns too late or never. So the request has a side effect already if
    /// there is such a thing.
    pub fn serve(&mut self, request: &RequestScope) {
        let side_effects = request.side_effects.clone();
        if self.connected.load(Ordering::Relaxed) || self.unfinished.load(Ordering::Relaxed) > 0 {
            side_effects.note();
        }
        *self.side_effects.lock() = side_effects;
        self.reads_on = None;
        self.self_client.serve(request.depth);
        self.transaction = Some(request.transaction.clone());
    }

    /// Lets go of that request: the guest is idle.
    pub(crate) fn end_request(&mut self) {
        self.transaction = None;
    }

    /// Says which version of `wasi:http` the request is of that Wasmtime hands over next.
    pub(crate) fn next_is_of(&mut self, version: WasiHttpVersion) {
        self.version = version;
    }

    /// Holds raw sockets to the same list: a guest may connect to an address
    /// that it names, and never listen.
    pub(crate) fn allow_sockets(&self, wasi: &mut WasiCtxBuilder) {
        if self.allowed.is_empty() {
            // WASI allows nothing by default.
            return;
        }
        // Sockets are allowed by address; looking up a name harms nobody.
        wasi.allow_ip_name_lookup(true);
        wasi.allow_tcp(true).allow_udp(true);
        let (allowed, side_effects) = (self.allowed.clone(), self.side_effects.clone());
        let connected = self.connected.clone();
        wasi.socket_addr_check(move |address: SocketAddr, usage: SocketAddrUse| {
            let allowed = match usage {
                SocketAddrUse::TcpConnect => allowed.allows_addr(address, "tcp"),
                SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                    allowed.allows_addr(address, "udp")
                }
                // What the system itself does before a connection or a datagram.
                SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                    address.ip().is_unspecified() && address.port() == 0
                }
                SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
            };
            if allowed && matches!(usage, SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend) {
                connected.store(true, Ordering::Relaxed);
                side_effects.lock().note();
            }
            Box::pin(async move { allowed })
        });
    }

    /// The request as it is sent, whatever its guest has put in its place: a guest may have copied the headers of the request
    /// that it serves.
    fn prepare(&mut self, request: http::Request<WasiBody>) -> http::Request<ExchangedBody> {
        let (mut parts, body) = request.into_parts();
        remove_connection_options(&mut parts.headers);
        // For the connection that it came on, although WASI lets guests see it.
        parts.headers.remove(TE);
        let authority = parts.uri.authority().map_or("", |host| host.as_str());
        if let Ok(host) = HeaderValue::from_str(authority) {
            parts.headers.insert(HOST, host);
        }
        let mut body = ExchangedBody::new(body);
        if self.version == WasiHttpVersion::P2 && !body.is_end_stream() {
            let until = self.reads_on.take();
            let until = until.unwrap_or_else(|| CancellationToken::new().drop_guard());
            body = body.reading_on(until.token().clone());
            self.reads_on = Some(until);
        }
        http::Request::from_parts(parts, body)
    }

    /// What of the application itself is to answer a request to `uri`; nothing where that is elsewhere.
    ///
    /// # Errors
    ///
    /// The component may not make the request. The log says so.
    fn target(&self, uri: &http::Uri) -> Result<Option<SelfTarget>, Error> {
        let target = SelfTarget::of(uri);
        let scheme = uri.scheme_str().unwrap_or("https");
        let allowed = match &target {
            Some(target) => target.is_allowed(&self.allowed, uri),
            None => uri
                .host()
                .is_some_and(|host| self.allowed.allows(scheme, host, uri.port_u16())),
        };
        if allowed {
            if target.is_some() {
                self.self_client.check_depth()?;
            }
            return Ok(target);
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let (what, scheme, authority) = match target {
            Some(SelfTarget::Routes) => ("the application itself".to_owned(), "http", "self"),
            _ => {
                let to = format!("{scheme}://{}", Excerpt(authority));
                (to, scheme, authority)
            }
        };
        let authority = Excerpt(authority);
        log_failure!(
            WARN,
            Kind::RefusedOutbound,
            &self.component,
            component = %self.component,
            "outgoing request to {what} refused: to allow it, add \"{scheme}://{authority}\" to the component's \
             allowed_outbound_hosts"
        );
        Err(Error::HttpRequestDenied)
    }
}

/// A version of `wasi:http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasiHttpVersion {
    /// 0.2.
    P2,
    /// 0.3, whose guests are told when nobody reads a body.
    P3,
}

/// What is charged for an outgoing request until its response is read, in bytes: a connection, and its buffers in both directions.
const EXCHANGE_BYTES: usize = 128 * 1024;

/// What a WASI 0.2 guest may write of a body before somebody reads it, in bytes.
pub(crate) const BODY_CHUNK: usize = 64 * 1024;

impl WasiHttpHooks for Outbound {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn is_forbidden_header(&mut self, name: &http::HeaderName) -> bool {
        forbidden_headers::is_forbidden(name)
    }

    fn is_supported_scheme(&mut self, _: &http::uri::Scheme) -> bool {
        // Refused as the request is sent: a guest that still writes its body hears of it then.
        true
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_result: BoxFuture<Result<(), Error>>,
    ) -> BoxFuture<Result<(http::Response<WasiBody>, BoxFuture<Result<(), Error>>), Error>> {
        let request = self.prepare(request);
        if !matches!(request.uri().scheme_str(), None | Some("http" | "https")) {
            return Box::new(async { Err(Error::HttpProtocolError) });
        }
        let target = match self.target(request.uri()) {
            Ok(target) => target,
            Err(error) => return Box::new(async { Err(error) }),
        };
        let charge = match self.memory.charge(Purpose::Resources, EXCHANGE_BYTES) {
            Ok(charge) => charge,
            Err(spent) => {
                let error = Error::InternalError(Some(spent.to_string()));
                return Box::new(async { Err(error) });
            }
        };
        self.side_effects.lock().note();
        let side_effects = self.side_effects.clone();
        let request = request.map(|body| body.counted(&self.unfinished, None));
        let unfinished = self.unfinished.clone();
        let self_client = self.self_client.clone();
        let transaction = self.transaction.clone();
        Box::new(async move {
            let (mut response, io) = match target {
                Some(target) => {
                    let request = request.map(BodyExt::boxed_unsync);
                    let response = self_client.send(request, target, options).await?;
                    (response, Box::new(async { Ok(()) }) as BoxFuture<_>)
                }
                None => {
                    let (response, io) = default_send_request(request, options).await?;
                    let response = response.map(BodyExt::boxed_unsync);
                    (response, Box::new(io) as BoxFuture<_>)
                }
            };
            remove_connection_options(response.headers_mut());
            // It may be the next request that gets the response.
            side_effects.lock().note();
            if let Some(transaction) = transaction {
                // The response may come of a write to the store, and this node may not have taken that in.
                transaction.expect_news();
            }
            Ok((
                response.map(|body| {
                    let body = ExchangedBody::new(body).counted(&unfinished, Some(charge));
                    body.boxed_unsync()
                }),
                io,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;

    #[test]
    fn a_request_names_the_host_that_it_goes_to() {
        let mut outbound = Outbound::new(
            "a".into(),
            Arc::default(),
            Budget::unlimited(),
            HandlerCell::default(),
        );
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::get("http://there.test:81/a?b")
            .header("host", "here.test")
            .header("host", "there.test:81")
            .header("te", "trailers")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("x-end", "2")
            .body(body)
            .expect("a request");
        let sent = outbound.prepare(request);
        let hosts: Vec<_> = sent.headers().get_all("host").iter().collect();
        assert_eq!(hosts, ["there.test:81"]);
        assert!(!sent.headers().contains_key("te") && !sent.headers().contains_key("x-hop"));
        assert_eq!(sent.headers()["x-end"], "2");
    }
}
