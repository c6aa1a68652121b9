//! Snapshots of the map at one revision, and the way back from a snapshot to a map.
//!
//! Taking a snapshot counts one reference more for every table, under the writer's mutex. This takes microseconds,
//! whatever the size of the map. The first later commit that changes a table copies it, if a snapshot still keeps it.

use std::ops::Deref;
use std::sync::atomic::Ordering;

use triomphe::Arc;

use super::shard::{self, SHARDS, Table};
use crate::{ENTRY_OVERHEAD_BYTES, Entry, Map, RestoreError, Revision, StoreId};

/// All entries at one revision. Any number of snapshots can live, for any time. A snapshot keeps the entries that later
/// commits replace.
#[derive(Clone, Debug)]
pub struct Snapshot {
    revision: Revision,
    stores: std::sync::Arc<[StoreSnapshot]>,
}

/// One store of a snapshot.
#[derive(Debug)]
pub(crate) struct StoreSnapshot {
    pub(crate) key_set_revision: Revision,
    max_bytes: u64,
    pub(crate) tables: Vec<Arc<Table>>,
}

impl Map {
    /// Takes a snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let writer = self.hold_writer();
        let revision = self.applied();
        let stores = (0..self.stores.len())
            .map(|store| self.keep_tables(store))
            .collect();
        drop(writer);
        Snapshot { revision, stores }
    }

    /// Takes a snapshot of one store. The store must exist.
    pub(crate) fn keep_store(&self, store: StoreId) -> StoreSnapshot {
        let _writer = self.hold_writer();
        self.keep_tables(store.index() as usize)
    }

    fn keep_tables(&self, store: usize) -> StoreSnapshot {
        let store = &self.stores[store];
        StoreSnapshot {
            key_set_revision: store.key_set_revision.load(Ordering::Acquire),
            max_bytes: store.max_bytes.load(Ordering::Acquire),
            tables: store.shards.iter().map(shard::Shard::keep).collect(),
        }
    }

    /// Begins to replace the contents of this map. Reads and commits go on as before until [`Restoration::finish`].
    pub fn restore(&self) -> Restoration<&Self> {
        Restoration::new(self)
    }
}

impl Snapshot {
    /// The revision of the last commit in it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision that last created or deleted a key in a store. Commits that listed keys are checked against it, so
    /// it has to be sent along with the entries.
    #[must_use]
    pub fn key_set_revision(&self, store: StoreId) -> Revision {
        self.stores
            .get(store.index() as usize)
            .map_or(0, |store| store.key_set_revision)
    }

    /// The limit in force of a store, in bytes. Commits are checked against it, so it has to be sent along with the
    /// entries.
    #[must_use]
    pub fn max_total_bytes(&self, store: StoreId) -> u64 {
        self.stores
            .get(store.index() as usize)
            .map_or(0, |store| store.max_bytes)
    }

