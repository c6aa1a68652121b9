//! The body of a guest's response, between the guest that writes it and the
//! gateway that sends it.
//!
//! `wasmtime-wasi-http` reads a body only after the handler has returned: the
//! guest's write waits for that, and a short answer costs several turns of the
//! guest. Here the reader is attached when the guest creates its response, so
//! that a write completes at once and a handler that answers in one piece is
//! done in one turn. The answer is still held back until the commit.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use parking_lot::Mutex;
use spindrift_memory::{Budget, Charge, Purpose, Spent, header_bytes};
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};

use super::host_state::HostState;

/// Bytes a guest may write ahead of the client that reads them.
///
/// An answer within it is written in one turn of the guest; the largest value
/// of the default limits fits.
const WRITE_AHEAD: usize = 2 * 1024 * 1024;
/// The same while answers take much of the budget: so that clients that stop reading streams take little more.
const WRITE_AHEAD_UNDER_PRESSURE: usize = 64 * 1024;
/// What a chunk takes beside its bytes.
pub(super) const CHUNK_BYTES: usize = 64;

/// How many bytes a guest may write ahead of its client now.
pub(super) fn write_ahead(memory: &Budget) -> usize {
    if memory.is_under_pressure(Purpose::Answers) {
        WRITE_AHEAD_UNDER_PRESSURE
    } else {
        WRITE_AHEAD
    }
}

/// What went wrong with a body after its head was sent. The connection is cut
/// so that the client sees an incomplete answer, not a short one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// The guest trapped, timed out or was stopped before the body's end.
    #[error("the component stopped before it had written the whole response body")]
    Unfinished,
    /// The guest ended the body with an error of its own.
    #[error("the component ended the response body with an error: {0}")]
    Guest(String),
    /// There was no memory to hold what the guest wrote.
    #[error("{0}")]
    Memory(Spent),
}

/// A frame of a body, with what is held for its bytes on the budget.
pub type ChargedFrame = Frame<(Bytes, Option<Charge>)>;

struct State {
    chunks: VecDeque<Bytes>,
    /// Holds the chunks on the budget.
    charge: Charge,
    /// The guest's stream has ended, or was dropped with its instance.
    contents_ended: bool,
    /// What the guest said after the last byte. Only this tells an end from
    /// an instance that died while writing.
    outcome: Option<Result<Option<HeaderMap>, BodyError>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    reader_gone: bool,
    /// The reader has had everything up to the end.
    delivered: bool,
    delivery: Option<Waker>,
    /// Whoever waits for the end of the guest's part.
    end: Option<Waker>,
}

impl State {
    fn new(memory: &Budget, has_contents: bool) -> Self {
        State {
            chunks: VecDeque::new(),
            charge: memory.open(Purpose::Answers),
            contents_ended: !has_contents,
            outcome: None,
            reader: None,
            writer: None,
            reader_gone: false,
            delivered: false,
            delivery: None,
            end: None,
        }
    }

    /// How much more the guest may write now, in bytes.
    fn room(&self) -> usize {
        write_ahead(&self.charge.budget()).saturating_sub(self.charge.bytes())
    }

    /// Takes in what the guest writes.
    fn push(&mut self, written: &[u8]) -> Result<(), Spent> {
        self.charge.grow(written.len() + CHUNK_BYTES)?;
        self.chunks.push_back(Bytes::copy_from_slice(written));
        self.wake_reader();
        Ok(())
    }

    /// The next chunk, with what is held for it.
    fn pop(&mut self) -> Option<(Bytes, Charge)> {
        let chunk = self.chunks.pop_front()?;
        let charge = self.charge.split(chunk.len() + CHUNK_BYTES);
        Some((chunk, charge))
    }

    /// Ends the body with an error, whatever the guest says of it: nothing more of it can be held.
    fn fail(&mut self, spent: Spent) {
        self.contents_ended = true;
        self.outcome = Some(Err(BodyError::Memory(spent)));
        self.wake_reader();
    }

    fn end_with(&mut self, mut outcome: Result<Option<HeaderMap>, BodyError>) {
        if let Ok(Some(trailers)) = &outcome
            && let Err(spent) = self.charge.grow(header_bytes(trailers))
        {
            outcome = Err(BodyError::Memory(spent));
        }
        if !matches!(self.outcome, Some(Err(BodyError::Memory(_)))) {
            self.outcome = Some(outcome);
        }
        self.wake_reader();
    }

    /// The guest has nothing more to write, or nobody to write it for.
    fn has_ended(&self) -> bool {
        self.reader_gone || (self.contents_ended && self.outcome.is_some())
    }

