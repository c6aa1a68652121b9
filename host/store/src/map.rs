//! The map: the entries of all stores, with many readers beside one writer.
//!
//! | file | subject |
//! | --- | --- |
//! | `map.rs` | reads, listings, and the check whether reads still hold |
//! | `map/apply.rs` | how a commit changes the map, and why transactions are serializable |
//! | `map/snapshot.rs` | taking a snapshot, and replacing the map by one |
//! | `map/shard.rs` | one shard of a store: a hash table behind a lock |

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::selection::Selection;
use crate::{Entry, ReadError, ReadSet, Revision, StoreId, Stores};

pub(crate) mod apply;
mod shard;
pub(crate) mod snapshot;

use shard::{KeyHasher, SHARDS, Shard, Table};

/// The size of an entry besides its key and its value, in bytes: its header, its slot, and the rounding of the
/// allocator.
pub const ENTRY_OVERHEAD_BYTES: u64 = 64;

/// A listing yields to other tasks after this many keys, which take less than a millisecond.
const KEYS_AT_A_TIME: usize = 4096;

/// The entries of all stores, each with the revision that wrote it.
///
/// Every node of a replicated store has a map and applies the same commits in the same order. [`apply`](Self::apply)
/// gives the same answer on each node. A reader waits for a commit only during the moment in which the writer puts
/// prepared changes in place.
#[derive(Debug)]
pub struct Map {
    configured: Stores,
    stores: Vec<StoreMap>,
    hasher: KeyHasher,
    /// The revision of the last commit. The writer stores it while it holds the locks of all shards that the commit
    /// changes.
    applied: AtomicU64,
    writer: Mutex<()>,
}

/// The entries of one store. Only the writer changes the numbers, and it holds the locks of the shards that they are
/// about.
#[derive(Debug)]
struct StoreMap {
    shards: Box<[Shard]>,
    /// The revision that last created or deleted a key.
    key_set_revision: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    /// The limit in force: `bytes` may not grow beyond it.
    max_bytes: AtomicU64,
}

impl Map {
    /// Creates an empty map. The limits in force are the configured ones.
    #[must_use]
    pub fn new(stores: Stores) -> Self {
        let empty = stores.iter().map(|(_, _, limits)| StoreMap {
            shards: (0..SHARDS).map(|_| Shard::empty()).collect(),
            key_set_revision: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            max_bytes: AtomicU64::new(limits.max_total_bytes),
        });
        let empty = empty.collect();
        Self {
            configured: stores,
            stores: empty,
            hasher: KeyHasher::default(),
            applied: AtomicU64::new(0),
            writer: Mutex::new(()),
        }
    }

