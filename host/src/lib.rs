//! The Spindrift host: runs the components of a Spin application on Wasmtime,
//! over a key-value store that it keeps in memory, and makes one transaction
//! of each request.
//!
//! `cli` wires everything; `gateway` uses `runtime`, which uses `store`; `app`
//! is read by both, and `admin` reads what they publish. `store` and `discovery`
//! know nobody but `memory`, which has the budget for what is held for clients.
//! `causes` prints errors of other crates. `event_loop` is for parts with threads, `listening` and `serving` for those
//! with ports.

pub mod admin;
pub mod app;
mod causes;
pub mod cli;
pub mod discovery;
pub mod event_loop;
pub mod gateway;
pub mod listening;
pub mod logging;
pub mod memory;
pub mod replication;
pub mod runtime;
pub mod runtime_config;
mod serving;
pub mod store;
