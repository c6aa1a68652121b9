//! How the host tells of failures.
//!
//! Three rules hold for every crate. A failure that repeats for each request is one state in the log, not a line for each
//! ([`log_failure!`]). A text that a client or a guest chooses stays short and on one line ([`Excerpt`]). A cause is printed
//! once ([`WithCauses`]).
//!
//! The crate emits `tracing` events. It leaves to the binary where they are written.
//!
//! | file | subject |
//! | --- | --- |
//! | `failures` | [`Failures`]: the states that repeated failures are in |
//! | `kind` | [`Kind`]: what can fail again and again |
//! | `excerpt` | [`Excerpt`]: a short text on one line |
//! | `causes` | [`WithCauses`]: an error with its causes |

#![warn(unreachable_pub)]

mod causes;
mod excerpt;
mod failures;
mod kind;

pub use causes::WithCauses;
pub use excerpt::Excerpt;
pub use failures::{FAILURES, Failures};
pub use kind::Kind;