    /// The stores of this map.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.configured
    }

    /// The revision of the last commit. A read that begins after this call sees that commit and all earlier ones.
    #[must_use]
    pub fn applied(&self) -> Revision {
        self.applied.load(Ordering::Acquire)
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, store: StoreId, key: &str) -> Option<Entry> {
        let store = self.stores.get(store.index() as usize)?;
        let hash = self.hasher.hash(key.as_bytes());
        store.shards[hash.shard()].get(hash, key.as_bytes())
    }

    /// How many entries a store has.
    #[must_use]
    pub fn entries(&self, store: StoreId) -> u64 {
        self.number(store, |store| &store.entries)
    }

    /// The size of a store, in bytes: keys, values, and [`ENTRY_OVERHEAD_BYTES`] for each entry.
    #[must_use]
    pub fn total_bytes(&self, store: StoreId) -> u64 {
        self.number(store, |store| &store.bytes)
    }

    /// The limit in force for the [`total_bytes`](Self::total_bytes) of a store, in bytes.
    #[must_use]
    pub fn max_total_bytes(&self, store: StoreId) -> u64 {
        self.number(store, |store| &store.max_bytes)
    }

    /// Changes the limit in force, for the commits that follow. A larger store keeps its entries and grows no further.
    /// Does nothing if the store does not exist.
    pub fn set_max_total_bytes(&self, store: StoreId, bytes: u64) {
        let _writer = self.hold_writer();
        if let Some(store) = self.stores.get(store.index() as usize) {
            store.max_bytes.store(bytes, Ordering::Release);
        }
    }

    /// The revision that last created or deleted a key in a store.
    #[must_use]
    pub fn key_set_revision(&self, store: StoreId) -> Revision {
        self.number(store, |store| &store.key_set_revision)
    }

    fn number(&self, store: StoreId, number: impl Fn(&StoreMap) -> &AtomicU64) -> u64 {
        self.stores
            .get(store.index() as usize)
            .map_or(0, |store| number(store).load(Ordering::Acquire))
    }

    /// Passes the keys of a store to `selection`, all as of one moment. Returns the revision that last created or
    /// deleted a key in the store.
    ///
    /// This visits every key of the store, and yields to other tasks now and then.
    ///
    /// # Errors
    ///
    /// The selection refuses a key.
    pub(crate) async fn list(
        &self,
        id: StoreId,
        selection: &mut Selection,
    ) -> Result<Revision, ReadError> {
        let Some(store) = self.stores.get(id.index() as usize) else {
            return Ok(0);
        };
        let mut pace = Pace::default();
        let revision = self.key_set_revision(id);
        if store.entries.load(Ordering::Acquire) > 0 {
            for shard in &store.shards {
                // No lock is held across the await.
                let visited = add_all(&shard.0.read().table, selection)?;
                pace.keep(visited).await;
            }
        }
        // A commit that creates or deletes keys stores this revision while it holds the locks of all shards that it
        // changes. So if the pass above saw one of its changes, the load below sees its revision. And if the load above
        // saw its revision, the pass saw all of its changes. An unchanged revision therefore means that the keys are of
        // one moment.
        if self.key_set_revision(id) == revision {
            return Ok(revision);
        }
        selection.begin_anew();
        let kept = self.keep_store(id);
        for table in &kept.tables {
            let visited = add_all(table, selection)?;
            pace.keep(visited).await;
        }
        Ok(kept.key_set_revision)
    }

    /// Whether all of these reads held at one moment since the first of them.
    ///
    /// No two commits have the same revision. So an entry that still has the revision of the read has been in the map
    /// ever since the read. The same is true for the revision of a store's set of keys.
    ///
    /// A key that was absent at its read and is absent now may have existed in between. Then a commit after `since`
    /// deleted it, and its shard knows when it last lost a key.
    ///
    /// So every read that passes the check held from the read until the check, and all of them held at the moment
    /// between the last read and the first check. If a shard has lost another key meanwhile, this returns false
    /// although the reads may have held; the request then runs again.
    #[must_use]
    pub fn verify(&self, reads: &ReadSet) -> bool {
        // No commit was applied since before the first read.
        if self.applied() == reads.since {
            return true;
        }
        let unchanged = reads.reads.iter().all(|read| {
            let (revision, last_delete) = self.revision(read.store, read.key.as_bytes());
            revision == read.revision && (revision != 0 || last_delete <= reads.since)
        });
        unchanged
            && reads
                .listings
                .iter()
                .all(|listing| self.key_set_revision(listing.store) == listing.revision)
    }

    /// The revision of a key, or 0 if it is absent, and the revision that last deleted a key in its shard.
    fn revision(&self, store: StoreId, key: &[u8]) -> (Revision, Revision) {
        let Some(store) = self.stores.get(store.index() as usize) else {
            return (0, 0);
        };
        let hash = self.hasher.hash(key);
        store.shards[hash.shard()].revision(hash, key)
    }

    /// Keeps writers waiting while the guard lives.
    fn hold_writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock()
    }
}

/// Adds all keys of a shard to a selection, and returns how many there were.
fn add_all(table: &Table, selection: &mut Selection) -> Result<usize, ReadError> {
    for entry in table.iter() {
        selection.add(entry.key_bytes())?;
    }
    Ok(table.len())
}

/// Yields to other tasks now and then.
#[derive(Default)]
struct Pace {
    visited: usize,
}

impl Pace {
    async fn keep(&mut self, visited: usize) {
        self.visited += visited;
        if self.visited >= KEYS_AT_A_TIME {
            self.visited = 0;
            tokio::task::yield_now().await;
        }
    }
}
