//! Discovery: who the peers are, who may form a new cluster, and where people see who leads.
//!
//! Replication asks a [`Discovery`] for addresses and tells it what becomes of the node. What the addresses are used for,
//! and who is a member of a cluster, is replication's business alone.
//!
//! | file | subject |
//! | --- | --- |
//! | `source` | [`Discovery`], the trait behind which the sources stand |
//! | `peer_set` | [`PeerSet`]: the peers that a source knows, and the [`Place`] of each |
//! | `forming` | [`Claim`], [`Caller`], [`Pledge`] and [`Verdict`]: whether a process may form a new cluster |
//! | `standing` | [`Standing`] and [`Notice`]: what a source is told of the node and of its cluster |
//! | `static_list` | [`StaticList`]: addresses from the command line |
//! | `kubernetes` | the pods of one workload, as the API server knows them; behind the feature `kubernetes` |

mod forming;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod peer_set;
mod source;
mod standing;
mod static_list;

pub use forming::{Caller, Claim, Given, Pledge, Verdict};
pub use peer_set::{PeerSet, Place};
pub use source::Discovery;
pub use standing::{Notice, Role, Standing};
pub use static_list::StaticList;
