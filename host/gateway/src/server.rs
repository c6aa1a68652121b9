//! Listening, accepting, shutting down.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::uri::Scheme;
use spindrift_net::listening::{PORT_PATIENCE, accept, listen};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::acceptor::Acceptor;
use super::dispatch::Gateway;
use super::self_requests::BaseUrl;
use super::tls::{TlsError, TlsFiles};
use super::workers::Workers;
use crate::serving::GIVE_UP;

/// Ports that `--find-free-port` tries.
const PORTS_TO_TRY: u16 = 100;
/// How long a server that goes down waits for idle clients' next requests, to
/// tell them with the answer that the connection ends. Closing it under their
/// hands could lose a request that is already on its way.
const FAREWELL: Duration = Duration::from_millis(500);
/// Why the server could not start.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The address is taken.
    #[error(
        "{address} is already in use, and was so for {PORT_PATIENCE:?}; stop what listens there, choose another with --listen, or add --find-free-port"
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
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        reason: io::Error,
    },
    /// HTTPS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How a server goes down.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Cancelled when it is to go down.
    pub signal: CancellationToken,
    /// How long it takes new connections from then on, while it says already that it goes: whoever sends it requests may
    /// hear of that late.
    pub delay: Duration,
    /// How long what is under way may take after that.
    pub patience: Duration,
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
            listen(address)
                .await
                .map_err(|source| listen_error(address, source))?
        };
        let address = listener
            .local_addr()
            .map_err(|reason| GatewayError::Listen { address, reason })?;
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

    /// Where the application is that it serves.
    pub fn base_url(&self) -> BaseUrl {
        BaseUrl::of(self.scheme(), self.address)
    }

    /// Serves on `workers` threads, in a task of its own, until `shutdown`, and
    /// then until what is under way is finished, but no longer than that
    /// allows. The task says how many connections were cut off.
    ///
    /// # Errors
    ///
    /// Fails if the threads cannot be started.
    pub fn serve(
        self,
        gateway: Arc<Gateway>,
        workers: NonZeroUsize,
        shutdown: Shutdown,
    ) -> io::Result<JoinHandle<usize>> {
        let close = CancellationToken::new();
        let acceptor = Acceptor::new(gateway.clone(), self.tls, close.clone());
        let acceptor = Arc::new(acceptor);
        let workers = Workers::start(workers, acceptor.clone(), gateway.tasks().clone())?;
        let serving = Serving {
            listener: self.listener,
            gateway,
            acceptor,
            workers,
            close,
        };
        Ok(tokio::spawn(serving.until(shutdown)))
    }
}

/// A server that serves.
struct Serving {
    listener: TcpListener,
    gateway: Arc<Gateway>,
    acceptor: Arc<Acceptor>,
    workers: Workers,
    /// Ends connections that have nothing under way.
    close: CancellationToken,
}

impl Serving {
    /// Takes connections until `shutdown`, and waits for what is under way to
    /// finish. Says how many connections were cut off.
    async fn until(self, shutdown: Shutdown) -> usize {
        let Serving {
            listener,
            gateway,
            acceptor,
            workers,
            close,
        } = self;
        let closing = async {
            shutdown.signal.cancelled().await;
            gateway.drain();
            // Nobody has been told yet to send requests to a process that still starts.
            if gateway.is_serving() {
                tokio::time::sleep(shutdown.delay).await;
            }
        };
        tokio::pin!(closing);
        loop {
            let (stream, client) = tokio::select! {
                accepted = accept(&listener) => accepted,
                () = &mut closing => break,
            };
            acceptor.take(&workers, stream, client).await;
        }
        // The kernel has completed these connections: their requests may be
        // here already.
        while let Some(Ok((stream, client))) = listener.accept().now_or_never() {
            acceptor.take(&workers, stream, client).await;
        }
        drop((listener, workers, acceptor));
        finish(&gateway, &close, shutdown.patience).await
    }
}

/// Waits for what is under way to finish, for `patience` at most. Clients that
/// have not sent all of a request, or do not read an answer, are not waited
/// for for as long. Says how many connections were cut off.
async fn finish(gateway: &Gateway, close: &CancellationToken, patience: Duration) -> usize {
    let tasks = gateway.tasks();
    tasks.close();
    let farewell = FAREWELL.min(patience);
    if timeout(farewell, tasks.wait()).await.is_ok() {
        return 0;
    }
    close.cancel();
    let left = patience.saturating_sub(farewell);
    let give_up = GIVE_UP.min(left);
    if timeout(give_up, tasks.wait()).await.is_ok() {
        return 0;
    }
    gateway.gives_up().cancel();
    match timeout(left.saturating_sub(give_up), tasks.wait()).await {
        Ok(()) => 0,
        Err(_) => tasks.len(),
    }
}

async fn bind_free_port(address: SocketAddr) -> Result<TcpListener, GatewayError> {
    let first = address.port();
    let last = first.saturating_add(PORTS_TO_TRY - 1);
    for port in first..=last {
        let address = SocketAddr::new(address.ip(), port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(reason) => return Err(GatewayError::Listen { address, reason }),
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
        GatewayError::Listen {
            address,
            reason: source,
        }
    }
}
