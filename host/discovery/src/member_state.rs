//! [`MemberState`] and [`ClusterEvent`]: what a source is told of the node and of its cluster, so that people see it where they look.

/// What a process is in its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// The cluster's id, 32 hexadecimal digits.
    pub cluster: String,
    /// The ids of the clusters that it was recovered from, the last one last; empty for one that was formed.
    pub recovered_from: Vec<String>,
    /// The node's id.
    pub node: u64,
    /// What it does there.
    pub role: Role,
    /// The term that it is in.
    pub term: u64,
}

/// What a node does in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It orders the writes, and a majority follows it.
    Leader,
    /// It votes.
    Follower,
    /// It does not vote.
    Learner,
}

/// What has happened to a cluster. Member events are told by the leader alone; nodes are named by id and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    /// This node was elected.
    Elected {
        /// The term that it leads.
        term: u64,
    },
    /// A node was let in, as a learner.
    Joined {
        /// Its id.
        node: u64,
        /// Its address.
        address: String,
    },
    /// A node has left by itself.
    Left {
        /// Its id.
        node: u64,
        /// Its address.
        address: String,
    },
    /// The leader has removed a node that is gone or was silent for too long.
    Evicted {
        /// Its id.
        node: u64,
        /// Its address.
        address: String,
    },
    /// No leader that reaches a majority is known to this node any more.
    QuorumLost,
    /// There is a leader again, after [`ClusterEvent::QuorumLost`].
    QuorumRegained,
}
