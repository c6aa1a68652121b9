//! What every test guest needs to read its request and to write its answer: [`Target`] takes a request's path and
//! query apart, [`json`] writes the answer. It knows no version of `wasi:http`.
//!
//! Guests answer `{"ok": …}` or `{"error": "name"}` (`"name: message"` where the interface gives a
//! message) with status 200 in both cases, so that a test can tell a guest's error from the host's.
//! 404 with `unknown operation` is a mistake in the test.

#![warn(missing_docs)]

pub mod json;
mod target;

pub use target::{Target, pairs};
