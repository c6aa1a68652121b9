//! [`ReplicationMetrics`]: what a node of a replicated store counts. Reading the counts is `admin`'s business.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::elections::ElectionMetrics;

/// A node's counts since it started.
#[derive(Clone, Debug)]
pub struct ReplicationMetrics {
    /// What is counted of elections.
    pub(super) elections: ElectionMetrics,
    batches: Counter,
    batches_repeated: Counter,
    commits_per_batch: Histogram,
    read_index_rounds: Counter,
    reads_per_round: Histogram,
    snapshots_built: Counter,
    snapshots_sent: Counter,
    snapshots_installed: Counter,
    snapshot_build: Histogram,
}

impl Default for ReplicationMetrics {
    fn default() -> Self {
        Self {
            elections: ElectionMetrics::default(),
            batches: Counter::default(),
            batches_repeated: Counter::default(),
            // From 1 to 4096.
            commits_per_batch: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            read_index_rounds: Counter::default(),
            reads_per_round: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            snapshots_built: Counter::default(),
            snapshots_sent: Counter::default(),
            snapshots_installed: Counter::default(),
            // From 10 µs, about an empty cut, to 2.6 s.
            snapshot_build: Histogram::new(exponential_buckets(0.000_01, 4.0, 10)),
        }
    }
}

impl ReplicationMetrics {
    /// Counts a batch that is sent to the leader for the first time, with so many commits.
    pub fn batch_sent(&self, commits: usize) {
        self.batches.inc();
        self.commits_per_batch.observe(commits as f64);
    }

    /// Counts a batch that is sent again, since it is not known what became of it.
    pub fn batch_repeated(&self) {
        self.batches_repeated.inc();
    }

    /// Counts a question to the leader for its commit index, which so many reads shared.
    pub fn read_index_round(&self, reads: usize) {
        self.read_index_rounds.inc();
        self.reads_per_round.observe(reads as f64);
    }

    /// Counts a snapshot that was built, and how long commits waited for it.
    pub fn snapshot_built(&self, took: Duration) {
        self.snapshots_built.inc();
        self.snapshot_build.observe(took.as_secs_f64());
    }

    /// Counts a snapshot that another node has received from this one.
    pub fn snapshot_sent(&self) {
        self.snapshots_sent.inc();
    }

    /// Counts a snapshot of another node that took the place of this node's map.
    pub fn snapshot_installed(&self) {
        self.snapshots_installed.inc();
    }

    /// Names the counts.
    pub fn register(&self, registry: &mut Registry) {
        self.elections.register(registry);
        let counters = [
            (
                "batches",
                "Batches of commits that this node has sent to the leader",
                &self.batches,
            ),
            (
                "batches_repeated",
                "Batches sent again because it was not known what became of them",
                &self.batches_repeated,
            ),
            (
                "read_index_rounds",
                "Questions to the leader for its commit index",
                &self.read_index_rounds,
            ),
            (
                "snapshots_built",
                "Snapshots of this node's map",
                &self.snapshots_built,
            ),
            (
                "snapshots_sent",
                "Snapshots that other nodes have received from this one",
                &self.snapshots_sent,
            ),
            (
                "snapshots_installed",
                "Snapshots received in place of a part of the log",
                &self.snapshots_installed,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "commits_per_batch",
            "Commits that a batch carries",
            self.commits_per_batch.clone(),
        );
        registry.register(
            "reads_per_round",
            "Reads that share one question for the commit index",
            self.reads_per_round.clone(),
        );
        registry.register_with_unit(
            "snapshot_build",
            "How long a snapshot holds up the commits of this node",
            Unit::Seconds,
            self.snapshot_build.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted_under_its_name() {
        let metrics = ReplicationMetrics::default();
        metrics.batch_sent(3);
        metrics.batch_sent(5);
        metrics.batch_repeated();
        metrics.read_index_round(7);
        metrics.snapshot_built(Duration::from_millis(1));
        metrics.snapshot_sent();
        metrics.snapshot_installed();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "leader_changes_total 0",
            "batches_total 2",
            "batches_repeated_total 1",
            "commits_per_batch_sum 8.0",
            "commits_per_batch_count 2",
            "commits_per_batch_bucket{le=\"4.0\"} 1",
            "read_index_rounds_total 1",
            "reads_per_round_sum 7.0",
            "snapshots_built_total 1",
            "snapshots_sent_total 1",
            "snapshots_installed_total 1",
            "snapshot_build_seconds_sum 0.001",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
        }
    }
}
