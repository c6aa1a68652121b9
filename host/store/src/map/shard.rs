//! One shard of a store: a hash table behind a lock that is held only for moments.
//!
//! The table is shared. A snapshot keeps it by counting one reference more. A writer that finds such a table replaces
//! it by a copy first. It makes the copy outside the lock, and likewise the larger table for a full one. This is sound
//! because there is one writer at a time: no other thread changes a table or begins to keep one.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use parking_lot::RwLock;
use std::hash::{BuildHasher, Hasher};
use triomphe::Arc;

use crate::{Entry, Revision};

/// The number of shards of a store. While a snapshot is held, a write copies at most one shard for each key that it
/// changes: about two thousand pointers in a store of a million keys.
pub(crate) const SHARDS: usize = 512;

/// The entries of one shard, found by their keys.
pub(crate) type Table = HashTable<Entry>;

/// Hashes keys. The seed is random, since clients choose the keys and must not be able to choose keys with the same
/// hash.
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
    /// The shard of the key. The table uses the lowest and the highest bits, so this uses others.
    pub(crate) fn shard(self) -> usize {
        (self.0 >> 40) as usize % SHARDS
    }
}

/// One shard. It is aligned to a cache line, so that readers of one shard do not slow down readers of the next.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) struct Shard(pub(crate) RwLock<ShardState>);

/// The data behind the lock of a shard.
#[derive(Debug)]
pub(crate) struct ShardState {
    pub(crate) table: Arc<Table>,
    /// The revision that last deleted a key in this shard.
    pub(crate) last_delete: Revision,
}

impl Shard {
    pub(crate) fn empty() -> Self {
        Self(RwLock::new(ShardState {
            table: Arc::new(Table::new()),
            last_delete: 0,
        }))
    }

    pub(crate) fn get(&self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        find(&self.0.read().table, hash, key).cloned()
    }

    /// The revision of a key, or 0 if it is absent, and the revision that last deleted a key in this shard.
    pub(crate) fn revision(&self, hash: KeyHash, key: &[u8]) -> (Revision, Revision) {
        let state = self.0.read();
        (
            find(&state.table, hash, key).map_or(0, Entry::revision),
            state.last_delete,
        )
    }

    /// The length of a key's entry, in bytes.
    pub(crate) fn len_bytes(&self, hash: KeyHash, key: &[u8]) -> Option<usize> {
        find(&self.0.read().table, hash, key).map(Entry::len_bytes)
    }

    /// Keeps the table as it is, whatever is written later. The caller holds the writer's mutex.
    pub(crate) fn keep(&self) -> Arc<Table> {
        self.0.read().table.clone()
    }

    /// Makes sure that no snapshot shares the table, and that it takes `new` more entries without growing. The writer
    /// can then change it in place within moments. The caller holds the writer's mutex.
    pub(crate) fn prepare(&self, new: usize, hasher: &KeyHasher) {
        let capacity = {
            let state = self.0.read();
            let len = state.table.len() + new;
            let full = len > state.table.capacity();
            let sparse = state.table.num_buckets() > 64 && len * 16 < state.table.num_buckets();
            if state.table.is_unique() && !full && !sparse {
                return;
            }
            // Leaves some room. Otherwise a full table would be copied at each turn while keys are deleted and created.
            if full { len + len / 4 } else { len }
        };
        // Readers go on meanwhile. Only the writer changes the table, and this is the writer.
        let mut aside = Table::with_capacity(capacity);
        let kept = self.keep();
        for entry in kept.iter() {
            aside.insert_unique(hasher.of(entry), entry.clone(), |entry| hasher.of(entry));
        }
        drop(kept);
        let replaced = std::mem::replace(&mut self.0.write().table, Arc::new(aside));
        // The old table is freed after the lock is released, unless a snapshot keeps it.
        drop(replaced);
    }
}

impl ShardState {
    /// Inserts an entry and returns the one that it replaced.
    pub(crate) fn insert(
        &mut self,
        hash: KeyHash,
        entry: Entry,
        hasher: &KeyHasher,
    ) -> Option<Entry> {
        insert(self.table_mut(), hash, entry, hasher)
    }

    /// Removes an entry and returns it.
    pub(crate) fn remove(&mut self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        let found = self
            .table_mut()
            .find_entry(hash.0, |entry| entry.key_bytes() == key);
        found.ok().map(|found| found.remove().0)
    }

    /// Copies nothing after [`Shard::prepare`].
    fn table_mut(&mut self) -> &mut Table {
        Arc::make_mut(&mut self.table)
    }
}

/// The entry of a key.
pub(crate) fn find<'a>(table: &'a Table, hash: KeyHash, key: &[u8]) -> Option<&'a Entry> {
    table.find(hash.0, |entry| entry.key_bytes() == key)
}

/// Inserts an entry and returns the one that it replaced.
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
