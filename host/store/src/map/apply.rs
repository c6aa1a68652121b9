//! How a commit changes the map: it is checked, planned, and made visible at once.
//!
//! # Why transactions are serializable
//!
//! - The writer's mutex admits one commit at a time. The commit is applied only if every key that it read still has the
//!   revision of the read, and every store that it listed has had no key created or deleted since. So the request would
//!   read the same data if it ran as a whole at the moment of its commit, and the order of the commits is a serial
//!   order. An absent key may have existed between the read and the commit. It would read as absent at the commit, so
//!   this does no harm.
//! - A commit becomes visible as a whole. The writer takes the locks of all shards that the commit changes, then
//!   changes the shards, then releases the locks. A reader that sees one of the changes has read after the writer took
//!   all of the locks. Every later read then waits for the lock of its shard and sees the other changes.
//! - A transaction that only reads has no commit. [`Map::verify`] checks whether its reads were of one moment.

use std::sync::atomic::Ordering;

use parking_lot::{MutexGuard, RwLockWriteGuard};

use super::shard::{KeyHash, SHARDS, ShardState};
use crate::{
    Commit, CommitError, ENTRY_OVERHEAD_BYTES, Entry, Map, ReadSet, Revision, StoreId, Stores,
    Unavailable, Write,
};

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It is applied and visible.
    Committed {
        /// The revision of its writes.
        revision: Revision,
    },
    /// A read no longer holds. Nothing is applied.
    Conflict,
    /// A store would exceed its size limit. Nothing is applied.
    Full {
        /// The store.
        store: StoreId,
        /// Its limit, in bytes.
        limit_bytes: u64,
        /// The size that the commit would lead to, in bytes.
        needed_bytes: u64,
    },
    /// The commit names a store that this map does not have. Nothing is applied.
    UnknownStore(StoreId),
    /// The given revision is not greater than the last one. Nothing is applied.
    OutOfOrder {
        /// The revision of the last commit.
        applied: Revision,
    },
}

impl Applied {
    /// The error for the caller. [`Applied::Committed`] is none; it becomes [`CommitError::Unknown`].
    #[must_use]
    pub fn into_error(self, stores: &Stores) -> CommitError {
        match self {
            Self::Conflict => CommitError::Conflict,
            Self::Full {
                store,
                limit_bytes,
                needed_bytes,
            } => CommitError::Full {
                store: stores.label(store).to_owned(),
                limit_bytes,
                needed_bytes,
            },
            Self::UnknownStore(store) => {
                let reason = format!("this node has no store number {}", store.index());
                CommitError::NotApplied(Unavailable::new(reason))
            }
            Self::OutOfOrder { applied } => {
                let reason = format!("revision {applied} is applied already");
                CommitError::NotApplied(Unavailable::new(reason))
            }
            Self::Committed { revision } => {
                let reason = format!("it was applied as revision {revision}");
                CommitError::Unknown(Unavailable::new(reason))
            }
        }
    }
}

/// A write with its place in the map.
struct Planned {
    store: usize,
    shard: usize,
    hash: KeyHash,
    write: Write,
    /// The length of the present entry, in bytes.
    present: Option<usize>,
}

impl Planned {
    fn place(&self) -> (usize, usize) {
        (self.store, self.shard)
    }
}

impl Map {
    /// Applies a commit as `revision`, which must be greater than every earlier one.
    ///
    /// The answer depends only on the earlier commits and on the limits in force, so it is the same on every node. A
    /// refused commit changes nothing, and its revision can be used again.
    pub fn apply(&self, revision: Revision, commit: Commit) -> Applied {
        let writer = self.hold_writer();
        self.apply_as(&writer, revision, commit)
    }

    /// Applies a commit as the next revision.
    pub fn apply_next(&self, commit: Commit) -> Applied {
        let writer = self.hold_writer();
        self.apply_as(&writer, self.applied() + 1, commit)
    }

    fn apply_as(
        &self,
        _writer: &MutexGuard<'_, ()>,
        revision: Revision,
        commit: Commit,
    ) -> Applied {
        let applied = self.applied();
        if revision <= applied {
            return Applied::OutOfOrder { applied };
        }
        let unknown = commit
            .writes
            .iter()
            .map(Write::store)
            .find(|store| store.index() as usize >= self.stores.len());
        if let Some(store) = unknown {
            return Applied::UnknownStore(store);
        }
        if !self.still_holds(&commit.reads) {
            return Applied::Conflict;
        }
        let mut plan = self.plan(commit.writes);
        if let Some(full) = self.over_limit(&plan) {
            return full;
        }
        // The long work comes before the locks. Under the locks only pointers are put in place.
        for planned in &mut plan {
            planned.write.set_revision(revision);
        }
        for group in plan.chunk_by(|one, other| one.place() == other.place()) {
            let new = group.iter().filter(|planned| planned.creates()).count();
            self.stores[group[0].store].shards[group[0].shard].prepare(new, &self.hasher);
        }
        // The replaced entries are freed after the locks are released.
        drop(self.publish(revision, plan));
        Applied::Committed { revision }
    }

