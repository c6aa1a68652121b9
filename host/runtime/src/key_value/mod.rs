//! Key-value stores as guests see them. The three interfaces differ in form;
//! what they do is here, once: open a granted store, and act within the
//! transaction of the request that is served when a call begins.

mod spin_v2;
mod spin_v3;
mod wasi_atomics;
mod wasi_batch;
mod wasi_store;

mod open_store;

pub(crate) use open_store::{ActiveStore, MAX_OPEN_STORES, OpenError, UseError};
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use open_store::{CompareAndSwap, OpenStore};
