//! Outgoing HTTP and sockets of guests, held to `allowed_outbound_hosts`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::forbidden_headers;
use super::host_state::SideEffects;
use crate::app::AllowedHosts;
use crate::logging::{Excerpt, Kind, log_failure};
use crate::memory::{Budget, Charge, Purpose};

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
}

impl Outbound {
    /// For the guests of a component. What is under way is on the budget `memory`.
    pub fn new(component: Arc<str>, allowed: Arc<AllowedHosts>, memory: Arc<Budget>) -> Self {
        Outbound {
            component,
            allowed,
            side_effects: Arc::default(),
            connected: Arc::default(),
            unfinished: Arc::default(),
            memory,
        }
    }

    /// Names the request on whose behalf the guest acts from now on.
    ///
    /// What the guest sends through something that it has kept, the host
    /// learns too late or never. So the request has a side effect already if
    /// there is such a thing.
    pub fn serve(&mut self, side_effects: SideEffects) {
        if self.connected.load(Ordering::Relaxed) || self.unfinished.load(Ordering::Relaxed) > 0 {
            side_effects.note();
        }
        *self.side_effects.lock() = side_effects;
    }

    /// Holds raw sockets to the same list: a guest may connect to an address
    /// that it names, and never listen.
    pub fn allow_sockets(&self, wasi: &mut WasiCtxBuilder) {
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

    fn allows(&self, uri: &http::Uri) -> bool {
        let scheme = uri.scheme_str().unwrap_or("https");
        uri.host()
            .is_some_and(|host| self.allowed.allows(scheme, host, uri.port_u16()))
    }
}

/// What is charged for an outgoing request until its response is read, in bytes: a connection, and its buffers in both directions.
const EXCHANGE_BYTES: usize = 128 * 1024;

/// What a WASI 0.2 guest may write of a body before somebody reads it, in bytes.
pub(super) const BODY_CHUNK: usize = 64 * 1024;

impl WasiHttpHooks for Outbound {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn is_forbidden_header(&mut self, name: &http::HeaderName) -> bool {
        forbidden_headers::is_forbidden(name)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_result: BoxFuture<Result<(), Error>>,
    ) -> BoxFuture<Result<(http::Response<WasiBody>, BoxFuture<Result<(), Error>>), Error>> {
        if !self.allows(request.uri()) {
            let uri = request.uri();
            let scheme = uri.scheme_str().unwrap_or("https");
            let authority = uri.authority().map_or("", |authority| authority.as_str());
            let authority = Excerpt(authority);
            log_failure!(
                WARN,
                Kind::RefusedOutbound,
                &self.component,
                component = %self.component,
                "outgoing request to {scheme}://{authority} refused: to allow it, add \
                 \"{scheme}://{authority}\" to the component's allowed_outbound_hosts"
            );
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let charge = match self.memory.charge(Purpose::Resources, EXCHANGE_BYTES) {
            Ok(charge) => charge,
            Err(spent) => {
                let error = Error::InternalError(Some(spent.to_string()));
                return Box::new(async { Err(error) });
            }
        };
        self.side_effects.lock().note();
        let side_effects = self.side_effects.clone();
        let request = request.map(|body| UnfinishedBody::new(body, &self.unfinished));
        let unfinished = self.unfinished.clone();
        Box::new(async move {
            let (response, io) = default_send_request(request, options).await?;
            // It may be the next request that gets the response.
            side_effects.lock().note();
            Ok((
                response.map(|body| {
                    let body = UnfinishedBody::new(body.boxed_unsync(), &unfinished);
                    body.holding(charge).boxed_unsync()
                }),
                Box::new(io) as BoxFuture<_>,
            ))
        })
    }
}

/// The body of an outgoing request, or of the response to one.
struct UnfinishedBody {
    body: WasiBody,
    /// `None` after its end.
    unfinished: Option<Unfinished>,
}

/// Counts a body of which the guest may write or read more.
struct Unfinished {
    count: Arc<AtomicUsize>,
    /// What is held for it on the budget.
    charge: Option<Charge>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UnfinishedBody {
    fn new(body: WasiBody, unfinished: &Arc<AtomicUsize>) -> Self {
        let unfinished = (!body.is_end_stream()).then(|| {
            unfinished.fetch_add(1, Ordering::Relaxed);
            Unfinished {
                count: unfinished.clone(),
                charge: None,
            }
        });
        UnfinishedBody { body, unfinished }
    }

    /// Holds `charge` until its end.
    fn holding(mut self, charge: Charge) -> Self {
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.charge = Some(charge);
        }
        self
    }
}

impl http_body::Body for UnfinishedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let ended = matches!(frame, Poll::Ready(None | Some(Err(_))));
        if ended || self.body.is_end_stream() {
            self.unfinished = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
