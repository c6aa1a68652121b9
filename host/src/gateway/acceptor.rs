//! From an accepted socket to a served connection: limits, TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::service::{Client, Gateway};
use super::turn::AtTurnEnd;
use super::{connection, request_headers};

/// Serves sockets.
pub struct Acceptor {
    builder: Arc<Builder<TokioExecutor>>,
    slots: Arc<Semaphore>,
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
            builder: Arc::new(connection::builder(&gateway.limits)),
            slots: Arc::new(Semaphore::new(limit)),
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
            tracing::warn!(
                limit = self.limit,
                "connection refused: as many are open as allowed"
            );
            refuse(stream, self.tls.is_some()).await;
            return;
        };
        // Answers are small and complete: nothing is gained by waiting for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        let client = Client {
            scheme: self.scheme.clone(),
            address: request_headers::client_header(address),
            default_authority: self.default_authority.clone(),
        };
        let (gateway, close) = (self.gateway.clone(), self.close.clone());
        let Some(tls) = &self.tls else {
            let stream = AtTurnEnd::new(stream);
            connection::serve(&self.builder, stream, gateway, client, close).await;
            return;
        };
        let timeout = gateway.limits.header_timeout;
        match tokio::time::timeout(timeout, tls.accept(AtTurnEnd::new(stream))).await {
            Ok(Ok(stream)) => {
                connection::serve(&self.builder, stream, gateway, client, close).await;
            }
            Ok(Err(error)) => tracing::debug!("no TLS session: {error}"),
            Err(_) => tracing::debug!("no TLS session within {timeout:?}"),
        }
    }
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
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        let _ = stream.write_all(ANSWER).await;
        let _ = stream.shutdown().await;
        // Closing with the request unread would reset the connection and take
        // the answer with it.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
}
