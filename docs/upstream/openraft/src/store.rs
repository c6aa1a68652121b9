//! A log in memory, and a state machine that keeps nothing.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{
    EntryResponder, IOFlushed, LogState, RaftLogStorage, RaftStateMachine, Snapshot,
};
use openraft::type_config::alias::{SnapshotMetaOf, StoredMembershipOf};
use openraft::{EntryPayload, OptionalSend, RaftLogReader, RaftSnapshotBuilder};

use crate::{Entry, Leader, LogId, TypeConfig, Vote};

/// The log. Clones share it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    vote: Option<Vote>,
    entries: Vec<Entry>,
    broken: bool,
}

impl Log {
    /// From now on the log panics when an entry is appended.
    pub fn break_down(&self) {
        self.with(|contents| contents.broken = true);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let wanted = |entry: &&Entry| range.contains(&entry.index());
        Ok(self.with(|contents| contents.entries.iter().filter(wanted).cloned().collect()))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.with(|contents| contents.vote))
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        Ok(LogState {
            last_purged_log_id: None,
            last_log_id: self.with(|contents| contents.entries.last().map(RaftEntry::log_id)),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.with(|contents| contents.vote = Some(*vote));
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.with(|contents| {
            assert!(!contents.broken, "the log is broken");
            contents.entries.extend(entries);
        });
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let kept = |entry: &Entry| last.is_some_and(|last| entry.index() <= last.index);
        self.with(|contents| contents.entries.retain(kept));
        Ok(())
    }

    async fn purge(&mut self, _upto: LogId) -> io::Result<()> {
        Ok(())
    }
}

/// A state machine that remembers how far it is, and no more.
#[derive(Clone, Default)]
pub struct Nothing {
    applied: Option<LogId>,
    membership: StoredMembershipOf<TypeConfig>,
}

impl RaftStateMachine<TypeConfig> for Nothing {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> io::Result<(Option<LogId>, StoredMembershipOf<TypeConfig>)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.applied = Some(entry.log_id());
            if let EntryPayload::Membership(membership) = entry.payload {
                self.membership = StoredMembershipOf::<TypeConfig>::new(self.applied, membership);
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<TypeConfig>,
        _snapshot: (),
    ) -> io::Result<()> {
        Err(no_snapshots())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot<Leader, u64, (), ()>>> {
        Ok(None)
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Nothing {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<Leader, u64, (), ()>> {
        Err(no_snapshots())
    }
}

fn no_snapshots() -> io::Error {
    io::Error::other("no test makes a snapshot")
}
