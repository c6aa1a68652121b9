//! The end of a response body that the gateway reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use parking_lot::Mutex;
use spindrift_memory::{Charge, Spent};

use super::buffer::{BodyError, Buffer, ChargedFrame};

/// The reader's end of a guest's response body. Clones read the same body; the
/// guest may stop writing once the last of them is gone.
#[derive(Clone)]
pub struct ResponseBody(Arc<Reader>);

struct Reader(Arc<Mutex<Buffer>>);

impl ResponseBody {
    /// Reads what is put into `buffer`.
    pub(crate) fn new(buffer: Arc<Mutex<Buffer>>) -> Self {
        ResponseBody(Arc::new(Reader(buffer)))
    }

    /// The whole body, if the guest has already written it to its end and it
    /// has no trailers, with what is held for it on the budget; otherwise what there is stays to be read.
    pub(crate) fn take_complete(&mut self) -> Option<Result<(Bytes, Charge), BodyError>> {
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
    pub(crate) fn hold_head(&self, bytes: usize) -> Result<(), Spent> {
        self.0.0.lock().charge.grow(bytes)
    }

    /// Resolves when the guest's part is over: everything is written, or
    /// nobody is left to read it.
    pub(crate) fn ended(&self) -> Ended {
        Ended(self.0.0.clone())
    }

    /// The next frame, with what is held for it on the budget.
    pub(crate) fn poll_piece(
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

/// See [`ResponseBody::ended`].
pub(crate) struct Ended(Arc<Mutex<Buffer>>);

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
