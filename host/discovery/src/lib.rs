//! Discovery: finds the addresses of the peers, decides which process may form a new cluster, and shows users the leader.
//!
//! Replication asks a [`Discovery`] for addresses and tells it the state of the node. Among the processes of one source, at
//! most one at a time may form a cluster. A source that cannot be reached changes nothing for a cluster that runs.
//!
//! The crate leaves elections and the membership of a cluster to `spindrift-replication`.
//!
//! | file | subject |
//! | --- | --- |
//! | `source` | [`Discovery`], the trait behind which the sources stand |
//! | `peer_set` | [`PeerSet`]: the peers that a source knows, and the [`Place`] of each |
//! | `forming` | [`Claim`], [`Caller`], [`Pledge`] and [`Verdict`]: whether a process may form a new cluster |
//! | `member_state` | [`MemberState`] and [`ClusterEvent`]: what a source is told of the node and of its cluster |
//! | `static_list` | [`StaticList`]: addresses from the command line |
//! | `kubernetes` | the pods of one workload, as the API server knows them; behind the feature `kubernetes` |

#![warn(unreachable_pub)]

mod forming;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod member_state;
mod peer_set;
mod source;
mod static_list;

pub use forming::{Caller, Claim, Given, Pledge, Verdict};
pub use member_state::{ClusterEvent, MemberState, Role};
pub use peer_set::{PeerSet, Place};
pub use source::Discovery;
pub use static_list::StaticList;
