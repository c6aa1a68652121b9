//! Writing at the end of an event loop's turn.
//!
//! A thread finds several connections with a request at once. Written one by
//! one, as they are ready, each answer wakes its client, which then takes the
//! core from the next request's guest; on a busy machine that costs as much as
//! the answer itself. So answers wait until every request that was there has
//! been worked on, and then leave together, as Redis' do before it sleeps.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

#[derive(Default)]
struct Turn {
    /// Connections that have something to write.
    waiting: Vec<Waker>,
    /// The task that ends turns, on a thread that has one.
    ender: Option<Waker>,
}

thread_local! {
    static TURN: RefCell<Turn> = RefCell::default();
}

/// Ends this thread's turns, for ever.
///
/// Woken by the first connection that waits, this task queues up behind all
/// tasks that are ready by then, and only then lets the writers go.
pub async fn end_turns() {
    poll_fn(|cx| {
        let waiting = TURN.with_borrow_mut(|turn| {
            turn.ender = Some(cx.waker().clone());
            std::mem::take(&mut turn.waiting)
        });
        for connection in waiting {
            connection.wake();
        }
        Poll::<()>::Pending
    })
    .await;
}

/// Wakes the task of `cx` at the end of the turn. Says whether this thread has
/// turns.
fn wait_for_end(cx: &Context<'_>) -> bool {
    TURN.with_borrow_mut(|turn| {
        let Some(ender) = &turn.ender else {
            return false;
        };
        if turn.waiting.is_empty() {
            ender.wake_by_ref();
        }
        turn.waiting.push(cx.waker().clone());
        true
    })
}

/// A stream whose first write of a message waits for the end of the turn.
///
/// A client that does not read is waited for, but not for ever.
pub struct AtTurnEnd<S> {
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
    /// Its first write waits for the end of the turn.
    Held,
    /// It may be written now.
    Released,
}

impl<S> AtTurnEnd<S> {
    /// Wraps a stream.
    pub fn new(stream: S) -> Self {
        AtTurnEnd {
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
        if self.message == Message::None && wait_for_end(cx) {
            self.message = Message::Held;
            return Poll::Pending;
        }
        // Polled again, the task has waited, or is about to close the stream.
        self.message = Message::Released;
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AtTurnEnd<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AtTurnEnd<S> {
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
        // which is at the turn's end, it writes before it closes.
        if self.message == Message::Held {
            self.message = Message::Released;
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
