//! Listening, accepting, shutting down.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::service::{Client, Gateway};
use super::tls::{TlsError, TlsFiles};
use super::{connection, request_headers};

/// Ports that `--find-free-port` tries.
const PORTS_TO_TRY: u16 = 100;
/// How long a server that goes down waits for idle clients' next requests, to
/// tell them with the answer that the connection ends. Closing it under their
/// hands could lose a request that is already on its way.
const FAREWELL: Duration = Duration::from_millis(500);
/// The pause after a failed accept, which mostly means that the process has as
/// many files open as it may.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The address is taken.
    #[error(
        "{address} is already in use; stop what listens there, choose another with --listen, or add --find-free-port"
    )]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// No port nearby is free.
    #[error("no port from {first} to {last} is free on {ip}; choose another with --listen")]
    NoFreePort {
        /// The address without its port.
        ip: std::net::IpAddr,
        /// The first port tried.
        first: u16,
        /// The last port tried.
        last: u16,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// HTTPS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The listening server.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    address: SocketAddr,
}

impl Server {
    /// Listens on `address`, or with `find_free_port` on the next one that is
    /// free.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be had, or if the certificate is no good.
    pub async fn bind(
        address: SocketAddr,
        find_free_port: bool,
        tls: Option<&TlsFiles>,
    ) -> Result<Self, GatewayError> {
        let tls = tls.map(TlsFiles::acceptor).transpose()?;
        let listener = if find_free_port {
            bind_free_port(address).await?
        } else {
            TcpListener::bind(address)
                .await
                .map_err(|source| listen_error(address, source))?
        };
        let address = listener
            .local_addr()
            .map_err(|source| GatewayError::Listen { address, source })?;
        Ok(Server {
            listener,
            tls,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http`, or `https` with a certificate.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    /// Serves until `shutdown`, and then until what is under way is finished,
    /// but no longer than `patience`. Says how many connections were cut off.
    pub async fn serve(
        self,
        gateway: Arc<Gateway>,
        shutdown: CancellationToken,
        patience: Duration,
    ) -> usize {
        let limit = gateway.limits.max_connections;
        let acceptor = Acceptor {
            builder: Arc::new(connection::builder(&gateway.limits)),
            slots: Arc::new(Semaphore::new(limit)),
            limit,
            scheme: self.scheme(),
            default_authority: Authority::try_from(self.address.to_string())
                .unwrap_or(Authority::from_static("localhost")),
            tls: self.tls,
            gateway,
            connections: TaskTracker::new(),
            close: CancellationToken::new(),
        };
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, client)) => acceptor.accept(stream, client),
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        acceptor.gateway.drain();
        // The kernel has completed these connections: their requests may be
        // here already.
        while let Some(Ok((stream, client))) =
            futures::FutureExt::now_or_never(self.listener.accept())
        {
            acceptor.accept(stream, client);
        }
        drop(self.listener);
        acceptor.finish(patience).await
    }
}

struct Acceptor {
    builder: Arc<Builder<TokioExecutor>>,
    slots: Arc<Semaphore>,
    limit: usize,
    scheme: Scheme,
    default_authority: Authority,
    tls: Option<TlsAcceptor>,
    gateway: Arc<Gateway>,
    connections: TaskTracker,
    /// Ends connections that have nothing under way.
    close: CancellationToken,
}

impl Acceptor {
    fn accept(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            tracing::warn!(
                limit = self.limit,
                "connection refused: as many are open as allowed"
            );
            self.connections.spawn(refuse(stream, self.tls.is_some()));
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
        let (builder, gateway, close) = (
            self.builder.clone(),
            self.gateway.clone(),
            self.close.clone(),
        );
        match self.tls.clone() {
            None => self.connections.spawn(async move {
                connection::serve(builder, stream, gateway, client, close).await;
                drop(slot);
            }),
            Some(tls) => self.connections.spawn(async move {
                let timeout = gateway.limits.header_timeout;
                match tokio::time::timeout(timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        connection::serve(builder, stream, gateway, client, close).await;
                    }
                    Ok(Err(error)) => tracing::debug!("no TLS session: {error}"),
                    Err(_) => tracing::debug!("no TLS session within {timeout:?}"),
                }
                drop(slot);
            }),
        };
    }

    /// Waits for connections to end; see [`Server::serve`].
    async fn finish(self, patience: Duration) -> usize {
        self.connections.close();
        let farewell = FAREWELL.min(patience);
        if tokio::time::timeout(farewell, self.connections.wait())
            .await
            .is_ok()
        {
            return 0;
        }
        self.close.cancel();
        let rest = patience.saturating_sub(farewell);
        match tokio::time::timeout(rest, self.connections.wait()).await {
            Ok(()) => 0,
            Err(_) => self.connections.len(),
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
        content-length: 67\r\n\
        retry-after: 1\r\n\
        connection: close\r\n\r\n\
        {\"detail\":\"as many connections are open as allowed; try again later\"}";
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        let _ = stream.write_all(ANSWER).await;
        let _ = stream.shutdown().await;
    })
    .await;
}

async fn bind_free_port(address: SocketAddr) -> Result<TcpListener, GatewayError> {
    let first = address.port();
    let last = first.saturating_add(PORTS_TO_TRY - 1);
    for port in first..=last {
        let address = SocketAddr::new(address.ip(), port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(GatewayError::Listen { address, source }),
        }
    }
    Err(GatewayError::NoFreePort {
        ip: address.ip(),
        first,
        last,
    })
}

fn listen_error(address: SocketAddr, source: io::Error) -> GatewayError {
    if source.kind() == io::ErrorKind::AddrInUse {
        GatewayError::AddressInUse { address }
    } else {
        GatewayError::Listen { address, source }
    }
}
