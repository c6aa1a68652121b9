//! [`Watched`]: the stream that notes what is read and written on a connection. It lies above TLS, where there is TLS: what bytes
//! mean shows only when they are decrypted.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use spindrift_failures::{Kind, log_failure};
use spindrift_memory::{Budget, Charge, Purpose};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;
use super::heads::{Arriving, Part, no_room};
use super::service_unavailable::ServiceUnavailable;

/// How long a connection is read on after its end was sent. The system answers bytes that nobody has read with a reset, which
/// takes from the client what it has not read of the last answer (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// How long a client that has closed its side is still taken for one that waits for its answer, while nothing of that is sent.
/// One that has gone away looks the same, until something is sent to it, and what is done for that one is to end.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// How much is read at a time, in bytes. Hyper makes its buffer larger for a client that fills it, and keeps it for as long as the
/// connection is open, idle or not: a few hundred KiB after one large body.
const READ_BYTES: usize = 16 * 1024;

/// What TLS holds of answers that a client does not take, in bytes: rustls takes no more than that.
const TLS_BYTES: usize = 64 * 1024;

/// How much is read at a time of what nobody takes, in bytes.
const LINGER_BYTES: usize = 4096;

/// What a client is told for whose head there is no room.
static NO_ROOM: ServiceUnavailable = ServiceUnavailable::new(
    "the memory that is held for requests is at its limit (--memory-budget); try again later",
);

/// What HTTP is read from and written to. When its end is sent, it is read on for a while. When its end has come, that is held
/// back while an answer of HTTP/1 may still be wanted: hyper would end the request.
///
/// It is read no further when there is no room for the head that comes: the client is told so, as far as HTTP/1 has words for it.
pub(crate) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    arriving: Arriving,
    memory: Arc<Budget>,
    /// What TLS holds of what was written, while the client does not take it.
    in_tls: Option<Charge>,
    /// Whether something was written since the last flush.
    has_written: bool,
    /// Whether a write or a flush has waited since the last one that did not.
    has_waited: bool,
    /// What is still to be written to a client that is refused.
    refusing: Option<&'static [u8]>,
    ended: Option<Ended>,
    closing: Closing,
}

/// The end of what the client sends has come.
struct Ended {
    held_back: Pin<Box<Sleep>>,
    /// Bytes that were written when this began.
    written: u64,
}

/// How far the end of a stream is.
enum Closing {
    /// It is not there.
    Open,
    /// It was sent, and what still comes is read until this is over.
    Lingering(Pin<Box<Sleep>>),
    /// It is over.
    Closed,
}

impl<S> Watched<S> {
    /// Wraps the stream of the connection that this is the activity of. What comes of heads is on the budget `memory`.
    pub(crate) fn new(stream: S, activity: Arc<Activity>, memory: &Arc<Budget>) -> Self {
        activity.decrypted();
        activity.unsent_heads().count_on(memory);
        Watched {
            stream,
            activity,
            arriving: Arriving::new(memory),
            memory: memory.clone(),
            in_tls: None,
            has_written: false,
            has_waited: false,
            refusing: None,
            ended: None,
            closing: Closing::Open,
        }
    }

