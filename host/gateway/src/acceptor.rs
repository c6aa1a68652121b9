//! From an accepted socket to a served connection: limits, TLS.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::conn::auto::Builder;
use spindrift_app::RESERVED;
use spindrift_failures::{Excerpt, Kind, log_failure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Served};
use super::deferred_writes::DeferredWrites;
use super::dispatch::Gateway;
use super::readers::StreamTasks;
use super::request_headers;
use super::service::Client;
use super::workers::Workers;
use crate::serving::{Activity, Places, ServiceUnavailable, Socket, Timeouts};

/// How long a client beyond the limit may take to say what it wants.
const PROBE_TIMEOUT: Duration = Duration::from_millis(250);
/// How long it may take with its request, and with the answer, if it is a probe.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// What a client is told that there is no room for.
static REFUSAL: ServiceUnavailable =
    ServiceUnavailable::new("as many connections are open as allowed; try again later");

/// Serves sockets.
pub(crate) struct Acceptor {
    builder: Arc<Builder<StreamTasks>>,
    timeouts: Timeouts,
    /// Places of those beyond the limit, which are told so: they may be probes.
    refusals: Arc<Places>,
    tls: Option<TlsAcceptor>,
    gateway: Arc<Gateway>,
    /// Ends connections that have nothing under way.
    close: CancellationToken,
}

impl Acceptor {
    /// Serves `gateway`; `close` ends connections that have
    /// nothing under way.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        tls: Option<TlsAcceptor>,
        close: CancellationToken,
    ) -> Self {
        let limits = &gateway.limits;
        Acceptor {
            builder: Arc::new(connection::builder(&gateway)),
            timeouts: Timeouts {
                head: limits.header_timeout,
                idle: limits.idle_timeout(),
                answer: None,
            },
            refusals: Places::new(limits.max_refusals),
            tls,
            gateway,
            close,
        }
    }

    /// Has a connection served by one of the `workers`, if fewer are open than
    /// may be or one of them is idle, and else refused.
    pub(crate) async fn take(
        self: &Arc<Self>,
        workers: &Workers,
        stream: TcpStream,
        client: SocketAddr,
    ) {
        match self.gateway.connections.open() {
            Some(place) => workers.assign(stream, client, place),
            None => self.refuse(stream, client).await,
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        activity: &Arc<Activity>,
    ) {
        // Answers are small and complete: nothing is gained by waiting for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        let until = activity.first_head_until(&self.timeouts);
        let socket = match &self.tls {
            Some(_) => Socket::with_tls(stream, activity.clone(), &self.gateway.limits.memory),
            None => Socket::new(stream, activity.clone()),
        };
        let stream = DeferredWrites::new(socket);
        let served = Served {
            builder: &self.builder,
            gateway: self.gateway.clone(),
            client: self.client(address),
            activity: activity.clone(),
            timeouts: &self.timeouts,
            close: &self.close,
            keeps: true,
        };
        let Some(tls) = &self.tls else {
            connection::serve(stream, served).await;
            return;
        };
        let session = tokio::select! {
            session = timeout_at(until, tls.accept(stream)) => session,
            () = self.gateway.gives_up().cancelled() => return,
            () = activity.evicted() => return,
        };
        match session {
            Ok(Ok(stream)) => connection::serve(stream, served).await,
            // A load balancer that looks whether the port is open closes without a word.
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                tracing::debug!("no TLS session: {error}");
            }
            Ok(Err(error)) => {
                let error = error.to_string();
                let error = Excerpt(&error);
                log_failure!(WARN, Kind::TlsHandshakes, "", client = %address, "no TLS session: {error}");
            }
            Err(_) => log_failure!(
                WARN,
                Kind::TlsHandshakes,
                "",
                client = %address,
                "no TLS session within {:?}",
                self.timeouts.head
            ),
        }
    }

    fn client(&self, address: SocketAddr) -> Client {
        Client {
            scheme: self.gateway.base_url.scheme.clone(),
            address: request_headers::client_header(address),
            default_authority: self.gateway.base_url.authority.clone(),
            depth: 0,
            component: None,
        }
    }

    /// Takes care of a connection that there is no room for. It does not come to the workers, which may be busy.
    ///
    /// The client is told, unless it expects TLS: what is said only shows after a handshake, which costs as much as a request.
    async fn refuse(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let connections = &self.gateway.connections;
        connections.refused.inc();
        log_failure!(
            WARN,
            Kind::RefusedConnections,
            "",
            limit = connections.limit(),
            "connection refused: as many are open as allowed"
        );
        if self.tls.is_some() {
            return;
        }
        let activity = Arc::new(Activity::begin());
        let place = self.refusals.take(&activity).await;
        let acceptor = self.clone();
        self.gateway.tasks().spawn(async move {
            let _place = place;
            acceptor.serve_beyond_limit(stream, address, activity).await;
        });
    }

    /// Answers a probe on a connection that there is no room for, and nothing else. A prober that got no answer would take a
    /// busy process for a broken one, and start it again.
    async fn serve_beyond_limit(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        activity: Arc<Activity>,
    ) {
        let probes = tokio::select! {
            probes = asks_well_known(&stream) => probes,
            () = activity.evicted() => {
                // There is no time to wait for its request. The buffer of a new connection has room for the answer.
                let _ = stream.try_write(REFUSAL.bytes());
                return;
            }
        };
        tokio::select! {
            () = async {
                if probes {
                    self.serve_probe(stream, address, activity.clone()).await;
                } else {
                    refuse(stream).await;
                }
            } => {}
            () = activity.evicted() => {}
        }
    }

    async fn serve_probe(&self, stream: TcpStream, address: SocketAddr, activity: Arc<Activity>) {
        let mut once = (*self.builder).clone();
        once.http1().keep_alive(false);
        let served = Served {
            builder: &once,
            gateway: self.gateway.clone(),
            client: self.client(address),
            activity: activity.clone(),
            timeouts: &Timeouts {
                head: PROBE_PATIENCE,
                idle: PROBE_PATIENCE,
                answer: Some(PROBE_PATIENCE),
            },
            close: &self.close,
            keeps: false,
        };
        connection::serve(Socket::new(stream, activity), served).await;
    }
}

/// Whether a client asks for what the host itself answers, as a probe does. It is not waited for for long.
async fn asks_well_known(stream: &TcpStream) -> bool {
    let mut start = [0; 64];
    let Ok(Ok(length)) = timeout(PROBE_TIMEOUT, stream.peek(&mut start)).await else {
        return false;
    };
    let start = start.get(..length).unwrap_or_default();
    let target = [&b"GET "[..], b"HEAD "];
    let target = target.iter().find_map(|method| start.strip_prefix(*method));
    target.is_some_and(|target| {
        RESERVED
            .iter()
            .any(|prefix| target.starts_with(prefix.as_bytes()))
    })
}

/// Tells a client that there is no room, without waiting for its request.
async fn refuse(mut stream: TcpStream) {
    let _ = timeout(Duration::from_secs(1), async {
        let _ = stream.write_all(REFUSAL.bytes()).await;
        let _ = stream.shutdown().await;
        // Closing with the request unread would reset the connection and take
        // the answer with it.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
}
