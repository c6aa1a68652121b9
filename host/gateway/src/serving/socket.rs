//! [`Socket`]: the stream below TLS, where there is TLS: whether bytes have arrived is a question to the system, and what TLS
//! cannot decrypt yet shows nowhere else.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use spindrift_memory::Budget;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::heads::{Kept, no_room};

/// The socket of a connection.
pub struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// With TLS: what has come that TLS could not decrypt yet, of the handshake or of a record.
    encrypted: Option<Kept>,
}

impl Socket {
    /// Wraps the socket of the connection that this is the activity of.
    pub fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Socket {
            stream,
            activity,
            encrypted: None,
        }
    }

    /// As [`Socket::new`], for a connection with TLS. What comes and cannot be decrypted yet is on the budget `memory`.
    pub(crate) fn with_tls(
        stream: TcpStream,
        activity: Arc<Activity>,
        memory: &Arc<Budget>,
    ) -> Self {
        activity.has_tls();
        Socket {
            encrypted: Some(Kept::of_requests(memory)),
            ..Self::new(stream, activity)
        }
    }

    /// Takes in how many bytes have come.
    fn received(&mut self, bytes: usize) -> io::Result<()> {
        let Some(kept) = &mut self.encrypted else {
            return Ok(());
        };
        if self.activity.takes_decrypted() {
            kept.clear();
        }
        kept.add(bytes).map_err(no_room)
    }

    /// Whether bytes have arrived, or the end of the stream, though the event loop may not know it yet.
    fn has_arrived(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        match SockRef::from(&self.stream).peek(&mut byte) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_pending() && self.activity.takes_look() {
            self.activity.note_arrived(self.has_arrived());
        }
        self.received(buffer.filled().len() - before)?;
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
