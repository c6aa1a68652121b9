//! The commit of a transaction: its reads, and the writes to apply if those still hold.
//!
//! Replication puts commits into its log.

use spindrift_memory::{Charge, Purpose, Spent};

use crate::stores::KEY_OVERHEAD_BYTES;
use crate::{Entry, Revision, StoreId, Stores};

/// Memory of a commit besides its reads and writes, in bytes; an estimate.
const COMMIT_OVERHEAD_BYTES: usize = 256;

/// The reads of a transaction. It may commit only if all of them still hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// The keys that were read, each once.
    pub reads: Vec<Read>,
    /// The stores whose keys were listed.
    pub listings: Vec<Listing>,
    /// The revision of this node's map before the first read. Only [`Backend::verify`](crate::Backend::verify) uses it,
    /// so replication need not send it.
    pub since: Revision,
}

impl ReadSet {
    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.listings.is_empty()
    }
}

/// A key that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The store.
    pub store: StoreId,
    /// The key.
    pub key: Box<str>,
    /// The revision of its entry, or 0 if there was none.
    pub revision: Revision,
}

/// A store whose keys were listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The store.
    pub store: StoreId,
    /// The revision that last created or deleted a key in it, or 0 if none did.
    pub revision: Revision,
}

/// A write: it sets a value or deletes a key.
#[derive(Clone, Debug)]
pub struct Write {
    store: StoreId,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    /// Its revision is 0 until a commit sets it.
    Set(Entry),
    Delete(Box<str>),
}

impl Write {
    /// Sets `key` to `value`. Copies both, into the allocation that the map will hold.
    #[must_use]
    pub fn set(store: StoreId, key: &str, value: &[u8]) -> Self {
        Self {
            store,
            action: Action::Set(Entry::new(key, value, 0)),
        }
    }

    /// Deletes `key`. Deleting an absent key is no error and changes nothing.
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

    /// The value to set, or `None` for a delete.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.entry().map(Entry::value)
    }

    /// The entry to set, with revision 0, or `None` for a delete.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match &self.action {
            Action::Set(entry) => Some(entry),
            Action::Delete(_) => None,
        }
    }

    /// The entry to set, or `None` for a delete.
    pub(crate) fn into_entry(self) -> Option<Entry> {
        match self.action {
            Action::Set(entry) => Some(entry),
            Action::Delete(_) => None,
        }
    }

    /// Sets the revision of the entry.
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

/// A transaction to commit. If a read no longer holds, none of its writes is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The reads that must still hold.
    pub reads: ReadSet,
    /// The writes. The last of several writes of one key counts.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Its memory, in bytes; an estimate.
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

    /// Charges its memory to the budget of `stores`, in place of the memory of its transaction.
    pub(crate) fn charge(&self, held: Option<Charge>, stores: &Stores) -> Result<Charge, Spent> {
        let open = || stores.memory().open(Purpose::Transactions);
        let mut held = held.unwrap_or_else(open);
        held.resize(self.size_bytes())?;
        Ok(held)
    }
}
