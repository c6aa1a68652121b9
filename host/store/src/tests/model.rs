//! The map against a simple model, with random commits: some are valid, some conflict, some are too large.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{ENTRY_OVERHEAD_BYTES, Listing, Read, Snapshot};

/// Small enough that random commits fill a store.
const LIMIT: u64 = 1_500;

#[derive(Clone, Debug)]
enum Step {
    Commit {
        reads: Vec<(u8, u8, Age)>,
        listings: Vec<(u8, Age)>,
        writes: Vec<(u8, u8, Option<u8>)>,
    },
    /// Takes a snapshot, which must not change, and drops the one before.
    Snapshot,
    /// Continues with a new map, restored from the last snapshot.
    Restore,
}

/// Whether a commit names the current revision of a read or another one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Age {
    Current,
    Old,
}

#[derive(Clone, Debug, Default)]
struct Model {
    entries: BTreeMap<(u32, String), (Vec<u8>, Revision)>,
    key_sets: BTreeMap<u32, Revision>,
    applied: Revision,
}

impl Model {
    fn bytes(&self, store: u32) -> u64 {
        let of_store = self.entries.iter().filter(|((of, _), _)| *of == store);
        of_store
            .map(|((_, key), (value, _))| (key.len() + value.len()) as u64 + ENTRY_OVERHEAD_BYTES)
            .sum()
    }

    fn keys(&self, store: u32) -> BTreeSet<String> {
        self.entries
            .keys()
            .filter(|(of, _)| *of == store)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Applies writes one after the other to a copy. Keeps the copy if no store grew beyond the limit.
    fn apply(&mut self, valid: bool, writes: &[Write]) -> Option<Revision> {
        if !valid {
            return None;
        }
        let mut next = self.clone();
        next.applied += 1;
        for write in writes {
            let place = (write.store().index(), write.key().to_owned());
            match write.value() {
                Some(value) => next.entries.insert(place, (value.to_vec(), next.applied)),
                None => next.entries.remove(&place),
            };
        }
        for store in 0..2 {
            if next.bytes(store) > LIMIT && next.bytes(store) > self.bytes(store) {
                return None;
            }
            if next.keys(store) != self.keys(store) {
                next.key_sets.insert(store, next.applied);
            }
        }
        *self = next;
        Some(self.applied)
    }

    fn check(&self, map: &Map) {
        assert_eq!(map.applied(), self.applied);
        for store in 0..2 {
            let id = StoreId::new(store);
            assert_eq!(map.total_bytes(id), self.bytes(store));
            let (keys, revision) = listed(map, id);
            assert_eq!(keys.len() as u64, map.entries(id));
            assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), self.keys(store));
            assert_eq!(revision, self.key_sets.get(&store).copied().unwrap_or(0));
        }
        for key in 0..=u8::MAX {
            let store = u32::from(key % 2);
            let found = map
                .get(StoreId::new(store), &name(key))
                .map(|entry| (entry.value().to_vec(), entry.revision()));
            assert_eq!(found, self.entries.get(&(store, name(key))).cloned());
        }
    }

    fn check_snapshot(&self, snapshot: &Snapshot) {
        assert_eq!(
            (snapshot.revision(), snapshot.len()),
            (self.applied, self.entries.len())
        );
        for (store, entry) in snapshot.chunks(100).flatten() {
            let found = self.entries.get(&(store.index(), entry.key().to_owned()));
            assert_eq!(found, Some(&(entry.value().to_vec(), entry.revision())));
        }
        for store in snapshot.stores() {
            let key_set = self.key_sets.get(&store.index()).copied().unwrap_or(0);
            assert_eq!(snapshot.key_set_revision(store), key_set);
        }
    }
}

fn name(key: u8) -> String {
    format!("{:\u{e9}<1$}", key, usize::from(key % 5))
}

fn restored(snapshot: &Snapshot) -> Map {
    let map = Map::new(stores_with(StoreLimits {
        max_total_bytes: LIMIT,
        ..StoreLimits::default()
    }));
    // The snapshot has to replace this entry.
    let _ = map.apply(
        1.min(snapshot.revision()),
        writes(vec![Write::set(STORE, "gone", b"")]),
    );
    let mut restoration = map.restore();
    for store in snapshot.stores() {
        restoration
            .set_key_set_revision(store, snapshot.key_set_revision(store))
            .unwrap();
    }
    for (store, entry) in snapshot.entries() {
        restoration.insert(store, entry.clone()).unwrap();
    }
    restoration.finish(snapshot.revision()).unwrap();
    map
}

