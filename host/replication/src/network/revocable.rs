//! [`Revocable`]: a connection that others may end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use spindrift_net::event_loop::seldom;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Io;

/// A connection that fails once something has come about. What was read of its beginning already is read again. Something may
/// belong to it, which goes when it does.
pub struct Revocable<T = ()> {
    io: Io,
    unread: &'static [u8],
    end: Option<End>,
    belonging: T,
}

/// Comes about with the reason why the connection ends, or with nothing once it is certain that it does not.
pub type End = BoxFuture<'static, Option<io::Error>>;

impl Revocable {
    /// A connection of which `unread` was read already.
    pub fn begun(io: Io, unread: &'static [u8]) -> Self {
        Self {
            io,
            unread,
            end: None,
            belonging: (),
        }
    }
}

impl<T> Revocable<T> {
    /// The connection, which ends when `end` says so.
    pub fn ending(mut self, end: End) -> Self {
        self.end = Some(Box::pin(seldom(end)));
        self
    }

    /// The connection, to which this belongs.
    pub fn with<U>(self, belonging: U) -> Revocable<U> {
        Revocable {
            io: self.io,
            unread: self.unread,
            end: self.end,
            belonging,
        }
    }

    /// What belongs to it.
    pub fn belonging(&self) -> &T {
        &self.belonging
    }

    /// Fails if the connection has come to its end, and otherwise has the task woken that asks when it does.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(end) = &mut self.end else {
            return Ok(());
        };
        match end.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(None) => {
                self.end = None;
                Ok(())
            }
            Poll::Ready(Some(error)) => {
                let kind = error.kind();
                self.end = Some(Box::pin(async move { Some(kind.into()) }));
                Err(error)
            }
        }
    }
}

impl<T: Unpin> AsyncRead for Revocable<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
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

impl<T: Unpin> AsyncWrite for Revocable<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
