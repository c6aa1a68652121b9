//! What must hold in every run, whatever goes wrong.
//!
//! | file | theorem |
//! | --- | --- |
//! | `election_safety.rs` | a term has one leader (Raft, figure 3) |
//! | `state_machine_safety.rs` | nodes that are at one revision hold the same, and a revision is one commit for all (Raft, figure 3) |
//! | `leader_completeness.rs` | what was acknowledged is there, on every node that has come as far, and at the end on all (Raft, figure 3) |
//! | `exactly_once.rs` | nothing is applied twice, and nothing that was said not to be |
//! | `monotonic_state.rs` | revision and term of a process never go back, and a node's id is one process's |
//! | `fresh_reads.rs` | a linearizable read sees all that anybody knew of when it began |
//! | `linearizability.rs` | the clients' history is that of one store, key by key, as a checker from elsewhere says |
//! | `progress.rs` | once all is healed, every node serves again, within bounded time |
//!
//! `oracle.rs` hands each of them what it is to judge; `observed.rs` says what can be seen of a node; `objections.rs`
//! tests that they object.

mod election_safety;
mod exactly_once;
mod fresh_reads;
mod leader_completeness;
mod linearizability;
mod monotonic_state;
mod objections;
mod observed;
mod oracle;
mod progress;
mod state_machine_safety;

pub use observed::{Contents, Observed, Violation};
pub use oracle::{Asked, Oracle};
pub use progress::Progress;
