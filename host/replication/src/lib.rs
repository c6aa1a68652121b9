//! The replicated store: openraft, its log and state machine, the peers' protocol, and the cluster's membership.

mod address;
mod admission;
mod announce;
mod answers;
mod callers;
mod command;
mod compaction;
#[cfg(test)]
mod conformance;
mod convert;
mod elections;
mod faults;
mod host;
mod join;
mod leader_link;
mod leadership;
mod leave;
mod left_behind;
mod lifecycle;
mod limits;
mod log;
mod membership;
mod metrics;
mod network;
mod node;
mod options;
mod origins;
mod overview;
mod pacing;
mod predecessors;
mod protocol;
mod published;
mod queue;
mod read_index;
pub mod remote;
mod replicated;
mod run;
mod snapshot;
mod state_machine;
mod status;
mod submit;
mod suspension;
mod types;
mod upgrade;
mod versions;
mod vote_lease;

pub use address::{AddressError, check as check_address};
pub use faults::Faults;
pub use lifecycle::{Ended, LifecycleError, Stop};
pub use metrics::ReplicationMetrics;
pub use network::{
    AsyncIo, ClusterToken, Exposed, InvalidToken, Io, Listener, Tcp, TokenError, Transport,
    check_exposure,
};
pub use options::{MAX_VOTERS, OptionsError, PeerTlsFiles, ReplicationOptions};
pub use published::{Publish, Published};
pub use replicated::Replicated;
pub use run::{Replication, Setup, StartError};
pub use status::{HEALTHY, NodeStatus, Role, Status};
pub use versions::{Unspoken, Version, Versions};