    /// Its stores.
    pub fn stores(&self) -> impl Iterator<Item = StoreId> + use<> {
        (0u32..).take(self.stores.len()).map(StoreId::new)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stores
            .iter()
            .flat_map(|store| &store.tables)
            .map(|table| table.len())
            .sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, store by store.
    pub fn entries(&self) -> impl Iterator<Item = (StoreId, &Entry)> {
        self.stores().zip(&*self.stores).flat_map(|(id, store)| {
            store
                .tables
                .iter()
                .flat_map(|table| table.iter())
                .map(move |entry| (id, entry))
        })
    }

    /// All entries, store by store, in an iterator that owns the snapshot. It holds references to the entries of one
    /// table at a time, and copies no entry.
    pub fn into_entries(self) -> impl Iterator<Item = (StoreId, Entry)> + Send {
        let stores = self.stores.clone();
        self.stores()
            .zip(0..stores.len())
            .flat_map(|(id, store)| (0..SHARDS).map(move |table| (id, store, table)))
            .flat_map(move |(id, store, table)| {
                let entries: Vec<Entry> = stores[store].tables[table].iter().cloned().collect();
                entries.into_iter().map(move |entry| (id, entry))
            })
    }

    /// All entries in chunks of about `bytes` of keys and values. A chunk ends with the entry that reaches this size.
    pub fn chunks(&self, bytes: usize) -> impl Iterator<Item = Vec<(StoreId, Entry)>> {
        let mut entries = self.entries();
        std::iter::from_fn(move || {
            let mut chunk = Vec::new();
            let mut size = 0;
            for (store, entry) in entries.by_ref() {
                size += entry.len_bytes();
                chunk.push((store, entry.clone()));
                if size >= bytes {
                    break;
                }
            }
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

/// A snapshot that is to replace the contents of a map.
#[derive(Debug)]
#[must_use]
pub struct Restoration<M> {
    map: M,
    stores: Vec<RestoredStore>,
    newest: Revision,
}

#[derive(Debug)]
struct RestoredStore {
    key_set_revision: Revision,
    /// `None` leaves the limit of the map in force.
    max_bytes: Option<u64>,
    tables: Vec<Table>,
    entries: u64,
    bytes: u64,
}

impl<M: Deref<Target = Map>> Restoration<M> {
    /// Begins to replace the contents of `map`, as [`Map::restore`] does. `M` may own or share the map.
    pub fn new(map: M) -> Self {
        let empty = || RestoredStore {
            key_set_revision: 0,
            max_bytes: None,
            tables: (0..SHARDS).map(|_| Table::new()).collect(),
            entries: 0,
            bytes: 0,
        };
        let stores = map.stores.iter().map(|_| empty()).collect();
        Self {
            map,
            stores,
            newest: 0,
        }
    }

    /// Sets the revision that last created or deleted a key in a store: [`Snapshot::key_set_revision`].
    ///
    /// # Errors
    ///
    /// The map has no such store.
    pub fn set_key_set_revision(
        &mut self,
        store: StoreId,
        revision: Revision,
    ) -> Result<(), RestoreError> {
        self.newest = self.newest.max(revision);
        self.store(store)?.key_set_revision = revision;
        Ok(())
    }

    /// Sets the limit in force of a store, in bytes: [`Snapshot::max_total_bytes`]. Without this call the limit of the
    /// map stays in force.
    ///
    /// # Errors
    ///
    /// The map has no such store.
    pub fn set_max_total_bytes(&mut self, store: StoreId, bytes: u64) -> Result<(), RestoreError> {
        self.store(store)?.max_bytes = Some(bytes);
        Ok(())
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// The map has no such store, the snapshot has the key already, or the entry has no revision.
    pub fn insert(&mut self, store: StoreId, entry: Entry) -> Result<(), RestoreError> {
        self.newest = self.newest.max(entry.revision());
        if entry.revision() == 0 {
            return Err(RestoreError::Damaged(format!(
                "key {:?} has no revision",
                entry.key()
            )));
        }
        let hash = self.map.hasher.hash(entry.key_bytes());
        let len = entry.len_bytes() as u64;
        let unknown = self.unknown_store(store);
        let target = self.stores.get_mut(store.index() as usize).ok_or(unknown)?;
        let table = &mut target.tables[hash.shard()];
        let twice = shard::insert(table, hash, entry, &self.map.hasher);
        if let Some(twice) = twice {
            return Err(RestoreError::Damaged(format!(
                "it has the key {:?} twice",
                twice.key()
            )));
        }
        target.entries += 1;
        target.bytes += len + ENTRY_OVERHEAD_BYTES;
        Ok(())
    }

    /// Replaces the contents of the map, all at once.
    ///
    /// # Errors
    ///
    /// The map is at a later revision already, or the snapshot has a revision beyond `revision`. Nothing has changed
    /// then.
    pub fn finish(self, revision: Revision) -> Result<(), RestoreError> {
        if self.newest > revision {
            let found = format!(
                "it is of revision {revision}, and has an entry of revision {}",
                self.newest
            );
            return Err(RestoreError::Damaged(found));
        }
        let writer = self.map.hold_writer();
        let applied = self.map.applied();
        if revision < applied {
            return Err(RestoreError::Older {
                snapshot: revision,
                applied,
            });
        }
        let prepared: Vec<Vec<Arc<Table>>> = self
            .stores
            .iter()
            .map(|_| Vec::with_capacity(SHARDS))
            .collect();
        let mut replaced = prepared;
        // All locks are held at once, as for a commit, so no reader sees a part of the snapshot.
        let shards = self.map.stores.iter().flat_map(|store| store.shards.iter());
        let mut guards: Vec<_> = shards.map(|shard| shard.0.write()).collect();
        let mut states = guards.iter_mut();
        for ((old, store), restored) in replaced.iter_mut().zip(&self.map.stores).zip(self.stores) {
            store
                .key_set_revision
                .store(restored.key_set_revision, Ordering::Release);
            store.entries.store(restored.entries, Ordering::Release);
            store.bytes.store(restored.bytes, Ordering::Release);
            if let Some(max_bytes) = restored.max_bytes {
                store.max_bytes.store(max_bytes, Ordering::Release);
            }
            for (table, state) in restored.tables.into_iter().zip(states.by_ref()) {
                old.push(std::mem::replace(&mut state.table, Arc::new(table)));
                // Any key may have been deleted on the way to this revision.
                state.last_delete = revision;
            }
        }
        self.map.applied.store(revision, Ordering::Release);
        drop(guards);
        drop(writer);
        // Freeing the old tables takes long, so it comes after the locks.
        drop(replaced);
        Ok(())
    }

    fn store(&mut self, store: StoreId) -> Result<&mut RestoredStore, RestoreError> {
        let unknown = self.unknown_store(store);
        self.stores.get_mut(store.index() as usize).ok_or(unknown)
    }

    fn unknown_store(&self, store: StoreId) -> RestoreError {
        RestoreError::UnknownStore {
            index: store.index(),
            stores: self.stores.len(),
        }
    }
}