    /// Whether every read still holds. Nothing changes meanwhile, since the caller holds the writer's mutex.
    fn still_holds(&self, reads: &ReadSet) -> bool {
        reads
            .reads
            .iter()
            .all(|read| self.revision(read.store, read.key.as_bytes()).0 == read.revision)
            && reads
                .listings
                .iter()
                .all(|listing| self.key_set_revision(listing.store) == listing.revision)
    }

    /// The writes in the order of their shards, one for each key.
    fn plan(&self, writes: Vec<Write>) -> Vec<Planned> {
        let planned = writes.into_iter().map(|write| {
            let store = write.store().index() as usize;
            let hash = self.hasher.hash(write.key_bytes());
            let shard = hash.shard();
            let present = self.stores[store].shards[shard].len_bytes(hash, write.key_bytes());
            Planned {
                store,
                shard,
                hash,
                write,
                present,
            }
        });
        let mut plan: Vec<Planned> = planned.collect();
        if plan.len() > 1 {
            // The last write of a key counts. `sort_by` is stable and `dedup_by` keeps the first of equals, so the last
            // one has to come first.
            plan.reverse();
            plan.sort_by(|one, other| {
                let place = (one.place(), one.hash).cmp(&(other.place(), other.hash));
                place.then_with(|| one.write.key_bytes().cmp(other.write.key_bytes()))
            });
            plan.dedup_by(|earlier, last| {
                (earlier.place(), earlier.hash) == (last.place(), last.hash)
                    && earlier.write.key_bytes() == last.write.key_bytes()
            });
        }
        plan
    }

    /// The first store that would grow beyond its limit. A commit that does not make a store larger always passes.
    fn over_limit(&self, plan: &[Planned]) -> Option<Applied> {
        plan.chunk_by(|one, other| one.store == other.store)
            .find_map(|writes| {
                let store = writes[0].write.store();
                let bytes = self.total_bytes(store);
                let needed_bytes = bytes_after(bytes, writes);
                let limit_bytes = self.max_total_bytes(store);
                let full = needed_bytes > bytes && needed_bytes > limit_bytes;
                full.then_some(Applied::Full {
                    store,
                    limit_bytes,
                    needed_bytes,
                })
            })
    }

    /// Makes the whole plan visible at once. Returns the entries that it replaced or removed.
    fn publish(&self, revision: Revision, plan: Vec<Planned>) -> Vec<Entry> {
        let mut replaced = Vec::with_capacity(plan.len());
        // The locks are taken in the order of the shards. A reader holds one lock at a time and there is no other
        // writer, so there is no deadlock.
        let mut guards: Vec<RwLockWriteGuard<'_, ShardState>> =
            Vec::with_capacity(plan.len().min(SHARDS));
        for group in plan.chunk_by(|one, other| one.place() == other.place()) {
            guards.push(self.stores[group[0].store].shards[group[0].shard].0.write());
        }
        for writes in plan.chunk_by(|one, other| one.store == other.store) {
            self.count(revision, writes);
        }
        self.applied.store(revision, Ordering::Release);
        let mut place = None;
        let mut guards_left = guards.iter_mut();
        let mut shard = None;
        for planned in plan {
            if place != Some(planned.place()) {
                place = Some(planned.place());
                shard = guards_left.next();
            }
            let Some(shard) = shard.as_mut() else { break };
            let hash = planned.hash;
            if planned.deletes() {
                shard.last_delete = revision;
                replaced.extend(shard.remove(hash, planned.write.key_bytes()));
            } else if let Some(entry) = planned.write.into_entry() {
                replaced.extend(shard.insert(hash, entry, &self.hasher));
            }
        }
        drop(guards);
        replaced
    }

    /// Updates the numbers of one store.
    fn count(&self, revision: Revision, writes: &[Planned]) {
        let store = &self.stores[writes[0].store];
        let created = writes.iter().filter(|planned| planned.creates()).count() as u64;
        let deleted = writes.iter().filter(|planned| planned.deletes()).count() as u64;
        if created + deleted > 0 {
            store.key_set_revision.store(revision, Ordering::Release);
        }
        let entries = store.entries.load(Ordering::Relaxed) + created - deleted;
        store.entries.store(entries, Ordering::Release);
        let bytes = bytes_after(store.bytes.load(Ordering::Relaxed), writes);
        store.bytes.store(bytes, Ordering::Release);
    }
}

impl Planned {
    fn creates(&self) -> bool {
        self.present.is_none() && self.write.entry().is_some()
    }

    fn deletes(&self) -> bool {
        self.present.is_some() && self.write.entry().is_none()
    }
}

/// The size of a store of `bytes` after these writes.
fn bytes_after(bytes: u64, writes: &[Planned]) -> u64 {
    let size = |len: usize| len as u64 + ENTRY_OVERHEAD_BYTES;
    let added: u64 = writes
        .iter()
        .filter_map(|planned| planned.write.entry())
        .map(|entry| size(entry.len_bytes()))
        .sum();
    let gone: u64 = writes
        .iter()
        .filter_map(|planned| planned.present)
        .map(size)
        .sum();
    (bytes + added).saturating_sub(gone)
}
