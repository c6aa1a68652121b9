//! Key-value stores: what every interface does alike, and what only one of them has.

mod every_version;
mod spin_v3;
mod wasi_atomics;
mod wasi_batch;
mod wasi_store;
