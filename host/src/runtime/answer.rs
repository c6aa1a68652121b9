//! From what a guest has written to an answer: its head, and its body if that
//! is complete or what there is to read of it if not.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::task::AbortHandle;
use wasmtime_wasi_http::WasiBody;

use super::RunError;
use super::response_body::{BodyError, ResponseBody};
use super::run::HeldRequest;

/// What a handler answered.
pub struct Answer {
    /// Status, headers.
    pub head: http::response::Parts,
    /// The body.
    pub body: AnswerBody,
    /// The guest, if it goes on after its response head.
    pub(super) guest: Option<AbortHandle>,
}

impl Answer {
    /// Stops a guest that goes on: the answer will not be sent.
    pub fn discard(self) {
        if let Some(guest) = self.guest {
            guest.abort();
        }
    }
}

/// The body of an [`Answer`].
pub enum AnswerBody {
    /// All of it; the guest is done.
    Complete(Bytes),
    /// The guest is still writing.
    Streaming(WasiBody),
}

/// The two forms in which a guest's body reaches us.
pub(super) enum GuestBody {
    /// Created through our own `response.new`.
    Own(ResponseBody),
    /// Created by WASI 0.2 guests, or passed on from an outgoing request.
    Foreign(WasiBody),
}

pub(super) type Head = (http::response::Parts, GuestBody);

/// Bytes of a body that are read ahead to find out whether it is short.
const READ_AHEAD: usize = 64 * 1024;

/// What has come from the guest so far.
#[derive(Default)]
pub(super) struct Collected {
    pub head: Option<Head>,
    /// Read ahead of a [`GuestBody::Foreign`].
    chunks: Vec<Bytes>,
    length: usize,
    /// The frame after the last chunk: the end, trailers or an error.
    end: Option<Option<Result<http_body::Frame<Bytes>, wasmtime_wasi_http::Error>>>,
}

impl Collected {
    /// Reads what is there. Says whether there was anything.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((_, GuestBody::Foreign(body))) = &mut self.head else {
            return false;
        };
        let mut progress = false;
        while self.end.is_none() && self.length < READ_AHEAD {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                break;
            };
            progress = true;
            match frame {
                Some(Ok(frame)) if frame.is_data() => {
                    if let Ok(data) = frame.into_data() {
                        self.length += data.len();
                        self.chunks.push(data);
                    }
                }
                end => self.end = Some(end),
            }
        }
        progress
    }

    pub fn into_answer(
        self,
        request: &HeldRequest,
        guest: Option<(AbortHandle, Failed)>,
    ) -> Result<Answer, RunError> {
        let (guest, failed) = guest.unzip();
        let failed = failed.unwrap_or_default();
        let Some((head, body)) = self.head else {
            return Err(RunError::NoResponse);
        };
        if head.status.is_informational() {
            return Err(RunError::Guest(format!(
                "it answered with the status {}, which announces an answer and is none",
                head.status.as_u16()
            )));
        }
        let body = match body {
            GuestBody::Own(mut body) => match body.take_complete() {
                Some(complete) => AnswerBody::Complete(
                    complete.map_err(|error| RunError::Guest(error.to_string()))?,
                ),
                None => AnswerBody::Streaming(body.map_err(Into::into).boxed_unsync()),
            },
            GuestBody::Foreign(rest) => match self.end {
                Some(None) => AnswerBody::Complete(concat(self.chunks, self.length)),
                Some(Some(Err(error))) => return Err(RunError::Guest(error.to_string())),
                end => {
                    let ahead = self.chunks.into_iter().map(http_body::Frame::data);
                    let ahead = ahead.chain(end.flatten().and_then(Result::ok)).map(Ok);
                    let ahead = http_body_util::StreamBody::new(futures::stream::iter(ahead));
                    let rest = UnlessFailed { rest, failed };
                    AnswerBody::Streaming(Chained { ahead, rest }.boxed_unsync())
                }
            },
        };
        if let AnswerBody::Complete(body) = &body
            && let Some(declared) = declared_length(&head.headers)
            && declared != body.len() as u64
            && request.method != Method::HEAD
            && head.status != StatusCode::NOT_MODIFIED
        {
            return Err(RunError::Guest(format!(
                "it declared a content-length of {declared} bytes and wrote {} bytes",
                body.len()
            )));
        }
        Ok(Answer { head, body, guest })
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(http::header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

fn concat(mut chunks: Vec<Bytes>, length: usize) -> Bytes {
    match chunks.len() {
        0 => Bytes::new(),
        1 => chunks.swap_remove(0),
        _ => {
            let mut whole = BytesMut::with_capacity(length);
            for chunk in chunks {
                whole.extend_from_slice(&chunk);
            }
            whole.freeze()
        }
    }
}

/// Whether a guest failed after its response head.
#[derive(Clone, Default)]
pub(super) struct Failed(Arc<AtomicBool>);

impl Failed {
    /// Sets the flag when dropped.
    pub fn unless_disarmed(self) -> UnlessDisarmed {
        UnlessDisarmed(Some(self))
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// See [`Failed::unless_disarmed`].
pub(super) struct UnlessDisarmed(Option<Failed>);

impl UnlessDisarmed {
    /// The guest has ended well.
    pub fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for UnlessDisarmed {
    fn drop(&mut self) {
        if let Some(Failed(flag)) = &self.0 {
            flag.store(true, Ordering::Release);
        }
    }
}

/// A body that ends with an error if its guest failed.
///
/// The body of a WASI 0.2 guest ends where its writer is dropped, also when
/// the guest trapped: to the client that would look like a whole answer.
struct UnlessFailed {
    rest: WasiBody,
    failed: Failed,
}

impl http_body::Body for UnlessFailed {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.rest).poll_frame(cx) {
            Poll::Ready(None) if self.failed.get() => {
                Poll::Ready(Some(Err(BodyError::Unfinished.into())))
            }
            frame => frame,
        }
    }
}

/// One body after another.
struct Chained<A> {
    ahead: A,
    rest: UnlessFailed,
}

impl<A> http_body::Body for Chained<A>
where
    A: http_body::Body<Data = Bytes, Error = wasmtime_wasi_http::Error> + Unpin,
{
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.ahead).poll_frame(cx) {
            Poll::Ready(None) => Pin::new(&mut self.rest).poll_frame(cx),
            frame => frame,
        }
    }
}
