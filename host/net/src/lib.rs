//! What all parts of the host with ports and threads share.
//!
//! | file | subject |
//! | --- | --- |
//! | `listening` | taking a port that the process before this one may still hold, and accepting connections |
//! | `event_loop` | waking an event loop that sleeps on another thread |
//!
//! The crate knows no protocol above TCP.

#![warn(unreachable_pub)]

pub mod event_loop;
pub mod listening;
