//! The operator's side, on a port of its own (`--admin-listen`): health,
//! metrics, status. It reads what the other parts publish; none of them knows
//! of it.
//!
//! | file | subject |
//! | --- | --- |
//! | `server` | the routes |
//! | `metrics` | `/metrics`, in the form that Prometheus reads |
//! | `replication` | the part of `/metrics` that a replicated store adds |
//! | `status` | `/status`: what this node is and holds |

#[cfg(test)]
mod fake;
mod metrics;
mod replication;
mod server;
mod status;

pub(crate) use server::PATHS;
pub use server::{Admin, AdminError, AdminPort};
