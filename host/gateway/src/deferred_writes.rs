//! [`DeferredWrites`]: answers wait until all requests that have arrived were worked on.
//!
//! A thread finds several connections with a request at once. If it wrote each answer as soon as it is ready, the answer would
//! wake its client, and the client would take the core from the guest of the next request. On a busy machine that costs as
//! much as the answer itself. So the answers wait until the event loop has polled every task that was ready, and leave
//! together. Redis does the same before it sleeps.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

#[derive(Default)]
struct Deferred {
    /// Connections that have something to write.
    waiting: Vec<Waker>,
    /// The task that releases them, on a thread that has one.
    releaser: Option<Waker>,
}

thread_local! {
    static DEFERRED: RefCell<Deferred> = RefCell::default();
}

/// Releases the writes that this thread defers. It never ends.
///
/// The first connection that waits wakes this task. The task runs after all tasks that are ready by then, and lets the writers
/// go.
pub(crate) async fn release_deferred_writes() {
    poll_fn(|cx| {
        let waiting = DEFERRED.with_borrow_mut(|deferred| {
            deferred.releaser = Some(cx.waker().clone());
            std::mem::take(&mut deferred.waiting)
        });
        for connection in waiting {
            connection.wake();
        }
        Poll::<()>::Pending
    })
    .await;
}

/// Has the task of `cx` woken when the writes are released. Returns false if this thread releases none.
fn defer(cx: &Context<'_>) -> bool {
    DEFERRED.with_borrow_mut(|deferred| {
        let Some(releaser) = &deferred.releaser else {
            return false;
        };
        if deferred.waiting.is_empty() {
            releaser.wake_by_ref();
        }
        deferred.waiting.push(cx.waker().clone());
        true
    })
}

/// A stream that defers the first write of each message.
///
/// A write ends with an error if the client does not read for [`STALL_TIMEOUT`].
pub(crate) struct DeferredWrites<S> {
    stream: S,
    message: Message,
    /// Runs while the client does not read.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// How long a client may leave what is sent to it unread.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How far the message to be written is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    /// There is none.
    None,
    /// Its first write is deferred.
    Held,
    /// It may be written now.
    Released,
}

impl<S> DeferredWrites<S> {
    /// Wraps a stream.
    pub(crate) fn new(stream: S) -> Self {
        DeferredWrites {
            stream,
            message: Message::None,
            stalled: None,
        }
    }

    /// Gives up on a write that has been pending for too long.
    fn poll_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_TIMEOUT)));
        std::task::ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_release(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.message == Message::None && defer(cx) {
            self.message = Message::Held;
            return Poll::Pending;
        }
        // Polled again, the task has waited, or is about to close the stream.
        self.message = Message::Released;
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DeferredWrites<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DeferredWrites<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_release(cx));
        let written = Pin::new(&mut self.stream).poll_write(cx, written);
        self.poll_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        written: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_release(cx));
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, written);
        self.poll_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.message = Message::None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is held back would be lost: hyper closes after an error of its
        // own without waiting for its answer to be written. At its next poll,
        // which is when the writes are released, it writes before it closes.
        if self.message == Message::Held {
            self.message = Message::Released;
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
