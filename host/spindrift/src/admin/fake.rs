//! A node of a cluster that is not there, for the tests of this folder.

use spindrift_replication::{Publish, Published, ReplicationMetrics, Role};

/// Publishes what it was made with.
pub(crate) struct FakeNode {
    published: Published,
    metrics: ReplicationMetrics,
}

impl FakeNode {
    /// A follower that has caught up.
    pub(crate) fn joined() -> Self {
        Self::publishing(Published {
            cluster: Some("00112233445566778899aabbccddeeff".into()),
            node: Some(2),
            role: Role::Follower,
            address: "127.0.0.1:7001".into(),
            term: 7,
            protocol: Some(5),
            leader: Some(1),
            leader_address: Some("127.0.0.1:7000".into()),
            revision: 1000,
            lag: 3,
            voters: 3,
            learners: 1,
            log_entries: 500,
            log_bytes: 65_536,
            not_ready: None,
        })
    }

    /// One that is in no cluster.
    pub(crate) fn joining() -> Self {
        Self::publishing(Published {
            cluster: None,
            node: None,
            role: Role::Joining,
            protocol: None,
            leader: None,
            leader_address: None,
            not_ready: Some("looking for a cluster".into()),
            ..Self::joined().published
        })
    }

    fn publishing(published: Published) -> Self {
        Self {
            published,
            metrics: ReplicationMetrics::default(),
        }
    }
}

impl Publish for FakeNode {
    fn published(&self) -> Published {
        self.published.clone()
    }

    fn metrics(&self) -> &ReplicationMetrics {
        &self.metrics
    }
}
