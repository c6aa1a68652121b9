//! What every test stands on: the real binary as a process, applications made of the test guests, and clients.
//!
//! ```ignore
//! let host = App::new().guest("kv3", STORE).start(&["--request-timeout", "2s"]);
//! let client = host.http1();
//! assert_eq!(client.get("/kv3/get?key=k").await.json(), json!({"ok": null}));
//! ```
//!
//! A test that fails prints what its host logged. Every wait has a deadline.

mod app;
mod client;
mod host;
mod host_command;
mod http2;
mod output;
mod pipe;
mod raw;
mod refusal;
mod starting;
mod tls;
mod wait;

pub use app::{App, STORE, built};
pub use client::{Answer, Client};
pub use host::Host;
pub use host_command::{HostCommand, command, limited};
pub use http2::{Http2Connection, Http2Stream};
pub use output::Output;
pub use pipe::full_pipe;
pub use raw::RawConnection;
pub use refusal::{Refusal, assert_said_once};
pub use starting::Starting;
pub use tls::{certificate, tls_session, with_certificate};
pub use wait::{PATIENCE, eventually, within};
