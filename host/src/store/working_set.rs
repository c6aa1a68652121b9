//! What a transaction has read and written so far: what it was told of each key, and the writes
//! that it holds back.

use tokio::time::Instant;

use super::keyed::{Keyed, KeyedList};
use super::{
    Backend, Commit, CommitError, Entry, Keys, Listing, Map, Outcome, Read, ReadError, ReadSet,
    Revision, StoreId, Write, WriteError,
};

/// What a noted key counts towards
/// [`Stores::max_transaction_bytes`](super::Stores::max_transaction_bytes) beside its own length,
/// in bytes.
pub(super) const KEY_OVERHEAD_BYTES: usize = 64;

/// The reads and writes of an open transaction.
#[derive(Default)]
pub(super) struct WorkingSet {
    /// Whether the backend was found fresh enough since the transaction began.
    pub(super) fresh: bool,
    /// Whether two listings of one store differed, so that this run cannot have been one moment's.
    inconsistent: bool,
    /// Revision of the map before the first read.
    since: Option<Revision>,
    bytes: usize,
    reads: KeyedList<Observed>,
    listings: Vec<Listing>,
    writes: KeyedList<Write>,
}

/// A key as it was when it was first read.
struct Observed {
    store: StoreId,
    found: Found,
}

enum Found {
    Entry(Entry),
    Nothing(Box<str>),
}

impl WorkingSet {
    pub(super) fn is_read_only(&self) -> bool {
        self.writes.items().is_empty()
    }

    /// What the transaction knows of a key: its own write, or what it read first. The outer `None`
    /// is for a key that it knows nothing of.
    pub(super) fn known(&self, store: StoreId, key: &str) -> Option<Option<&Entry>> {
        if let Some(write) = self.writes.get(store, key.as_bytes()) {
            return Some(write.entry());
        }
        self.reads
            .get(store, key.as_bytes())
            .map(|observed| match &observed.found {
                Found::Entry(entry) => Some(entry),
                Found::Nothing(_) => None,
            })
    }

    /// Remembers the map's revision. Every read has to come after this, or verifying them would
    /// prove nothing.
    pub(super) fn begin_reading(&mut self, map: &Map) {
        if self.since.is_none() {
            self.since = Some(map.applied());
        }
    }

    /// Notes what was found at a key that nothing was known of.
    pub(super) fn note(
        &mut self,
        store: StoreId,
        key: &str,
        found: Option<Entry>,
        limit_bytes: usize,
    ) -> Result<(), ReadError> {
        let bytes = self.bytes + key.len() + KEY_OVERHEAD_BYTES;
        if bytes > limit_bytes {
            return Err(ReadError::TransactionTooLarge { limit_bytes });
        }
        self.bytes = bytes;
        let found = found.map_or_else(|| Found::Nothing(key.into()), Found::Entry);
        self.reads.insert(Observed { store, found });
        Ok(())
    }

    /// Notes a listing, and gives the keys as the transaction's own writes make them.
    pub(super) fn note_listing(&mut self, store: StoreId, listed: Keys) -> Vec<String> {
        let Keys { mut keys, revision } = listed;
        match self.listings.iter().find(|listing| listing.store == store) {
            // If a key has come or gone since the first listing, that one holds no more, and what
            // the guest makes of the two together is worth nothing.
            Some(first) => self.inconsistent |= first.revision != revision,
            None => self.listings.push(Listing { store, revision }),
        }
        let mut written = self
            .writes
            .items()
            .iter()
            .filter(|write| write.store() == store)
            .peekable();
        if written.peek().is_some() {
            keys.retain(|key| self.writes.get(store, key.as_bytes()).is_none());
            keys.extend(
                written
                    .filter_map(Write::entry)
                    .map(|entry| entry.key().to_owned()),
            );
        }
        keys
    }

    /// Takes a write into the buffer, in place of an earlier one of the same key.
    pub(super) fn buffer(&mut self, write: Write, limit_bytes: usize) -> Result<(), WriteError> {
        let replaced = self
            .writes
            .get(write.store(), write.key_bytes())
            .map_or(0, buffered_bytes);
        let bytes = self.bytes - replaced + buffered_bytes(&write);
        if bytes > limit_bytes {
            return Err(WriteError::TransactionTooLarge { limit_bytes });
        }
        self.bytes = bytes;
        self.writes.insert(write);
        Ok(())
    }
    /// Forgets what was to be written.
    pub(super) fn drop_writes(&mut self) {
        self.writes = KeyedList::default();
    }

    /// Has the backend apply the writes if all that was read still holds; without writes, checks
    /// that the reads were one moment's.
    pub(super) async fn commit(
        self,
        backend: &dyn Backend,
        deadline: Instant,
    ) -> Result<Outcome, CommitError> {
        if self.inconsistent {
            return Err(CommitError::Conflict);
        }
        if self.is_read_only() {
            return self.verify(backend, deadline).await;
        }
        let commit = Commit {
            reads: self.read_set(),
            writes: self.writes.into_items(),
        };
        let held = commit.charge(backend)?;
        let committed = backend.commit(commit, held, deadline).await;
        committed.map(Outcome::Committed)
    }

    async fn verify(
        &self,
        backend: &dyn Backend,
        deadline: Instant,
    ) -> Result<Outcome, CommitError> {
        // One read is one moment's.
        if self.reads.items().len() + self.listings.len() < 2 {
            return Ok(Outcome::ReadOnly);
        }
        // The map's own first question, asked before a set of reads is made for it.
        if backend
            .map()
            .is_some_and(|map| self.since == Some(map.applied()))
        {
            return Ok(Outcome::ReadOnly);
        }
        match backend.verify(&self.read_set(), deadline).await {
            Ok(true) => Ok(Outcome::ReadOnly),
            Ok(false) => Err(CommitError::Conflict),
            Err(unavailable) => Err(CommitError::NotApplied(unavailable)),
        }
    }

    fn read_set(&self) -> ReadSet {
        let reads = self
            .reads
            .items()
            .iter()
            .map(|observed| match &observed.found {
                Found::Entry(entry) => Read {
                    store: observed.store,
                    key: entry.key().into(),
                    revision: entry.revision(),
                },
                Found::Nothing(key) => Read {
                    store: observed.store,
                    key: key.clone(),
                    revision: 0,
                },
            });
        ReadSet {
            reads: reads.collect(),
            listings: self.listings.clone(),
            since: self.since.unwrap_or(0),
        }
    }
}

impl Keyed for Observed {
    fn store(&self) -> StoreId {
        self.store
    }

    fn key_bytes(&self) -> &[u8] {
        match &self.found {
            Found::Entry(entry) => entry.key_bytes(),
            Found::Nothing(key) => key.as_bytes(),
        }
    }
}

impl Keyed for Write {
    fn store(&self) -> StoreId {
        self.store()
    }

    fn key_bytes(&self) -> &[u8] {
        self.key_bytes()
    }
}

fn buffered_bytes(write: &Write) -> usize {
    write.key_bytes().len() + write.value().map_or(0, <[u8]>::len) + KEY_OVERHEAD_BYTES
}
