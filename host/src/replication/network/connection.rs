//! How connections between nodes are made and accepted, behind two small traits, so that a simulated network can take
//! the real one's place.
//!
//! A connection that was accepted is passed on only once it has shown that there is HTTP/2 at the other end. Who is there
//! is the business of TLS and of the token, and whether an open connection is still alive is HTTP/2's.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::tls::ServerTls;
use crate::listening::listen;

/// How long looking up a name may take, and how long connecting may take after that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an address of a name is tried before the next one is tried beside it.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(200);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// How long an accepted connection may take for its TLS handshake and the beginning of HTTP/2.
const OPENING_TIMEOUT: Duration = Duration::from_secs(5);

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Connections that may be open or opening at a time. Each of the other nodes needs one.
const MAX_CONNECTIONS: usize = 256;

/// Pause after the system has refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// What an open port demands of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections that may be open or opening at a time.
    pub connections: usize,
    /// How long one may take to open.
    pub opening: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            opening: OPENING_TIMEOUT,
        }
    }
}

/// The connections that other nodes make, each past its TLS handshake and with HTTP/2 at its other end. What does not get
/// so far in time is closed, and so is what comes while too many are open. Ends when `stop` says so, and at nothing else.
pub fn incoming(
    listener: Box<dyn Listener>,
    tls: Option<ServerTls>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<PeerIo>> {
    incoming_within(Limits::default(), listener, tls, stop)
}

/// [`incoming`] with other limits.
pub(super) fn incoming_within(
    limits: Limits,
    listener: Box<dyn Listener>,
    tls: Option<ServerTls>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<PeerIo>> {
    let (opened, stream) = mpsc::channel(16);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = opened.closed() => {}
            () = accept_all(limits, listener, tls, &opened) => {}
        }
    });
    ReceiverStream::new(stream)
}

/// Accepts connections for ever. Those that are opening end with it.
async fn accept_all(
    limits: Limits,
    mut listener: Box<dyn Listener>,
    tls: Option<ServerTls>,
    opened: &mpsc::Sender<io::Result<PeerIo>>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut opening = JoinSet::new();
    let mut failing = false;
    loop {
        // What has opened or failed to is of no interest any more.
        while opening.try_join_next().is_some() {}
        let (io, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly the process has no file descriptor left. It may last, so it is said once.
                if !failing {
                    tracing::warn!("connections of other nodes cannot be accepted: {error}");
                }
                failing = true;
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        failing = false;
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::debug!(%from, "closed: {} connections of other nodes are open", limits.connections);
            continue;
        };
        let (tls, opened) = (tls.clone(), opened.clone());
        opening.spawn(async move {
            match timeout(limits.opening, open(io, tls)).await {
                Ok(Ok(io)) => {
                    let unread = PREFACE;
                    let _permit = permit;
                    let io = PeerIo {
                        io,
                        unread,
                        _permit,
                    };
                    opened.send(Ok(io)).await.ok();
                }
                Ok(Err(error)) => tracing::debug!(%from, "closed: {error}"),
                Err(_) => tracing::debug!(%from, "closed: not opened within {:?}", limits.opening),
            }
        });
    }
}

/// Waits for the TLS handshake and for the preface of HTTP/2.
async fn open(io: Io, tls: Option<ServerTls>) -> io::Result<Io> {
    let mut io = match tls {
        Some(tls) => tls.accept(io).await?,
        None => io,
    };
    let mut read = [0; PREFACE.len()];
    let mut length = 0;
    // Byte by byte if they come so, and not to the end of what is none.
    while length < PREFACE.len() {
        let more = io.read(&mut read[length..]).await?;
        length += more;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&read[..length]) {
            let reason = "it does not begin as HTTP/2";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
    }
    Ok(io)
}

/// A connection that another node has made.
pub struct PeerIo {
    io: Io,
    /// What was read of the connection's beginning, and has to be read again by who speaks HTTP/2.
    unread: &'static [u8],
    /// Its place among those that may be open.
    _permit: OwnedSemaphorePermit,
}

impl Connected for PeerIo {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for PeerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let (now, later) = self
            .unread
            .split_at(self.unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PeerIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
