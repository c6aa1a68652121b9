//! The public HTTP server: it takes a request, finds its route, runs the
//! component, commits what it wrote, and answers.
//!
//! | file | subject |
//! | --- | --- |
//! | `server` | listening, accepting, shutting down |
//! | `workers` | the threads that serve connections |
//! | `acceptor` | from a socket to a served connection |
//! | `connection` | one connection: HTTP/1 and HTTP/2, its limits |
//! | `turn` | writing at the end of an event loop's turn |
//! | `tls` | certificates |
//! | `service` | one request: route it, hold it, answer it |
//! | `transact` | run the component, commit, and run again on conflict |
//! | `request_headers` | what a guest is told about its request |
//! | `request_body` | holding the body, bounded |
//! | `response` | the bodies that go out |
//! | `problem` | errors that the host itself answers with |
//! | `metrics` | what is counted |
//! | `well_known` | `/.well-known/spin/` and `/.well-known/spindrift/` |
//! | `health` | whether the process is sound, and whether it is ready for requests |

mod acceptor;
mod connection;
mod health;
mod metrics;
mod problem;
mod request_body;
mod request_headers;
mod response;
mod server;
mod service;
mod tls;
mod transact;
mod turn;
mod well_known;
mod workers;

pub use health::Health;
pub use metrics::GatewayMetrics;
pub use server::{GatewayError, Server, Shutdown};
pub use service::{Gateway, GatewayLimits};
pub use tls::{TlsError, TlsFiles};
