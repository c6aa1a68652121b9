//! Clients.
//!
//! | file | subject |
//! | --- | --- |
//! | `client.rs` | one request over HTTP, and what its answer says of its outcome |
//! | `keys.rs` | which keys are in use, and when they have seen enough |
//! | `workload.rs` | many clients at work at once |
//! | `tally.rs` | how much of it succeeded, when nothing was wrong |

pub mod client;
pub mod keys;
pub mod tally;
pub mod workload;
