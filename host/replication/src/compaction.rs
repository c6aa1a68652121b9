//! Keeps the log short: what a snapshot covers is dropped, by number of entries and by bytes.
//!
//! It is done here and not by openraft, which would drop what a follower still needs: one that has got a snapshot goes on
//! with the entries after it, and without these it would have to begin anew, again and again where the state is large. A
//! snapshot is a cut of the map that nobody keeps (see `snapshot.rs`), so taking one more costs microseconds.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::time::sleep;

use super::log::Log;
use super::network::Cutoff;
use super::types::{LogId, Raft};

/// How often the log's size is looked at. It grows by what the network brings in that time before it is cut.
const INTERVAL: Duration = Duration::from_millis(100);

/// Entries that stay in the log, for followers that are a little behind.
const KEPT_ENTRIES: usize = 1000;

/// How many times its bound in bytes the log may take for a follower that is about to acknowledge what is to be dropped.
const OVERRUN: usize = 2;

/// How long the log may get.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries, beyond those that stay; more where a follower needs them.
    pub entries: usize,
    /// What all of it takes, in bytes, whoever needs it. While entries that are to be dropped are on their way to a follower
    /// it may be twice as much; and always what comes in between a few looks at it, and what is not committed yet.
    pub bytes: usize,
}

/// Keeps the log of one node within its bounds, as far as its entries are applied. Never ends.
pub async fn keep_short(raft: Raft, log: Log, bounds: Bounds, cutoff: Cutoff) {
    // The first entry that is to stay, as openraft was last told.
    let mut told = 0;
    loop {
        sleep(INTERVAL).await;
        let seen = raft.metrics().borrow_watched().clone();
        if seen.state.is_leader() && log.first_index() < told {
            // Some of what is to go is on its way to a follower. To ask for more would be to wait for more.
            if bounds.may_wait(&log) {
                continue;
            }
            // For those that have not acknowledged what was there a while ago.
            cutoff.set(told);
        }
        let next = |last: Option<LogId>| last.map_or(0, |last| last.index + 1);
        let applied = next(seen.last_applied);
        // Only the leader knows what others have.
        let others = seen.replication.iter().flatten();
        let needed = others.map(|(_, matching)| next(*matching)).min();
        let Some(first_kept) = bounds.first_kept(&log, applied, needed) else {
            continue;
        };
        let mut covered = next(seen.snapshot);
        if covered < first_kept.min(applied) {
            // The node is stopping where this fails.
            raft.trigger().snapshot().await.ok();
            let wait = raft.wait(Some(INTERVAL));
            let built = wait.metrics(|seen| next(seen.snapshot) >= applied, "a snapshot");
            covered = built.await.map_or(covered, |seen| next(seen.snapshot));
        }
        // openraft drops no more than that.
        let first_kept = first_kept.min(covered);
        if first_kept > log.first_index() {
            told = first_kept;
            raft.trigger().purge_log(first_kept - 1).await.ok();
        }
    }
}

impl Bounds {
    /// Whether the log may stay beyond its bytes for a while.
    fn may_wait(&self, log: &Log) -> bool {
        let beyond = self.bytes.saturating_add(1)..=self.bytes.saturating_mul(OVERRUN);
        beyond.contains(&log.bytes())
    }

    /// The index of the first entry that stays; nothing where all do. Those before `applied` may go, and with the number
    /// of entries alone against it also those before `needed` only.
    fn first_kept(&self, log: &Log, applied: u64, needed: Option<u64>) -> Option<u64> {
        if log.bytes() > self.bytes {
            // Down to half, so that the next cut is not due at once.
            return log.first_within(self.bytes / 2);
        }
        let kept = KEPT_ENTRIES.min(self.entries);
        if log.len() < self.entries.saturating_add(kept) {
            return None;
        }
        let first_kept = applied.saturating_sub(kept as u64);
        let first_kept = needed.map_or(first_kept, |needed| needed.min(first_kept));
        (first_kept > log.first_index()).then_some(first_kept)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::EntryPayload;
    use openraft::entry::RaftEntry;
    use openraft::storage::RaftLogStorageExt;

    use super::*;
    use crate::command::{Batch, Command};
    use crate::types::{Entry, LeaderTerm};

    const BOUNDS: Bounds = Bounds {
        entries: 5000,
        bytes: 1 << 20,
    };

    async fn log_of(entries: u64) -> Log {
        let mut log = Log::default();
        let place = |index| LogId::new(LeaderTerm::new(1), index);
        let entries = (0..entries).map(|index| Entry::new(place(index), EntryPayload::Blank));
        log.blocking_append(entries).await.expect("an append");
        log
    }

    #[tokio::test]
    async fn a_log_is_cut_once_it_has_grown_by_its_bound() {
        assert_eq!(BOUNDS.first_kept(&log_of(5999).await, 5999, None), None);
        let long = log_of(6000).await;
        assert_eq!(BOUNDS.first_kept(&long, 6000, Some(6000)), Some(5000));
        assert_eq!(BOUNDS.first_kept(&long, 5900, None), Some(4900));
        let few = Bounds {
            entries: 10,
            ..BOUNDS
        };
        assert_eq!(few.first_kept(&log_of(20).await, 20, None), Some(10));
    }

    #[tokio::test]
    async fn an_entry_beyond_the_bound_keeps_none_before_it() {
        let place = |index| LogId::new(LeaderTerm::new(1), index);
        let large = |index| {
            let batch = Batch {
                origin: 1,
                sequence: index,
                settled: index,
                commits: Bytes::from(vec![0; BOUNDS.bytes]),
            };
            Entry::new(place(index), EntryPayload::Normal(Command::Batch(batch)))
        };
        let mut log = Log::default();
        let append = log.blocking_append((0..3).map(large));
        append.await.expect("an append");
        assert_eq!(BOUNDS.first_kept(&log, 3, None), Some(2));
    }

    #[tokio::test]
    async fn what_a_follower_lacks_stays() {
        let long = log_of(8000).await;
        assert_eq!(BOUNDS.first_kept(&long, 8000, Some(300)), Some(300));
        assert_eq!(
            BOUNDS.first_kept(&long, 8000, Some(0)),
            None,
            "one without anything gets a snapshot, and then needs all that came since it was taken"
        );
    }

    #[tokio::test]
    async fn what_a_follower_lacks_does_not_let_the_log_outgrow_its_bytes() {
        let large = log_of(9000).await;
        assert!(large.bytes() > BOUNDS.bytes);
        let first_kept = BOUNDS.first_kept(&large, 9000, Some(0)).expect("a cut");
        assert!(first_kept > 4000, "{first_kept}");
    }
}
