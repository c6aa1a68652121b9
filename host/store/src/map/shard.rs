//! One slice of a store's map: a hash table behind a lock that is held for a moment only.
//!
//! The table itself is shared: a snapshot keeps it by counting it once more, and a writer that finds it so kept puts a
//! copy in its place first. The copy is made outside the lock, as is the larger table that a full one needs. That is
//! sound because there is one writer at a time, and nobody else changes a table or begins to keep one.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use parking_lot::RwLock;
use std::hash::{BuildHasher, Hasher};
use triomphe::Arc;

use crate::{Entry, Revision};

/// How many slices a store has. One slice is what a write copies at most while a snapshot is held: at a million keys
/// about two thousand pointers.
pub(crate) const SHARDS: usize = 512;

/// Entries of one slice, found by their keys.
pub(crate) type Table = HashTable<Entry>;

/// Hashes keys. Its seed is drawn at start: clients choose the keys, and must not be able to choose them alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyHasher(RandomState);

impl KeyHasher {
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        KeyHash(hasher.finish())
    }

    fn of(&self, entry: &Entry) -> u64 {
        self.hash(entry.key_bytes()).0
    }
}

/// The hash of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    /// The slice that the key belongs to. A table uses the lowest and the highest bits, so these are from between.
    pub(crate) fn shard(self) -> usize {
        (self.0 >> 40) as usize % SHARDS
    }
}

/// One slice. Aligned to a cache line, so that readers of one slice do not slow those of its neighbour.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) struct Shard(pub(crate) RwLock<Slice>);

/// What the lock of a slice guards.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) table: Arc<Table>,
    /// The revision that last deleted a key in this slice.
    pub(crate) last_delete: Revision,
}

impl Shard {
    pub(crate) fn empty() -> Self {
        Self(RwLock::new(Slice {
            table: Arc::new(Table::new()),
            last_delete: 0,
        }))
    }

    pub(crate) fn get(&self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        find(&self.0.read().table, hash, key).cloned()
    }

    /// Revision of a key's entry, and the revision that last deleted a key in this slice.
    pub(crate) fn revision(&self, hash: KeyHash, key: &[u8]) -> (Revision, Revision) {
        let slice = self.0.read();
        (
            find(&slice.table, hash, key).map_or(0, Entry::revision),
            slice.last_delete,
        )
    }

    /// Length of a key's entry, in bytes.
    pub(crate) fn len_bytes(&self, hash: KeyHash, key: &[u8]) -> Option<usize> {
        find(&self.0.read().table, hash, key).map(Entry::len_bytes)
    }

    /// Keeps the table as it is, whatever is written later. Only under the writer's mutex.
    pub(crate) fn keep(&self) -> Arc<Table> {
        self.0.read().table.clone()
    }

    /// Makes sure that this slice's table is nobody else's, and takes `new` more entries without growing: the writer
    /// can then change it in place, within moments. Only under the writer's mutex.
    pub(crate) fn prepare(&self, new: usize, hasher: &KeyHasher) {
        let capacity = {
            let slice = self.0.read();
            let len = slice.table.len() + new;
            let full = len > slice.table.capacity();
            let sparse = slice.table.num_buckets() > 64 && len * 16 < slice.table.num_buckets();
            if slice.table.is_unique() && !full && !sparse {
                return;
            }
            // More than is needed now, or a full table that loses and gains keys would be copied at every turn.
            if full { len + len / 4 } else { len }
        };
        // Readers go on meanwhile; nothing changes the table before the swap, since this is the writer.
        let mut aside = Table::with_capacity(capacity);
        let kept = self.keep();
        for entry in kept.iter() {
            aside.insert_unique(hasher.of(entry), entry.clone(), |entry| hasher.of(entry));
        }
        drop(kept);
        let replaced = std::mem::replace(&mut self.0.write().table, Arc::new(aside));
        // Frees the old table where no snapshot keeps it, after the lock.
        drop(replaced);
    }
}

impl Slice {
    /// Puts an entry in place and returns the one that was there.
    pub(crate) fn insert(
        &mut self,
        hash: KeyHash,
        entry: Entry,
        hasher: &KeyHasher,
    ) -> Option<Entry> {
        insert(self.table_mut(), hash, entry, hasher)
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        let found = self
            .table_mut()
            .find_entry(hash.0, |entry| entry.key_bytes() == key);
        found.ok().map(|found| found.remove().0)
    }

    /// After [`Shard::prepare`] there is nothing to copy.
    fn table_mut(&mut self) -> &mut Table {
        Arc::make_mut(&mut self.table)
    }
}

/// The entry of a key.
pub(crate) fn find<'a>(table: &'a Table, hash: KeyHash, key: &[u8]) -> Option<&'a Entry> {
    table.find(hash.0, |entry| entry.key_bytes() == key)
}

/// Puts an entry in place and returns the one that was there.
pub(crate) fn insert(
    table: &mut Table,
    hash: KeyHash,
    entry: Entry,
    hasher: &KeyHasher,
) -> Option<Entry> {
    match table.entry(
        hash.0,
        |known| known.key_bytes() == entry.key_bytes(),
        |entry| hasher.of(entry),
    ) {
        Slot::Occupied(mut known) => Some(std::mem::replace(known.get_mut(), entry)),
        Slot::Vacant(free) => {
            free.insert(entry);
            None
        }
    }
}
