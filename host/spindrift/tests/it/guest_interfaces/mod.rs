//! The interfaces that guests import and export, one small guest for each version of an interface.
//!
//! | module | subject |
//! | --- | --- |
//! | [`guests`] | asking the guests |
//! | [`origin`] | a server for guests to send requests to |
//! | [`key_value`] | `spin:key-value@3.0.0`, `fermyon:spin/key-value@2.0.0`, `wasi:keyvalue@0.2.0-draft2` |
//! | [`variables`] | `spin:variables@3.0.0`, `fermyon:spin/variables@2.0.0`, `wasi:config/store` |
//! | [`outbound_http`] | requests that guests send, 0.3 and 0.2 |
//! | [`outbound_limits`] | what bounds them |
//! | [`self_requests`] | the same to their own application |
//! | [`sockets`] | connections that guests make |
//! | [`environment`] | environment variables, randomness, clocks, standard input |
//! | [`files`] | files |
//! | [`handlers`] | requests to handlers of `wasi:http` 0.3 and 0.2, and handlers that fail |
//! | [`modules`] | guests that are core modules |
//! | [`responses`] | statuses, headers, `HEAD` |
//! | [`release_candidate`] | components on a release candidate of WASI 0.3 |
//! | [`unsupported_imports`] | interfaces that Spin offers and this host does not |
//! | [`streaming`] | bodies that are written after the head went out |
//!
//! What a transaction promises is in [`crate::transactions`].

mod environment;
mod files;
pub mod guests;
mod handlers;
mod key_value;
mod modules;
pub mod origin;
mod outbound_http;
mod outbound_limits;
mod release_candidate;
mod responses;
mod self_requests;
mod sockets;
mod streaming;
mod unsupported_imports;
mod variables;
