//! How connections between nodes are made and accepted, behind two small traits, so that a simulated network can take
//! the real one's place.
//!
//! TLS checks who is at the other end. HTTP/2 checks whether an open connection is alive.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use spindrift_net::listening::listen;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

/// How long looking up a name may take, and how long connecting may take after that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an address of a name is tried before the next one is tried beside it.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(200);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// What is read from and written to.
pub trait AsyncIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> AsyncIo for T {}

/// A connection.
pub type Io = Box<dyn AsyncIo>;

/// How other nodes are reached.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Connects to `host:port`. Fails within seconds where nobody answers.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Io>>;

    /// Takes a port. Port 0 takes any free one.
    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;
}

/// A port that was taken.
pub trait Listener: Send {
    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The next connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Io, SocketAddr)>>;
}

/// The real network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Transport for Tcp {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Io>> {
        let address = address.to_owned();
        Box::pin(async move {
            // A name is looked up each time: pods move.
            let found = in_time("its name was not found", lookup_host(&address)).await?;
            let stream = in_time("no connection was made", connect_any(found)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Io)
        })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = listen(address).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

impl Listener for TcpListener {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Io, SocketAddr)>> {
        Box::pin(async {
            let (stream, from) = Self::accept(self).await?;
            // It fails for a connection that is gone already, which says nothing about the next one.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%from, "TCP_NODELAY: {error}");
            }
            Ok((Box::new(stream) as Io, from))
        })
    }
}

async fn in_time<T>(what: &str, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(CONNECT_TIMEOUT, doing).await.unwrap_or_else(|_| {
        let reason = format!("{what} within {CONNECT_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}

/// Connects to whichever address answers first. A name may have an address that nobody can reach from here, such as an
/// IPv6 one, so the others do not wait until it has failed.
pub(super) async fn connect_any(
    addresses: impl Iterator<Item = SocketAddr>,
) -> io::Result<TcpStream> {
    let mut addresses = addresses.take(MAX_ADDRESSES).fuse();
    let mut connecting = FuturesUnordered::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    loop {
        let next = addresses.next();
        let more = next.is_some();
        connecting.extend(next.map(TcpStream::connect));
        tokio::select! {
            connected = connecting.next() => match connected {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = error,
                None => return Err(failed),
            },
            () = sleep(NEXT_ADDRESS_AFTER), if more => {}
        }
    }
}
