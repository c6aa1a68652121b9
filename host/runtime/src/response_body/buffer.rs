//! What a guest has written of a response body and nobody has read, with how the body ended.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use spindrift_memory::{Budget, Charge, Purpose, Spent, header_bytes};

/// Bytes a guest may write ahead of the client that reads them.
///
/// An answer within it is written in one turn of the guest; the largest value
/// of the default limits fits.
const WRITE_AHEAD: usize = 2 * 1024 * 1024;
/// The same while answers take much of the budget: so that clients that stop reading streams take little more.
const WRITE_AHEAD_UNDER_PRESSURE: usize = 64 * 1024;
/// What a chunk takes beside its bytes.
pub(crate) const CHUNK_BYTES: usize = 64;

/// How many bytes a guest may write ahead of its client now.
pub(crate) fn write_ahead(memory: &Budget) -> usize {
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

impl From<BodyError> for wasmtime_wasi_http::Error {
    fn from(error: BodyError) -> Self {
        wasmtime_wasi_http::Error::InternalError(Some(error.to_string()))
    }
}

/// A frame of a body, with what is held for its bytes on the budget.
pub(crate) type ChargedFrame = Frame<(Bytes, Option<Charge>)>;

/// What is between the two.
pub(crate) struct Buffer {
    pub(crate) chunks: VecDeque<Bytes>,
    /// Holds the chunks on the budget.
    pub(crate) charge: Charge,
    /// The guest's stream has ended, or was dropped with its instance.
    pub(crate) contents_ended: bool,
    /// What the guest said after the last byte. Only this tells an end from
    /// an instance that died while writing.
    pub(crate) outcome: Option<Result<Option<HeaderMap>, BodyError>>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) reader_gone: bool,
    /// The reader has had everything up to the end.
    pub(crate) delivered: bool,
    pub(crate) delivery: Option<Waker>,
    /// Whoever waits for the end of the guest's part.
    pub(crate) end: Option<Waker>,
}

impl Buffer {
    pub(crate) fn new(memory: &Budget, has_contents: bool) -> Self {
        Buffer {
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
    pub(crate) fn room(&self) -> usize {
        write_ahead(&self.charge.budget()).saturating_sub(self.charge.bytes())
    }

    /// Takes in what the guest writes.
    pub(crate) fn push(&mut self, written: &[u8]) -> Result<(), Spent> {
        self.charge.grow(written.len() + CHUNK_BYTES)?;
        self.chunks.push_back(Bytes::copy_from_slice(written));
        self.wake_reader();
        Ok(())
    }

    /// The next chunk, with what is held for it.
    pub(crate) fn pop(&mut self) -> Option<(Bytes, Charge)> {
        let chunk = self.chunks.pop_front()?;
        let charge = self.charge.split(chunk.len() + CHUNK_BYTES);
        Some((chunk, charge))
    }

    /// Ends the body with an error, whatever the guest says of it: nothing more of it can be held.
    pub(crate) fn fail(&mut self, spent: Spent) {
        self.contents_ended = true;
        self.outcome = Some(Err(BodyError::Memory(spent)));
        self.wake_reader();
    }

    pub(crate) fn end_with(&mut self, mut outcome: Result<Option<HeaderMap>, BodyError>) {
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
    pub(crate) fn has_ended(&self) -> bool {
        self.reader_gone || (self.contents_ended && self.outcome.is_some())
    }

    pub(crate) fn wake_reader(&mut self) {
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
