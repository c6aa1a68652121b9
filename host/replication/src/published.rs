//! [`Published`]: what a node of a replicated store lets others see of itself, such as its admin port.

use serde::Serialize;

use super::metrics::ReplicationMetrics;
use super::status::Role;
use super::types::NodeId;

/// What a node is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The cluster's id, 32 hexadecimal digits. `None` while the node belongs to no cluster.
    pub cluster: Option<String>,
    /// Its id. `None` while it belongs to no cluster.
    pub node: Option<NodeId>,
    /// What it is in the cluster.
    pub role: Role,
    /// Where other nodes reach it, `host:port`.
    pub address: String,
    /// The term that it is in.
    pub term: u64,
    /// The version of the peers' protocol that is in force in the cluster, as far as this node knows.
    pub protocol: Option<u32>,
    /// The leader, if the node knows one.
    pub leader: Option<NodeId>,
    /// Where the leader is reached by other nodes, if the node knows one.
    pub leader_address: Option<String>,
    /// The revision that the last applied commit got.
    pub revision: u64,
    /// How many log entries are committed, as far as this node knows, and not applied to its map.
    pub lag: u64,
    /// How many nodes vote.
    pub voters: usize,
    /// How many nodes do not vote.
    pub learners: usize,
    /// Entries in the log.
    pub log_entries: u64,
    /// What they take, in bytes.
    pub log_bytes: u64,
    /// Why the node should not be sent requests; `None` once it has joined a cluster and caught up with it.
    pub not_ready: Option<String>,
}

/// Whoever can be asked for [`Published`]. Asking costs no waiting.
pub trait Publish: Send + Sync + 'static {
    /// What the node is now.
    fn published(&self) -> Published;

    /// What it has counted since it started.
    fn metrics(&self) -> &ReplicationMetrics;
}
