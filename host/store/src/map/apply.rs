//! How a commit is applied to the map: checked, planned, and made visible at once.
//!
//! # Why transactions are serializable
//!
//! - One commit is applied at a time, under the writer's mutex. It is applied only where every key that it read still
//!   has the revision it had, and every store that it listed has had no key created or deleted since. So at the moment
//!   of its commit a run would read just what it did read, and the order of commits is a serial order of them. An
//!   absent key that came and went in between reads the same as one that was never there, so for a commit it does not
//!   matter.
//! - A commit is visible as a whole: the writer first holds the locks of all slices that it changes, then changes them,
//!   then lets go. A reader that sees one change of a commit has read after the writer held all those locks, and so has
//!   everybody who reads later: they see the rest.
//! - A transaction that only reads has no commit to check it. [`Map::verify`] says whether its reads were one moment's.

use std::sync::atomic::Ordering;

use parking_lot::{MutexGuard, RwLockWriteGuard};

use super::shard::{KeyHash, SHARDS, Slice};
use crate::{
    Commit, CommitError, ENTRY_OVERHEAD_BYTES, Entry, Map, ReadSet, Revision, StoreId, Stores,
    Unavailable, Write,
};

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It is applied and visible.
    Committed {
        /// The revision that its writes have.
        revision: Revision,
    },
    /// Something that it read has changed. Nothing is applied.
    Conflict,
    /// A store would have grown over its limit. Nothing is applied.
    Full {
        /// The store.
        store: StoreId,
        /// What it may hold, in bytes.
        limit_bytes: u64,
        /// What it would have held, in bytes.
        needed_bytes: u64,
    },
    /// It names a store that this map does not have. Nothing is applied.
    UnknownStore(StoreId),
    /// The revision given is not beyond the last one applied. Nothing is applied.
    OutOfOrder {
        /// The last revision applied.
        applied: Revision,
    },
}

impl Applied {
    /// The error to answer with, in words; for [`Applied::Committed`] too, which is none.
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
    /// Length of the entry that is there now, in bytes.
    present: Option<usize>,
}

impl Planned {
    fn place(&self) -> (usize, usize) {
        (self.store, self.shard)
    }
}

impl Map {
    /// Applies a commit under `revision`, which must be beyond every revision applied so far.
    ///
    /// The answer depends on the commits applied before and on the limits in force alone, so it is the same on every
    /// node. A refused commit leaves no trace, and its revision may be used for another.
    pub fn apply(&self, revision: Revision, commit: Commit) -> Applied {
        let writer = self.hold_writer();
        self.apply_as(&writer, revision, commit)
    }

    /// Applies a commit under the revision after the last one applied.
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
        // All that takes long comes before the locks: what is left to do under them is to put pointers in place.
        for planned in &mut plan {
            planned.write.set_revision(revision);
        }
        for slice in plan.chunk_by(|one, other| one.place() == other.place()) {
            let new = slice.iter().filter(|planned| planned.creates()).count();
            self.stores[slice[0].store].shards[slice[0].shard].prepare(new, &self.hasher);
        }
        // The locks are released again when this is freed.
        drop(self.publish(revision, plan));
        Applied::Committed { revision }
    }

    /// Whether everything read has the revision that it had. Under the writer's mutex nothing changes meanwhile.
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

    /// The writes in the order of their places, one for each key.
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
            // The last write of a key counts: the order among equals is that of the writes, turned round.
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

    /// The first store that would grow, and grow over its limit. What makes a store smaller, or leaves it as large,
    /// always goes on.
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

    /// Makes the plan visible, all of it at once, and returns the entries that are no more.
    fn publish(&self, revision: Revision, plan: Vec<Planned>) -> Vec<Entry> {
        let mut replaced = Vec::with_capacity(plan.len());
        // In the order of places. Readers hold one lock at a time and other writers none, so nobody waits in a ring.
        let mut guards: Vec<RwLockWriteGuard<'_, Slice>> =
            Vec::with_capacity(plan.len().min(SHARDS));
        for slice in plan.chunk_by(|one, other| one.place() == other.place()) {
            guards.push(self.stores[slice[0].store].shards[slice[0].shard].0.write());
        }
        for writes in plan.chunk_by(|one, other| one.store == other.store) {
            self.count(revision, writes);
        }
        self.applied.store(revision, Ordering::Release);
        let mut place = None;
        let mut guards_left = guards.iter_mut();
        let mut slice = None;
        for planned in plan {
            if place != Some(planned.place()) {
                place = Some(planned.place());
                slice = guards_left.next();
            }
            let Some(slice) = slice.as_mut() else { break };
            let hash = planned.hash;
            if planned.deletes() {
                slice.last_delete = revision;
                replaced.extend(slice.remove(hash, planned.write.key_bytes()));
            } else if let Some(entry) = planned.write.into_entry() {
                replaced.extend(slice.insert(hash, entry, &self.hasher));
            }
        }
        drop(guards);
        replaced
    }

    /// Brings the numbers of one store up to date.
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

/// What a store of `bytes` holds after these writes.
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
