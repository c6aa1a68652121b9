//! What a replicated store adds to `/metrics`, under the prefix `spindrift_replication`: gauges that are read when asked
//! for. The counts beside them are kept by `replication` itself.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use spindrift_replication::{Publish, Role};

use super::metrics::gauge;

/// Reads what a node publishes of its replication.
pub(crate) struct ReplicationGauges(pub(crate) Arc<dyn Publish>);

impl fmt::Debug for ReplicationGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplicationGauges")
    }
}

impl Collector for ReplicationGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let node = self.0.published();
        let gauges: [(&str, &str, u64); 9] = [
            (
                "node",
                "The node's id, 0 in no cluster",
                node.node.unwrap_or(0),
            ),
            ("term", "The term that the node is in", node.term),
            (
                "leader",
                "The id of the leader, 0 if the node knows none",
                node.leader.unwrap_or(0),
            ),
            (
                "ready",
                "1 if the node has joined its cluster and caught up with it",
                u64::from(node.not_ready.is_none()),
            ),
            (
                "lag",
                "Log entries that are committed and not applied yet",
                node.lag,
            ),
            ("voters", "Nodes that vote", node.voters as u64),
            ("learners", "Nodes that do not vote", node.learners as u64),
            ("log_entries", "Entries in the log", node.log_entries),
            ("log_bytes", "What the log takes", node.log_bytes),
        ];
        for (name, help, value) in gauges {
            gauge(&mut encoder, name, help, value)?;
        }
        let family = ConstGauge::<u64>::new(0);
        let mut encoder = encoder.encode_descriptor(
            "role",
            "1 for what the node is in its cluster, 0 for what it is not",
            None,
            family.metric_type(),
        )?;
        for role in Role::ALL {
            let labels = [("role", role.as_str())];
            ConstGauge::new(u64::from(role == node.role))
                .encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::admin::fake::FakeNode;

    fn shown(node: FakeNode) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ReplicationGauges(Arc::new(node))));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    fn assert_has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|l| l == *line), "no {line:?} in:\n{text}");
        }
    }

    #[test]
    fn a_member_shows_its_place_in_the_cluster() {
        assert_has(
            &shown(FakeNode::joined()),
            &[
                "node 2",
                "term 7",
                "leader 1",
                "ready 1",
                "lag 3",
                "voters 3",
                "learners 1",
                "log_entries 500",
                "log_bytes 65536",
                "role{role=\"follower\"} 1",
                "role{role=\"leader\"} 0",
            ],
        );
    }

    #[test]
    fn a_node_in_no_cluster_shows_zeroes() {
        assert_has(
            &shown(FakeNode::joining()),
            &[
                "node 0",
                "leader 0",
                "ready 0",
                "role{role=\"joining\"} 1",
                "role{role=\"follower\"} 0",
            ],
        );
    }
}
