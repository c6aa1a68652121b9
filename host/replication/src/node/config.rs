//! What openraft is told of a node's options.

use std::time::Duration;

use openraft::Config;

use super::{NodeError, Parts};
use crate::options::ReplicationOptions;

/// How long a snapshot may take on its way to another node.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(600);

/// Pauses before a node that cannot be reached is tried again.
const BACKOFF: &str = "10ms 20ms 40ms 80ms ...500ms";

/// openraft's options.
pub(super) fn config(parts: &Parts) -> Result<Config, NodeError> {
    let options = &parts.options;
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // A voter stands for election once it has heard nothing for the lease, which is the longer of these two, and a
    // random time between them.
    let longest = options.vote_lease_ms();
    Ok(Config {
        cluster_name: parts.application.clone(),
        election_timeout_min: (longest / 2).max(millis(options.heartbeat_interval) + 1),
        election_timeout_max: longest,
        heartbeat_interval: millis(options.heartbeat_interval),
        install_snapshot_timeout: millis(SNAPSHOT_TIMEOUT),
        // Both are the business of `compaction.rs`.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: options.snapshot_after.saturating_mul(2),
        enable_pre_vote: Some(true),
        backoff: BACKOFF.into(),
        ..Config::default()
    })
}

/// How large the log may become, in bytes.
pub(super) fn max_log_bytes(options: &ReplicationOptions) -> usize {
    usize::try_from(options.max_log_bytes).unwrap_or(usize::MAX)
}
