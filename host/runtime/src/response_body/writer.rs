//! The ends of a response body that belong to its guest: the bytes, what comes after them, and whether all was read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;
use parking_lot::Mutex;
use spindrift_memory::Budget;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};

use super::buffer::{BodyError, Buffer};
use super::reader::ResponseBody;
use crate::host_state::HostState;

/// Creates a body: the guest's two ends, what tells the guest that it was read,
/// and the reader.
///
/// `has_contents` is false for a response without a body stream. `run` is the
/// run of the guest that creates it. What it writes is on the budget `memory`.
pub(crate) fn channel(
    has_contents: bool,
    run: u64,
    memory: &Budget,
) -> (Contents, Outcome, Delivery, ResponseBody) {
    let state = Arc::new(Mutex::new(Buffer::new(memory, has_contents)));
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
        ResponseBody::new(state),
    )
}

/// Takes what the guest writes. Dropped by the runtime at the stream's end.
///
/// A guest may keep its end and write while it serves another request: then
/// bytes go out to a client before that other request is committed, and a
/// second run of it would write them again.
pub(crate) struct Contents {
    state: Arc<Mutex<Buffer>>,
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
pub(crate) struct Outcome {
    state: Option<Arc<Mutex<Buffer>>>,
    run: u64,
}

impl Outcome {
    /// The run of the guest that created the body.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// Ends the body.
    pub(crate) fn set(mut self, outcome: Result<Option<HeaderMap>, BodyError>) {
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
pub(crate) struct Delivery(Arc<Mutex<Buffer>>);

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
