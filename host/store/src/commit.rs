//! What a transaction asks its backend for: what it read, and what to write if that still holds.
//!
//! This is what replication puts into its log.

use spindrift_memory::{Charge, Purpose, Spent};

use crate::stores::KEY_OVERHEAD_BYTES;
use crate::{Entry, Revision, StoreId, Stores};

/// What a commit takes in memory beside what it reads and writes, in bytes; an estimate.
const COMMIT_OVERHEAD_BYTES: usize = 256;

/// What a transaction read: it may commit only where all of this still holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// The keys read. A key is in here once.
    pub reads: Vec<Read>,
    /// The stores whose keys were listed.
    pub listings: Vec<Listing>,
    /// The revision of this node's map before the first read. Only [`Backend::verify`](super::Backend::verify) looks at
    /// it; it need not travel with a commit.
    pub since: Revision,
}

impl ReadSet {
    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.listings.is_empty()
    }
}

/// One key that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The store.
    pub store: StoreId,
    /// The key.
    pub key: Box<str>,
    /// The revision it had; 0 where there was no such key.
    pub revision: Revision,
}

/// One store whose keys were listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The store.
    pub store: StoreId,
    /// The revision that last created or deleted a key in it; 0 where none ever did.
    pub revision: Revision,
}

/// One write: a value to set or a key to delete.
#[derive(Clone, Debug)]
pub struct Write {
    store: StoreId,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    /// With revision 0, until a commit gives it one.
    Set(Entry),
    Delete(Box<str>),
}

impl Write {
    /// Sets `key` to `value`. Both are copied, into the allocation that the map will hold.
    #[must_use]
    pub fn set(store: StoreId, key: &str, value: &[u8]) -> Self {
        Self {
            store,
            action: Action::Set(Entry::new(key, value, 0)),
        }
    }

    /// Deletes `key`. Deleting a key that does not exist is no error and changes nothing.
    #[must_use]
    pub fn delete(store: StoreId, key: &str) -> Self {
        Self {
            store,
            action: Action::Delete(key.into()),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        match &self.action {
            Action::Set(entry) => entry.key(),
            Action::Delete(key) => key,
        }
    }

    /// The key as bytes.
    #[must_use]
    pub fn key_bytes(&self) -> &[u8] {
        match &self.action {
            Action::Set(entry) => entry.key_bytes(),
            Action::Delete(key) => key.as_bytes(),
        }
    }

    /// The value to set, or nothing where the key is deleted.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.entry().map(Entry::value)
    }

    /// The entry to set, with revision 0, or nothing where the key is deleted.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match &self.action {
            Action::Set(entry) => Some(entry),
            Action::Delete(_) => None,
        }
    }

    /// The entry to set, or nothing where the key is deleted.
    pub(crate) fn into_entry(self) -> Option<Entry> {
        match self.action {
            Action::Set(entry) => Some(entry),
            Action::Delete(_) => None,
        }
    }

    /// Gives the entry to set the revision of its commit.
    pub(crate) fn set_revision(&mut self, revision: Revision) {
        if let Action::Set(entry) = &mut self.action {
            entry.set_revision(revision);
        }
    }
}

impl PartialEq for Write {
    fn eq(&self, other: &Self) -> bool {
        (self.store, self.key_bytes(), self.value())
            == (other.store, other.key_bytes(), other.value())
    }
}

impl Eq for Write {}

/// The result of a successful commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was written, and all reads were of one moment.
    ReadOnly,
    /// All writes are applied, with this revision.
    Committed(Revision),
}

/// A transaction to commit: applied as a whole if all of `reads` still holds, else not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must still hold.
    pub reads: ReadSet,
    /// What to write. Of several writes of one key the last one counts.
    pub writes: Vec<Write>,
}

impl Commit {
    /// What it takes in memory, in bytes; an estimate.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let ReadSet {
            reads, listings, ..
        } = &self.reads;
        let reads = reads.iter().map(|read| read.key.len() + KEY_OVERHEAD_BYTES);
        let writes = self.writes.iter().map(|write| {
            let value = write.value().map_or(0, <[u8]>::len);
            write.key_bytes().len() + value + KEY_OVERHEAD_BYTES
        });
        let listings = size_of_val(listings.as_slice());
        COMMIT_OVERHEAD_BYTES + listings + reads.sum::<usize>() + writes.sum::<usize>()
    }

    /// Holds what it takes in memory on the budget of `stores`, in place of what its transaction held.
    pub(crate) fn charge(&self, held: Option<Charge>, stores: &Stores) -> Result<Charge, Spent> {
        let open = || stores.memory().open(Purpose::Transactions);
        let mut held = held.unwrap_or_else(open);
        held.resize(self.size_bytes())?;
        Ok(held)
    }
}
