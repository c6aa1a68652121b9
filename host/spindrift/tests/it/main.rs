//! Tests of the whole host: the real binary as a process, real components in it, real HTTP to it.
//!
//! One binary for all of them: each would link all of Wasmtime. `scripts/test.sh guests` builds the components.
//!
//! | module | subject |
//! | --- | --- |
//! | [`harness`] | starting hosts, talking to them |
//! | [`api`] | put, get, delete and docs, answer by answer |
//! | [`transactions`] | a request is a transaction |
//! | [`limits`] | every limit, and healthy traffic beside what breaches it |
//! | [`instances`] | how long an instance lives |
//! | [`requests`] | what reaches a guest, and what the host answers itself |
//! | [`guest_interfaces`] | the interfaces that guests import |
//! | [`registry`] | applications from a registry, and into one |
//! | [`start`] | flags, manifests, what is printed, TLS, the cache |
//! | [`shutdown`] | stopping without cutting anything off |
//! | [`logs`] | the log |
//! | [`unread_output`] | a log and an announcement that nobody reads |

mod api;
mod guest_interfaces;
mod harness;
mod instances;
mod limits;
mod logs;
mod registry;
mod requests;
mod shutdown;
mod start;
mod transactions;
mod unread_output;
