//! Keeps the log short: what a snapshot covers is dropped, by number of entries and by bytes.
//!
//! openraft takes a snapshot every so many entries. This adds the bound in bytes, and drops entries beyond it. A
//! snapshot is a cut of the map that nobody keeps (see `snapshot.rs`), so taking one more costs microseconds.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::time::sleep;

use super::log::Log;
use super::types::Raft;

/// How often the log's size is looked at. It grows by what the network brings in that time before it is cut.
const INTERVAL: Duration = Duration::from_millis(100);

/// Keeps the log of one node within `max_bytes`, as far as its entries are applied. Never ends.
pub async fn keep_short(raft: Raft, log: Log, max_bytes: usize) {
    loop {
        sleep(INTERVAL).await;
        if log.bytes() <= max_bytes {
            continue;
        }
        // Down to half, so that the next cut is not due at once.
        let Some(first_kept) = log.first_within(max_bytes / 2) else {
            continue;
        };
        let seen = raft.metrics().borrow_watched().clone();
        let covered = seen.snapshot.map_or(0, |log_id| log_id.index);
        if covered + 1 < first_kept {
            // The node is stopping where this fails.
            raft.trigger().snapshot().await.ok();
        }
        raft.trigger()
            .purge_log(first_kept.saturating_sub(1))
            .await
            .ok();
    }
}
