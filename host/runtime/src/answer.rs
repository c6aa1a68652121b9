//! From what a guest has written to an answer: its head, and its body if that
//! is complete or what there is to read of it if not.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body as _, Frame};
use parking_lot::Mutex;
use spindrift_memory::{Budget, Charge, Purpose, Spent, large_header_bytes};
use tokio::task::AbortHandle;
use wasmtime_wasi_http::WasiBody;

use super::RunError;
use super::held_request::HeldRequest;
use super::response_body::{BodyError, CHUNK_BYTES, ChargedFrame, ResponseBody, write_ahead};

/// What a handler answered.
pub struct Answer {
    /// Status, headers.
    pub head: http::response::Parts,
    /// The body.
    pub body: AnswerBody,
    /// The guest, if it goes on after its response head.
    pub guest: Option<Guest>,
}

impl Answer {
    /// Stops a guest that goes on: the answer will not be sent.
    pub fn discard(self) {
        if let Some(guest) = self.guest {
            guest.end();
        }
    }
}

/// The body of an [`Answer`].
pub enum AnswerBody {
    /// All of it, and what is held for it on the budget; the guest is done.
    Complete(Bytes, Charge),
    /// The guest is still writing.
    Streaming(StreamedBody),
}

/// A body that the guest is still writing.
pub enum StreamedBody {
    /// Created through our own `response.new`. What it holds is charged as it is written.
    Own(ResponseBody),
    /// Created by WASI 0.2 guests, or passed on from an outgoing request.
    Foreign(ForeignBody),
}

/// See [`StreamedBody::Foreign`].
pub struct ForeignBody {
    /// Read ahead, and what is held for it on the budget.
    ahead: VecDeque<Bytes>,
    charge: Charge,
    /// What comes after the bytes that were read ahead, where they were all.
    trailers: Option<HeaderMap>,
    rest: WasiBody,
    failed: Failed,
    /// For what may be under way between the guest and us, which cannot be seen.
    _under_way: Charge,
}

impl StreamedBody {
    /// The next frame, with what is held for it on the budget.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ChargedFrame, wasmtime_wasi_http::Error>>> {
        match self {
            StreamedBody::Own(body) => body
                .poll_piece(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            StreamedBody::Foreign(body) => body.poll_piece(cx),
        }
    }
}

