//! The types that openraft is given, and short names for those it makes of them.

use std::fmt;

use super::command::{Command, Reply};
use super::versions::Version;

/// Number of a node. Given once, by the cluster's own log, and never to another process.
pub type NodeId = u64;

/// Which cluster: chosen at random by the node that forms it. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl ClusterId {
    /// One that nobody has had.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// As it travels.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From the form in which it travels; nothing if these are not 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u128::from_be_bytes).map(Self)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One node of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node's id in it.
    pub node: NodeId,
}

/// What the membership knows of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Address at which other nodes reach it, `host:port`.
    pub peer: String,
    /// Version of its program.
    pub version: String,
    /// How long it votes for nobody after it has heard from a leader, in milliseconds. A process never changes it. 0: it has not
    /// said so, and nobody may rely on it.
    pub vote_lease_ms: u64,
    /// The newest version of the peers' protocol that it speaks. A process never changes it. 0: it has not said so.
    pub protocol: u32,
    /// On which machine it runs; empty where that is not known. A process never changes it.
    pub machine: String,
}

impl Member {
    /// The newest version of the peers' protocol that it speaks.
    #[must_use]
    pub fn newest_version(&self) -> Version {
        Version(self.protocol).max(Version::RANGES)
    }

    /// Without what is newer than `version`, which is all that may be known of it where that is in force.
    #[must_use]
    pub fn in_version(mut self, version: Version) -> Self {
        if version < Version::MACHINES {
            self.machine.clear();
        }
        self
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.peer, self.version)
    }
}

openraft::declare_raft_types!(
    /// The types of this project's log.
    pub TypeConfig:
        D = Command,
        R = Reply,
        NodeId = NodeId,
        Node = Member,
        // As in Raft, a term has one leader. By default openraft lets a candidate with a higher id win the same term again.
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

/// A place in the log.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// A vote: for whom, in which term, and whether a majority gave it.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// An entry of the log.
pub type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// Who the voters and learners are, and which entry said so.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// Who the voters and learners are.
pub type Membership = openraft::Membership<NodeId, Member>;
/// Who leads in which term, as log ids name it.
pub type LeaderTerm = openraft::type_config::alias::CommittedLeaderIdOf<TypeConfig>;
/// What openraft knows of a snapshot.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
/// openraft's handle to one node's part in the cluster.
pub type Raft = openraft::Raft<TypeConfig, super::state_machine::StateMachine>;

#[cfg(test)]
mod tests {
    use super::Vote;

    #[test]
    fn a_term_has_one_leader() {
        let (one, other) = (Vote::new(3, 1), Vote::new(3, 5));
        // Who has voted for one of them cannot vote for the other.
        assert_eq!(one.partial_cmp(&other), None);
        assert!(Vote::new(4, 1) > other);
    }
}
