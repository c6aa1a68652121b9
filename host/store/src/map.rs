//! The map: entries of all stores, many readers beside one writer, and whether what was read still holds. How a commit
//! changes it is in `apply.rs`.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::selection::Selection;
use crate::{Entry, ReadError, ReadSet, Revision, StoreId, Stores};

pub(crate) mod apply;
mod shard;
pub(crate) mod snapshot;

use shard::{KeyHasher, SHARDS, Shard, Table};

/// What an entry counts beside its key and value, in bytes: its header, its slot, and what the allocator rounds up.
pub const ENTRY_OVERHEAD_BYTES: u64 = 64;

/// How many keys a listing looks at before it lets others run: for less than a millisecond.
const KEYS_AT_A_TIME: usize = 4096;

/// The entries of all stores, each with the revision that wrote it.
///
/// Every node of a replicated store has one, and applies the same commits in the same order: [`apply`](Self::apply)
/// gives the same answer on each. Readers never wait for a commit, but for the moment in which a prepared change is put
/// in place.
#[derive(Debug)]
pub struct Map {
    configured: Stores,
    stores: Vec<StoreMap>,
    hasher: KeyHasher,
    /// Revision of the last commit applied. Stored while the locks of everything that the commit changes are held.
    applied: AtomicU64,
    writer: Mutex<()>,
}

/// The entries of one store. The numbers are changed by the writer only, while it holds the locks of the slices that
/// they are about.
#[derive(Debug)]
struct StoreMap {
    shards: Box<[Shard]>,
    /// The revision that last created or deleted a key.
    key_set_revision: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    /// The most that `bytes` may grow to: the limit in force.
    max_bytes: AtomicU64,
}

impl Map {
    /// An empty map. The limits in force are those that the stores are configured with.
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

    /// The stores that this map has.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.configured
    }

    /// The revision of the last commit applied. All of that commit, and of those before it, is seen by reads that begin
    /// after this was asked.
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

    /// What a store holds: keys, values, and [`ENTRY_OVERHEAD_BYTES`] for each entry, in bytes.
    #[must_use]
    pub fn total_bytes(&self, store: StoreId) -> u64 {
        self.number(store, |store| &store.bytes)
    }

    /// The limit in force: what a store may hold at most, counted as [`total_bytes`](Self::total_bytes), in bytes.
    #[must_use]
    pub fn max_total_bytes(&self, store: StoreId) -> u64 {
        self.number(store, |store| &store.max_bytes)
    }

    /// Brings another limit into force, for the commits that are applied from now on. A store that holds more keeps it,
    /// and grows no further. A store that does not exist has no limit to set.
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

    /// Has the keys of a store selected from, all of one moment, and gives the revision that last created or deleted
    /// one.
    ///
    /// It looks at every key of the store, and lets other tasks of its thread run in between.
    ///
    /// # Errors
    ///
    /// The selection takes no more.
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
                // The lock is not held while others run.
                let visited = add_all(&shard.0.read().table, selection)?;
                pace.keep(visited).await;
            }
        }
        // A commit that creates or deletes keys stores this revision while it holds the locks of all their slices. If
        // any of its changes was seen above, its revision is seen here; if its revision was seen at the start, all of
        // its changes were seen above. So an unchanged revision means the keys of one moment.
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

    /// Whether there was one moment, since the first of these reads, at which all of them held.
    ///
    /// An entry that has its revision now has had it ever since it was read, since no other commit ever has that
    /// revision. The same goes for the revision of a store's set of keys. A key that was absent and is absent now may
    /// have been there in between, but then it was deleted after `since`, and the slice that it belongs to knows when
    /// it last lost a key. Thus everything found unchanged held from its reading until its check, and all of it held at
    /// the moment between the last reading and the first check. A slice that has lost another key meanwhile makes this
    /// say no where yes would be right; the request runs again.
    #[must_use]
    pub fn verify(&self, reads: &ReadSet) -> bool {
        // Nothing was applied since before the first read: all of it is of that revision.
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

    /// The revision of a key, and the one that last deleted a key in the slice it belongs to.
    fn revision(&self, store: StoreId, key: &[u8]) -> (Revision, Revision) {
        let Some(store) = self.stores.get(store.index() as usize) else {
            return (0, 0);
        };
        let hash = self.hasher.hash(key);
        store.shards[hash.shard()].revision(hash, key)
    }

    /// Holds off writers for as long as the guard lives.
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

/// Lets others run now and then.
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