fn step() -> impl Strategy<Value = Step> {
    // Sometimes few keys, so that commits conflict; sometimes many, so that tables grow.
    let key = prop_oneof![0..8u8, 0..=u8::MAX];
    let age = || prop_oneof![12 => Just(Age::Current), 1 => Just(Age::Old)];
    let reads = proptest::collection::vec((0..2u8, key.clone(), age()), 0..3);
    let listings = proptest::collection::vec((0..2u8, age()), 0..2);
    let value = prop_oneof![2 => Just(None), 3 => (0..60u8).prop_map(Some)];
    let writes = proptest::collection::vec((0..2u8, key, value), 0..6);
    prop_oneof![
        20 => (reads, listings, writes).prop_map(|(reads, listings, writes)| Step::Commit { reads, listings, writes }),
        2 => Just(Step::Snapshot),
        1 => Just(Step::Restore),
    ]
}

fn commit_of(
    model: &Model,
    reads: &[(u8, u8, Age)],
    listings: &[(u8, Age)],
    written: &[(u8, u8, Option<u8>)],
) -> Commit {
    // The revision of another commit stands for a read that no longer holds.
    let claim = |revision: Revision, age| revision + 1_000_000 * u64::from(age == Age::Old);
    let reads = reads.iter().map(|(store, key, age)| {
        let place = (u32::from(*store), name(*key));
        let revision = model
            .entries
            .get(&place)
            .map_or(0, |(_, revision)| *revision);
        Read {
            store: StoreId::new(place.0),
            key: place.1.into(),
            revision: claim(revision, *age),
        }
    });
    let listings = listings.iter().map(|(store, age)| {
        let revision = model.key_sets.get(&u32::from(*store)).copied().unwrap_or(0);
        Listing {
            store: StoreId::new(u32::from(*store)),
            revision: claim(revision, *age),
        }
    });
    let writes = written.iter().map(|(store, key, value)| {
        // Even keys belong to the first store, so that the check below reads each key once.
        let store = StoreId::new(u32::from((*store, key % 2).1));
        match value {
            Some(len) => Write::set(store, &name(*key), &vec![*key; usize::from(*len)]),
            None => Write::delete(store, &name(*key)),
        }
    });
    let reads = ReadSet {
        reads: reads.collect(),
        listings: listings.collect(),
        since: model.applied,
    };
    Commit {
        reads,
        writes: writes.collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_map_does_what_the_model_does(steps in proptest::collection::vec(step(), 0..60)) {
        let mut map = Map::new(stores_with(StoreLimits { max_total_bytes: LIMIT, ..StoreLimits::default() }));
        let mut model = Model::default();
        let mut kept = (map.snapshot(), model.clone());
        for step in steps {
            match step {
                Step::Commit { reads, listings, writes } => {
                    let valid = reads.iter().map(|read| read.2).chain(listings.iter().map(|listing| listing.1));
                    let valid = valid.into_iter().all(|age| age == Age::Current);
                    let commit = commit_of(&model, &reads, &listings, &writes);
                    // Until the commit is applied, `verify` and `apply` agree on its reads.
                    let mut reads_late = commit.reads.clone();
                    reads_late.since = reads_late.since.wrapping_sub(1);
                    let deleted_lately = reads_late.reads.iter().any(|read| read.revision == 0);
                    if !deleted_lately {
                        prop_assert_eq!(map.verify(&reads_late), valid);
                    }
                    let expected = model.apply(valid, &commit.writes);
                    match map.apply_next(commit) {
                        Applied::Committed { revision } => prop_assert_eq!(Some(revision), expected),
                        Applied::Conflict => prop_assert!(!valid),
                        Applied::Full { needed_bytes, limit_bytes, .. } => {
                            prop_assert!(valid && expected.is_none() && needed_bytes > limit_bytes);
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                Step::Snapshot => kept = (map.snapshot(), model.clone()),
                Step::Restore => {
                    map = restored(&kept.0);
                    model = kept.1.clone();
                }
            }
            model.check(&map);
            kept.1.check_snapshot(&kept.0);
        }
    }
}