impl ForeignBody {
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ChargedFrame, wasmtime_wasi_http::Error>>> {
        if let Some(chunk) = self.ahead.pop_front() {
            let charge = self.charge.split(chunk.len() + CHUNK_BYTES);
            return Poll::Ready(Some(Ok(Frame::data((chunk, Some(charge))))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match Pin::new(&mut self.rest).poll_frame(cx) {
            // The body of a WASI 0.2 guest ends where its writer is dropped, also when
            // the guest trapped: to the client that would look like a whole answer.
            Poll::Ready(None) if self.failed.get() => {
                Poll::Ready(Some(Err(BodyError::Unfinished.into())))
            }
            frame => frame.map_ok(|frame| frame.map_data(|data| (data, None))),
        }
    }
}

/// A guest that goes on after its response head.
#[derive(Debug)]
pub struct Guest {
    task: AbortHandle,
    place: GuestPlace,
}

impl Guest {
    pub(crate) fn new(task: AbortHandle, place: GuestPlace) -> Self {
        Guest { task, place }
    }

    /// Ends it. Its instance is dropped.
    pub fn end(self) {
        self.task.abort();
    }

    /// The task that it runs in.
    pub fn task(&self) -> &AbortHandle {
        &self.task
    }

    /// Holds `place` until the guest is done, whatever ends it.
    pub fn hold(&self, place: impl fmt::Debug + Send + 'static) {
        let mut held = self.place.0.lock();
        if !held.is_over {
            held.place = Some(Box::new(place));
        }
    }
}

/// The place that a guest holds among the requests that may be under way, while it goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuestPlace(Arc<Mutex<HeldPlace>>);

#[derive(Debug, Default)]
struct HeldPlace {
    place: Option<Box<dyn HeldUntilOver>>,
    is_over: bool,
}

/// What is dropped when a guest is done.
trait HeldUntilOver: fmt::Debug + Send {}

impl<T: fmt::Debug + Send> HeldUntilOver for T {}

impl GuestPlace {
    /// Gives the place back when dropped.
    pub(crate) fn until_dropped(self) -> GivesPlaceBack {
        GivesPlaceBack(self)
    }
}

/// See [`GuestPlace::until_dropped`].
pub(crate) struct GivesPlaceBack(GuestPlace);

impl Drop for GivesPlaceBack {
    fn drop(&mut self) {
        let mut held = self.0.0.lock();
        held.is_over = true;
        held.place = None;
    }
}

/// The two forms in which a guest's body reaches us.
pub(crate) enum GuestBody {
    /// Created through our own `response.new`.
    Own(ResponseBody),
    /// Created by WASI 0.2 guests, or passed on from an outgoing request.
    Foreign(WasiBody),
}

pub(crate) type Head = (http::response::Parts, GuestBody);

/// Bytes of a [`GuestBody::Foreign`] that may be on their way between the guest and us: a chunk that the guest writes, and one
/// that waits.
const UNDER_WAY: usize = 2 * super::outbound::BODY_CHUNK;

/// What has come from the guest so far.
pub(crate) struct Collected {
    pub head: Option<Head>,
    /// Read ahead of a [`GuestBody::Foreign`], as far as a guest may write ahead.
    chunks: VecDeque<Bytes>,
    length: usize,
    /// The frame after the last chunk: the end, trailers or an error.
    end: Option<Option<Result<Frame<Bytes>, wasmtime_wasi_http::Error>>>,
    charge: Charge,
    /// There was no room for a chunk.
    spent: Option<Spent>,
}

impl Collected {
    /// Nothing yet. What comes is on the budget `memory`.
    pub(crate) fn new(memory: &Budget) -> Self {
        Collected {
            head: None,
            chunks: VecDeque::new(),
            length: 0,
            end: None,
            charge: memory.open(Purpose::Answers),
            spent: None,
        }
    }

    /// Reads what is there. Says whether there was anything.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((_, GuestBody::Foreign(body))) = &mut self.head else {
            return false;
        };
        let mut progress = false;
        while self.end.is_none()
            && self.spent.is_none()
            && self.charge.bytes() < write_ahead(&self.charge.budget())
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                break;
            };
            progress = true;
            match frame {
                Some(Ok(frame)) if frame.is_data() => {
                    if let Ok(data) = frame.into_data() {
                        self.spent = self.charge.grow(data.len() + CHUNK_BYTES).err();
                        self.length += data.len();
                        self.chunks.push_back(data);
                    }
                }
                end => self.end = Some(end),
            }
        }
        progress
    }

    /// The answer. Where the answer fails, a guest that goes on is ended.
    pub(crate) fn into_answer(
        self,
        request: &HeldRequest,
        guest: Option<(Guest, Failed)>,
    ) -> Result<Answer, RunError> {
        let (guest, failed) = guest.unzip();
        match self.without_guest(request, failed.unwrap_or_default()) {
            Ok((head, body)) => Ok(Answer { head, body, guest }),
            Err(error) => {
                if let Some(guest) = guest {
                    guest.end();
                }
                Err(error)
            }
        }
    }

    fn without_guest(
        mut self,
        request: &HeldRequest,
        failed: Failed,
    ) -> Result<(http::response::Parts, AnswerBody), RunError> {
        let Some((head, body)) = self.head else {
            return Err(RunError::NoResponse);
        };
        if head.status.is_informational() {
            return Err(RunError::Guest(format!(
                "it answered with the status {}, which announces an answer and is none",
                head.status.as_u16()
            )));
        }
        if let Some(spent) = self.spent {
            return Err(RunError::AnswerMemory(spent));
        }
        let head_bytes = large_header_bytes(&head.headers);
        let held = match &body {
            GuestBody::Own(body) => body.hold_head(head_bytes),
            GuestBody::Foreign(_) => self.charge.grow(head_bytes),
        };
        held.map_err(RunError::AnswerMemory)?;
        let body = match body {
            GuestBody::Own(mut body) => match body.take_complete() {
                Some(complete) => {
                    let (body, charge) = complete.map_err(|error| match error {
                        BodyError::Memory(spent) => RunError::AnswerMemory(spent),
                        error => RunError::Guest(error.to_string()),
                    })?;
                    AnswerBody::Complete(body, charge)
                }
                None => AnswerBody::Streaming(StreamedBody::Own(body)),
            },
            GuestBody::Foreign(rest) => match self.end {
                Some(None) => AnswerBody::Complete(concat(self.chunks, self.length), self.charge),
                Some(Some(Err(error))) => return Err(RunError::Guest(error.to_string())),
                end => {
                    let under_way = self.charge.budget().charge(Purpose::Answers, UNDER_WAY);
                    AnswerBody::Streaming(StreamedBody::Foreign(ForeignBody {
                        ahead: self.chunks,
                        charge: self.charge,
                        trailers: end
                            .flatten()
                            .and_then(|frame| frame.ok()?.into_trailers().ok()),
                        rest,
                        failed,
                        _under_way: under_way.map_err(RunError::AnswerMemory)?,
                    }))
                }
            },
        };
        if let AnswerBody::Complete(body, _) = &body
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
        Ok((head, body))
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(http::header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

fn concat(mut chunks: VecDeque<Bytes>, length: usize) -> Bytes {
    match chunks.len() {
        0 | 1 => chunks.pop_front().unwrap_or_default(),
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
pub(crate) struct Failed(Arc<AtomicBool>);

impl Failed {
    /// Sets the flag when dropped.
    pub(crate) fn unless_disarmed(self) -> UnlessDisarmed {
        UnlessDisarmed(Some(self))
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// See [`Failed::unless_disarmed`].
pub(crate) struct UnlessDisarmed(Option<Failed>);

impl UnlessDisarmed {
    /// The guest has ended well.
    pub(crate) fn disarm(mut self) {
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