    /// Reads no more than [`READ_BYTES`] into `buffer`.
    fn poll_read_some(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        if buffer.remaining() <= READ_BYTES {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes))?;
        buffer.put_slice(bytes.filled());
        Poll::Ready(Ok(()))
    }

    /// The end of the stream, once all of the answer has left, or the client has taken none of it for too long.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let written = self.activity.written();
        let ended = self.ended.get_or_insert_with(|| Ended {
            held_back: Box::pin(sleep(HALF_CLOSED)),
            written,
        });
        while self.activity.owes_http1() {
            ready!(ended.held_back.as_mut().poll(cx));
            if ended.written == written {
                break;
            }
            // The client still takes what it is sent.
            ended.written = written;
            ended.held_back.as_mut().reset(Instant::now() + HALF_CLOSED);
        }
        Poll::Ready(())
    }

    fn note_written(&mut self, polled: &Poll<io::Result<usize>>) -> io::Result<()> {
        match polled {
            Poll::Ready(Ok(written)) => {
                self.has_written = true;
                self.activity.wrote(*written);
                Ok(())
            }
            Poll::Ready(Err(_)) => Ok(()),
            Poll::Pending => self.stalls(),
        }
    }

    /// The client does not take what is written.
    fn stalls(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_waited, true) {
            // The stream below waits once in any case, until deferred writes are released.
            return Ok(());
        }
        self.activity.stalls();
        if self.in_tls.is_none() && self.activity.is_tls() {
            let charge = self.memory.charge(Purpose::Answers, TLS_BYTES);
            self.in_tls = Some(charge.map_err(no_room)?);
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads to the end of the stream, and leaves it unread. It is not waited for for longer than it lingers.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Closing::Lingering(linger) = &mut self.closing else {
            return Poll::Ready(());
        };
        loop {
            let mut bytes = [MaybeUninit::uninit(); LINGER_BYTES];
            let mut bytes = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut bytes) {
                Poll::Ready(Ok(())) if !bytes.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return linger.as_mut().poll(cx),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Takes in what has come. Refuses the client where there is no room for more of a head.
    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.activity.received(bytes);
        let part = if self.activity.has_head() {
            Part::Head
        } else if self.activity.expects_chunks() {
            Part::Chunks
        } else {
            Part::Body
        };
        let Err(spent) = self.arriving.take(bytes, part) else {
            return Ok(());
        };
        log_failure!(
            WARN,
            Kind::NoMemory,
            "",
            "a connection was closed: there was no memory for the head of a request: {spent}"
        );
        // Where an answer is to be sent, this one would be taken for it.
        if self.arriving.is_http1() && self.activity.is_idle() {
            self.refusing = Some(NO_ROOM.bytes());
            return Ok(());
        }
        Err(no_room(spent))
    }

    /// Tells a client that it is refused, and ends the stream.
    fn poll_refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.refusing.filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            self.refusing = rest.get(written..);
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        ready!(Pin::new(self).poll_shutdown(cx))?;
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.refusing.is_some() {
            return self.poll_refuse(cx);
        }
        if !self.activity.has_head() {
            let expects_chunks = self.activity.expects_chunks();
            self.arriving.no_head(expects_chunks);
        }
        match self.activity.takes_handed_over() {
            0 => {}
            bytes => self.arriving.handed_over(bytes),
        }
        if self.ended.is_none() {
            let before = buffer.filled().len();
            let has_room = buffer.remaining() > 0;
            let polled = self.poll_read_some(cx, buffer);
            if polled.is_pending() {
                self.activity.waits();
            }
            ready!(polled)?;
            let bytes = buffer.filled().get(before..).unwrap_or_default();
            if !bytes.is_empty() || !has_room {
                self.received(bytes)?;
                if self.refusing.is_some() {
                    buffer.set_filled(before);
                    return self.poll_refuse(cx);
                }
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_end(cx).map(Ok)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.activity.writes();
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_written(&polled)?;
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.writes();
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note_written(&polled)?;
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refusing.is_some() {
            // That is flushed once it is written. A flush before ends a message whose first write the stream below holds back.
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        match polled {
            Poll::Ready(Ok(())) => {
                self.in_tls = None;
                self.has_waited = false;
                // `h2` flushes in the middle, too, and once more at the end.
                let is_all = !std::mem::take(&mut self.has_written);
                if self.activity.flushed(is_all) {
                    cx.waker().wake_by_ref();
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.stalls()?,
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Closing::Open = self.closing {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.closing = if self.activity.is_hurried() {
                Closing::Closed
            } else {
                Closing::Lingering(Box::pin(sleep(LINGER)))
            };
        }
        ready!(self.poll_linger(cx));
        self.closing = Closing::Closed;
        Poll::Ready(Ok(()))
    }
}
