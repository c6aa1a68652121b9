//! The public HTTP server: it takes a request, finds its route, runs the component, commits its writes, and answers.
//!
//! A request is one transaction. The client gets the answer after the writes are committed, and a conflict runs the component
//! again. The crate bounds what a client may take: connections, the size of heads and bodies, and the time to send them and
//! to read the answer. It listens while the process still starts, and answers by itself until there is an application. The
//! connections stay open when the application takes over.
//!
//! It leaves routes to `spindrift-app`, guests to `spindrift-runtime`, and the data to the backend of `spindrift-store`.
//!
//! | file | subject |
//! | --- | --- |
//! | `server` | listening, accepting, shutting down |
//! | `workers` | the threads that serve connections |
//! | `acceptor` | from a socket to a served connection |
//! | `connections` | how many are open, and how many may be |
//! | `connection` | one connection: HTTP/1 and HTTP/2, its limits |
//! | `deferred_writes` | writing the answers of several connections together |
//! | `tls` | certificates |
//! | `dispatch` | chooses between the host itself and the application for the answer |
//! | `service` | one request to the application: route it, hold it, answer it |
//! | `concurrency` | how many requests may be under way, and how those beyond wait |
//! | `service/transact` | run the component, commit, and run again on conflict |
//! | `request_headers` | the headers with which a guest learns about its request |
//! | `self_requests` | self-requests and local service chaining: requests of components to their own application |
//! | `body_source` | where the body of a request comes from |
//! | `bodies` | how many bodies may arrive, and which of them make room for others |
//! | `request_body` | holding the body, bounded |
//! | `response` | the bodies that go out |
//! | `sending` | how far clients are with what they are sent |
//! | `readers` | ending what is sent to clients that do not read it |
//! | `streams` | guests that go on after their response head |
//! | `pace` | how fast clients have to send and to read |
//! | `problem` | errors that the host itself answers with |
//! | `host_answer` | the status of each such error, and what it means for a client |
//! | `metrics` | the metrics |
//! | `well_known` | `/.well-known/spin/` and `/.well-known/spindrift/` |
//! | [`serving`] | connections of clients, as the public port and the admin port serve them |
//! | `health` | whether the process is sound, and whether it is ready for requests |

#![warn(unreachable_pub)]

mod acceptor;
mod bodies;
mod body_source;
mod concurrency;
mod connection;
mod connections;
mod deferred_writes;
mod dispatch;
mod health;
mod host_answer;
mod metrics;
mod pace;
mod problem;
mod readers;
mod request_body;
mod request_headers;
mod response;
mod self_requests;
mod sending;
mod server;
mod service;
pub mod serving;
mod streams;
mod tls;
mod well_known;
mod workers;

pub use bodies::BodyLimits;
pub use connections::Connections;
pub use dispatch::Gateway;
pub use health::Health;
pub use host_answer::{HostAnswer, Written};
pub use metrics::GatewayMetrics;
pub use pace::MinRate;
pub use self_requests::BaseUrl;
pub use server::{GatewayError, Server, Shutdown};
pub use service::{GatewayLimits, Service};
pub use tls::{TlsError, TlsFiles};
pub use well_known::WELL_KNOWN;