    fn wake_reader(&mut self) {
        let end = if self.has_ended() {
            self.end.take()
        } else {
            None
        };
        for waker in [self.reader.take(), end].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// Creates a body: the guest's two ends, what tells the guest that it was read,
/// and the reader.
///
/// `has_contents` is false for a response without a body stream. `run` is the
/// run of the guest that creates it. What it writes is on the budget `memory`.
pub fn channel(
    has_contents: bool,
    run: u64,
    memory: &Budget,
) -> (Contents, Outcome, Delivery, ResponseBody) {
    let state = Arc::new(Mutex::new(State::new(memory, has_contents)));
    (
        Contents {
            state: state.clone(),
            run,
        },
        Outcome {
            state: Some(state.clone()),
            run,
        },
        Delivery(state.clone()),
        ResponseBody(Arc::new(Reader(state))),
    )
}

/// Takes what the guest writes. Dropped by the runtime at the stream's end.
///
/// A guest may keep its end and write while it serves another request: then
/// bytes go out to a client before that other request is committed, and a
/// second run of it would write them again.
pub struct Contents {
    state: Arc<Mutex<State>>,
    run: u64,
}

impl StreamConsumer<HostState> for Contents {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, HostState>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        store.data().note_use(self.run);
        let mut state = self.state.lock();
        if state.reader_gone {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        let room = state.room();
        let mut source = source.as_direct(store);
        let written = source.remaining();
        let length = written.len().min(room);
        if length > 0 {
            match state.push(&written[..length]) {
                Ok(()) => {
                    source.mark_read(length);
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                // The client has something to read: that there is no room may be over once it has.
                Err(_) if !state.chunks.is_empty() => {}
                Err(spent) => {
                    state.fail(spent);
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
            }
        } else if room > 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.contents_ended = true;
        state.wake_reader();
    }
}

/// Takes what the guest says after the last byte: trailers, or an error.
pub struct Outcome {
    state: Option<Arc<Mutex<State>>>,
    run: u64,
}

impl Outcome {
    /// The run of the guest that created the body.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Ends the body.
    pub fn set(mut self, outcome: Result<Option<HeaderMap>, BodyError>) {
        if let Some(state) = self.state.take() {
            state.lock().end_with(outcome);
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            state.lock().end_with(Err(BodyError::Unfinished));
        }
    }
}

/// Resolves for the guest when its body has been read to the end (`Ok`), or
/// when nobody will read it any more.
pub struct Delivery(Arc<Mutex<State>>);

impl Future for Delivery {
    type Output = Result<(), ()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match (state.delivered, state.reader_gone) {
            (true, _) => Poll::Ready(Ok(())),
            (false, true) => Poll::Ready(Err(())),
            (false, false) => {
                state.delivery = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl From<BodyError> for wasmtime_wasi_http::Error {
    fn from(error: BodyError) -> Self {
        wasmtime_wasi_http::Error::InternalError(Some(error.to_string()))
    }
}

/// The reader's end of a guest's response body. Clones read the same body; the
/// guest may stop writing once the last of them is gone.
#[derive(Clone)]
pub struct ResponseBody(Arc<Reader>);

struct Reader(Arc<Mutex<State>>);

impl ResponseBody {
    /// The whole body, if the guest has already written it to its end and it
    /// has no trailers, with what is held for it on the budget; otherwise what there is stays to be read.
    pub fn take_complete(&mut self) -> Option<Result<(Bytes, Charge), BodyError>> {
        let mut state = self.0.0.lock();
        if !state.contents_ended {
            return None;
        }
        match &state.outcome {
            None | Some(Ok(Some(_))) => return None,
            Some(Err(error)) => return Some(Err(error.clone())),
            Some(Ok(None)) => {}
        }
        state.delivered = true;
        let held_bytes = state.charge.bytes();
        let charge = state.charge.split(held_bytes);
        let body = match state.chunks.len() {
            0 => Bytes::new(),
            1 => state.chunks.pop_front().unwrap_or_default(),
            _ => {
                let mut whole = Vec::with_capacity(held_bytes);
                for chunk in state.chunks.drain(..) {
                    whole.extend_from_slice(&chunk);
                }
                whole.into()
            }
        };
        Some(Ok((body, charge)))
    }

    /// Holds so many bytes of the response's head, too.
    ///
    /// # Errors
    ///
    /// The budget has no room for them.
    pub fn hold_head(&self, bytes: usize) -> Result<(), Spent> {
        self.0.0.lock().charge.grow(bytes)
    }

    /// Resolves when the guest's part is over: everything is written, or
    /// nobody is left to read it.
    pub fn ended(&self) -> Ended {
        Ended(self.0.0.clone())
    }
}

/// See [`ResponseBody::ended`].
pub struct Ended(Arc<Mutex<State>>);

impl Future for Ended {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.has_ended() {
            return Poll::Ready(());
        }
        state.end = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.reader_gone = true;
        let waiting = [state.writer.take(), state.delivery.take(), state.end.take()];
        for waker in waiting.into_iter().flatten() {
            waker.wake();
        }
    }
}

impl ResponseBody {
    /// The next frame, with what is held for it on the budget.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ChargedFrame, BodyError>>> {
        let mut state = self.0.0.lock();
        if let Some((chunk, charge)) = state.pop() {
            if let Some(waker) = state.writer.take() {
                waker.wake();
            }
            return Poll::Ready(Some(Ok(Frame::data((chunk, Some(charge))))));
        }
        if state.contents_ended {
            match state.outcome.take() {
                Some(Ok(trailers)) => {
                    state.outcome = Some(Ok(None));
                    state.delivered = true;
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Some(Err(error)) => {
                    state.outcome = Some(Ok(None));
                    return Poll::Ready(Some(Err(error)));
                }
                None => {}
            }
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = self.poll_piece(cx);
        frame.map_ok(|frame| frame.map_data(|(bytes, _)| bytes))
    }
}

#[cfg(test)]
mod tests;
