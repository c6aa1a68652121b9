//! Runs the components of an application on Wasmtime.
//!
//! The crate compiles each component once, keeps instances ready, and calls a handler for one request at a time. What a guest
//! reads and writes goes to the [`Transaction`](spindrift_store::Transaction) of its request. The crate bounds the memory, the
//! time and the output of each instance.
//!
//! It leaves commits and conflicts to the gateway: a run here has no effect on a store until the gateway commits it.
//!
//! | file | subject |
//! | --- | --- |
//! | `application` | [`Runtime`]: an application's components, compiled and linked |
//! | `wasm` | the WebAssembly of the components, each piece once |
//! | `interface` | what a component imports and exports, checked before it is compiled |
//! | `compiling` | from WebAssembly to compiled components |
//! | `progress` | what is said meanwhile |
//! | `compiled` | components compiled ahead of time, in a folder |
//! | `engine` | the Wasmtime engine: compilation, pooled memory, interruption |
//! | `linker` | everything a guest can import |
//! | `wasi_http_overrides` | the functions of `wasi:http` that this host replaces |
//! | `unsupported_imports` | what Spin offers beyond that: imports whose calls fail |
//! | `release_candidate` | components of the release candidate of WASI 0.3 |
//! | `handler` | one component and its instances |
//! | `instance` | an instance, and how long it lives |
//! | `address_space` | how much of it the instances reserve |
//! | `pool` | instances between two requests |
//! | `handler/run` | one run of a handler on one request |
//! | `held_request` | a request as its handler gets it, each time that it runs |
//! | `call` | the call of the guest, in both versions of `wasi:http` |
//! | `answer` | from what the guest wrote to an answer |
//! | `response_body/` | from a guest's stream to the gateway |
//! | `host_state` | what the host keeps beside each instance |
//! | `request_scope` | the request that an instance acts for |
//! | `host_objects` | what the host keeps for a guest beside its memory, on the budget |
//! | `bindings` | Rust types for the interfaces of `host/runtime/wit` |
//! | `key_value/` | key-value stores, in the three interfaces that guests know |
//! | `variables` | application variables, likewise |
//! | `forbidden_headers` | what belongs to a connection and not to a guest |
//! | `outbound` | outgoing HTTP and sockets, held to the manifest |
//! | `self_requests` | self-requests and local service chaining: requests of components to their own application |
//! | `exchanged_body` | bodies of outgoing requests, and of responses to them |
//! | `guest_output` | stdout and stderr, cut into lines |
//! | `guest_log` | those lines as events of the log, at no more than a rate |
//! | `memory_limit` | how much memory an instance may have |
//! | `error` | what can go wrong |

#![warn(unreachable_pub)]

mod address_space;
mod answer;
mod application;
mod bindings;
mod call;
mod compiled;
mod compiling;
mod engine;
mod error;
mod exchanged_body;
mod forbidden_headers;
mod guest_log;
mod guest_output;
mod handler;
mod held_request;
mod host_objects;
mod host_state;
mod instance;
mod interface;
mod key_value;
mod linker;
mod memory_limit;
mod outbound;
mod pool;
mod progress;
mod release_candidate;
mod request_scope;
mod response_body;
mod self_requests;
mod unsupported_imports;
mod variables;
mod wasi_http_overrides;
mod wasm;

pub use answer::{Answer, AnswerBody, Guest, StreamedBody};
pub use application::{Runtime, RuntimeOptions};
pub use compiled::{CompileError, compile_into};
pub use error::{RunError, RuntimeError};
pub use forbidden_headers::remove_connection_options;
pub use guest_log::{GUEST, GuestLog, Stream, register_metrics as register_guest_log_metrics};
pub use handler::Handler;
pub use held_request::{HeldRequest, guest_headers};
pub use instance::InstanceOptions;
pub use request_scope::{RequestScope, SideEffects};
pub use response_body::BodyError;
pub use self_requests::{MAX_DEPTH, SelfRequest, SelfRequestHandler, SelfTarget, UnknownComponent};
