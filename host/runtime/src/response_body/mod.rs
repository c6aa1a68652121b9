//! The body of a guest's response, between the guest that writes it and the
//! gateway that sends it.
//!
//! `wasmtime-wasi-http` reads a body only after the handler has returned: the
//! guest's write waits for that, and a short answer costs several turns of the
//! guest. Here the reader is attached when the guest creates its response, so
//! that a write completes at once and a handler that answers in one piece is
//! done in one turn. The answer is still held back until the commit.
//!
//! | file | subject |
//! | --- | --- |
//! | `buffer` | what is written and not read yet |
//! | `writer` | the guest's ends |
//! | `reader` | [`ResponseBody`]: the gateway's end |

mod buffer;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use buffer::BodyError;
pub(crate) use buffer::{CHUNK_BYTES, ChargedFrame, write_ahead};
pub(crate) use reader::ResponseBody;
pub(crate) use writer::{Outcome, channel};
