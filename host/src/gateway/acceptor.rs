//! From an accepted socket to a served connection: limits, TLS.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::dispatch::Gateway;
use super::sending::StreamTasks;
use super::service::Client;
use super::turn::AtTurnEnd;
use super::{connection, request_headers};
use crate::app::RESERVED;
use crate::logging::{Excerpt, Kind, log_failure};

/// Connections that are looked at beyond the limit, at a time.
const MAX_PROBES: usize = 64;
/// How long a client beyond the limit may take to say what it wants.
const PROBE_TIMEOUT: Duration = Duration::from_millis(250);

/// Serves sockets.
pub struct Acceptor {
    builder: Arc<Builder<StreamTasks>>,
    slots: Arc<Semaphore>,
    /// Connections beyond that limit that are looked at: they may be probes.
    probes: Arc<Semaphore>,
    limit: usize,
    scheme: Scheme,
    default_authority: Authority,
    tls: Option<TlsAcceptor>,
    gateway: Arc<Gateway>,
    /// Ends connections that have nothing under way.
    close: CancellationToken,
}

impl Acceptor {
    /// Serves `gateway` at `address`; `close` ends connections that have
    /// nothing under way.
    pub fn new(
        gateway: Arc<Gateway>,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        close: CancellationToken,
    ) -> Self {
        let limit = gateway.limits.max_connections;
        Acceptor {
            builder: Arc::new(connection::builder(&gateway)),
            slots: Arc::new(Semaphore::new(limit)),
            probes: Arc::new(Semaphore::new(MAX_PROBES)),
            limit,
            scheme: if tls.is_some() {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            default_authority: Authority::try_from(address.to_string())
                .unwrap_or(Authority::from_static("localhost")),
            tls,
            gateway,
            close,
        }
    }

    /// Serves one connection to its end.
    pub async fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(_slot) = self.slots.try_acquire() else {
            self.serve_beyond_limit(stream, address).await;
            return;
        };
        // Answers are small and complete: nothing is gained by waiting for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        let client = self.client(address);
        let (gateway, close) = (self.gateway.clone(), self.close.clone());
        let Some(tls) = &self.tls else {
            let stream = AtTurnEnd::new(stream);
            connection::serve(&self.builder, stream, gateway, client, close).await;
            return;
        };
        let patience = gateway.limits.header_timeout;
        match timeout(patience, tls.accept(AtTurnEnd::new(stream))).await {
            Ok(Ok(stream)) => {
                connection::serve(&self.builder, stream, gateway, client, close).await;
            }
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
                "no TLS session within {patience:?}"
            ),
        }
    }

    fn client(&self, address: SocketAddr) -> Client {
        Client {
            scheme: self.scheme.clone(),
            address: request_headers::client_header(address),
            default_authority: self.default_authority.clone(),
        }
    }

    /// Answers a probe on a connection that there is no room for, and nothing else: whoever asks whether the process is
    /// sound must not take a busy one for a broken one, and start it again.
    ///
    /// Not over TLS, where what is asked only shows after a handshake, which costs as much as a request.
    async fn serve_beyond_limit(&self, stream: TcpStream, address: SocketAddr) {
        let place = self.probes.try_acquire();
        if place.is_ok() && self.tls.is_none() && asks_well_known(&stream).await {
            let (gateway, close) = (self.gateway.clone(), self.close.clone());
            let mut once = connection::builder(&gateway);
            once.http1().keep_alive(false);
            let stream = AtTurnEnd::new(stream);
            connection::serve(&once, stream, gateway, self.client(address), close).await;
            return;
        }
        drop(place);
        log_failure!(
            WARN,
            Kind::RefusedConnections,
            "",
            limit = self.limit,
            "connection refused: as many are open as allowed"
        );
        refuse(stream, self.tls.is_some()).await;
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
async fn refuse(mut stream: TcpStream, tls: bool) {
    if tls {
        // Before a handshake there is nothing to say it in.
        return;
    }
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
        content-type: application/json\r\n\
        content-length: 69\r\n\
        retry-after: 1\r\n\
        connection: close\r\n\r\n\
        {\"detail\":\"as many connections are open as allowed; try again later\"}";
    let _ = timeout(Duration::from_secs(1), async {
        let _ = stream.write_all(ANSWER).await;
        let _ = stream.shutdown().await;
        // Closing with the request unread would reset the connection and take
        // the answer with it.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
}
