//! The log of one node, in memory: entries from the last purged one on, and the vote.
//!
//! Nothing is on disk, so an entry is as safe as it gets once it is in here. That is sound because a process that was
//! restarted never takes part under its old id: to the others its old node is gone for good, and with it its log and
//! its vote.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;

use super::command::Command;
use super::types::{Entry, LogId, TypeConfig, Vote};

/// What an entry takes beside the commits in it, in bytes; an estimate.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// What a message to a follower takes in entries, in bytes, beyond which it takes no further one.
const MESSAGE_BYTES: usize = 1 << 20;

/// The log. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    vote: Option<Vote>,
    committed: Option<LogId>,
    last_purged: Option<LogId>,
    /// Without a gap, the first one right after `last_purged`.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// What all entries took that were ever put in.
    appended_bytes: usize,
    /// Whether it takes no entries any more.
    closed: bool,
}

impl Log {
    /// A log that begins after `last`, which a state machine holds already, and whose terms are beyond that of `vote`.
    #[must_use]
    pub fn after(last: LogId, vote: Vote) -> Self {
        Self(Arc::new(Mutex::new(Contents {
            vote: Some(vote),
            last_purged: Some(last),
            committed: Some(last),
            ..Contents::default()
        })))
    }

    /// All entries after the one at `index`, or from the first on.
    #[must_use]
    pub fn entries_after(&self, index: Option<u64>) -> Vec<Entry> {
        let contents = self.0.lock();
        let first = index.map_or(0, |index| index + 1);
        let places = contents.places(&(first..));
        contents.entries.range(places).cloned().collect()
    }

    /// Takes no entries from now on: to append one fails, and so is not acknowledged.
    pub fn close(&self) {
        self.0.lock().closed = true;
    }

    /// What the entries take in memory, in bytes; an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }

    /// What all entries took that were ever appended, in bytes; an estimate, which begins again at 0 where it overflows.
    #[must_use]
    pub fn appended_bytes(&self) -> usize {
        self.0.lock().appended_bytes
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// The index of the first entry, or of the one that will be.
    #[must_use]
    pub fn first_index(&self) -> u64 {
        self.0.lock().first_index()
    }

    /// The index of the first entry from which on the log takes at most `bytes`, or of the last one where that alone takes
    /// more; nothing where there is none.
    #[must_use]
    pub fn first_within(&self, bytes: usize) -> Option<u64> {
        let contents = self.0.lock();
        let mut left = contents.bytes;
        for entry in &contents.entries {
            if left <= bytes {
                return Some(entry.log_id.index);
            }
            left -= size(entry);
        }
        contents.entries.back().map(RaftEntry::index)
    }
}

/// What an entry takes in memory, in bytes.
pub(super) fn size(entry: &Entry) -> usize {
    let commits = match &entry.payload {
        openraft::EntryPayload::Normal(Command::Batch(batch)) => batch.commits.len(),
        _ => 0,
    };
    commits + ENTRY_OVERHEAD_BYTES
}

impl Contents {
    fn first_index(&self) -> u64 {
        let first = self.entries.front().map(RaftEntry::index);
        first.unwrap_or_else(|| self.last_purged.map_or(0, |last| last.index + 1))
    }

    /// Places in `entries` for a range of log indexes, cut to what is there.
    fn places(&self, range: &impl RangeBounds<u64>) -> std::ops::Range<usize> {
        let first = self.first_index();
        let place = |index: u64| {
            let place = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
            place.min(self.entries.len())
        };
        let begin = match range.start_bound() {
            Bound::Included(index) => place(*index),
            Bound::Excluded(index) => place(index.saturating_add(1)),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => place(index.saturating_add(1)),
            Bound::Excluded(index) => place(*index),
            Bound::Unbounded => self.entries.len(),
        };
        begin..end.max(begin)
    }

    fn push(&mut self, entry: Entry) {
        let bytes = size(&entry);
        self.bytes += bytes;
        self.appended_bytes = self.appended_bytes.wrapping_add(bytes);
        self.entries.push_back(entry);
    }

    fn drop_front(&mut self, count: usize) {
        for entry in self.entries.drain(..count) {
            self.bytes -= size(&entry);
        }
    }
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let contents = self.0.lock();
        let places = contents.places(&range);
        Ok(contents.entries.range(places).cloned().collect())
    }

    /// The first entries of the range, as many as make a message of moderate size; at least one.
    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let contents = self.0.lock();
        let places = contents.places(&(start..end));
        let mut bytes = 0;
        let entries = contents.entries.range(places).take_while(|entry| {
            let before = bytes;
            bytes += size(entry);
            before < MESSAGE_BYTES
        });
        Ok(entries.cloned().collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.0.lock().vote)
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let contents = self.0.lock();
        let last = contents.entries.back().map(|entry| entry.log_id);
        Ok(LogState {
            last_purged_log_id: contents.last_purged,
            last_log_id: last.or(contents.last_purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.0.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.0.lock().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.0.lock().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        {
            let mut contents = self.0.lock();
            if contents.closed {
                return Err(io::Error::other("this log is closed"));
            }
            for entry in entries {
                // An empty log begins wherever its first entry is.
                if contents.entries.is_empty() && entry.index() >= contents.first_index() {
                    contents.push(entry);
                    continue;
                }
                let first = contents.first_index();
                let place = usize::try_from(entry.index().saturating_sub(first));
                let place = place.unwrap_or(usize::MAX);
                // What openraft appends follows what is there, or replaces it from some place on.
                if entry.index() < first || place > contents.entries.len() {
                    let reason = format!("entry {} leaves a gap in the log", entry.index());
                    return Err(io::Error::other(reason));
                }
                while contents.entries.len() > place {
                    if let Some(replaced) = contents.entries.pop_back() {
                        contents.bytes -= size(&replaced);
                    }
                }
                contents.push(entry);
            }
        }
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let mut contents = self.0.lock();
        let keep = last_log_id.map_or(0, |last| contents.places(&(..=last.index)).end);
        while contents.entries.len() > keep {
            if let Some(dropped) = contents.entries.pop_back() {
                contents.bytes -= size(&dropped);
            }
        }
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let mut contents = self.0.lock();
        if contents
            .last_purged
            .is_some_and(|last| last.index >= log_id.index)
        {
            return Ok(());
        }
        let count = contents.places(&(..=log_id.index)).end;
        contents.drop_front(count);
        contents.last_purged = Some(log_id);
        // The room of a long log goes back once the log is short again.
        let room = contents.entries.len().max(1024) * 2;
        contents.entries.shrink_to(room);
        Ok(())
    }
}
