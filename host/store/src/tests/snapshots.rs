//! Snapshots that are taken while writers run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::{Entry, RestoreError, Snapshot};

const ACCOUNTS: u64 = 400;
const EACH: u64 = 100;

fn amount(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().unwrap())
}

fn account(number: u64) -> Write {
    Write::set(STORE, &format!("account-{number}"), &EACH.to_be_bytes())
}

#[test]
fn a_snapshot_is_one_moment_s_while_writes_go_on() {
    let backend = local();
    let map = backend.map();
    assert!(matches!(
        apply(map, (0..ACCOUNTS).map(account).collect()),
        Applied::Committed { .. }
    ));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..2 {
            let (backend, done) = (&backend, &done);
            scope.spawn(move || {
                let mut turn: u64 = seed;
                while !done.load(Ordering::Acquire) {
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let (from, to) = ((turn >> 20) % ACCOUNTS, (turn >> 40) % ACCOUNTS);
                    let transaction = begin(backend);
                    let (from, to) = (format!("account-{from}"), format!("account-{to}"));
                    // An empty account is deleted. The next payment creates it again.
                    let held = get(&transaction, &from).as_deref().map_or(0, amount);
                    delete(&transaction, &from);
                    let there = get(&transaction, &to).as_deref().map_or(0, amount);
                    set(&transaction, &to, &(there + held).to_be_bytes());
                    let _ = commit(&transaction);
                }
            });
        }
        let _ending = Ending(&done);
        let (mut last, mut kept) = (0, Vec::new());
        let limit = deadline();
        for round in 0.. {
            let snapshot = map.snapshot();
            assert_eq!(sum(&snapshot), ACCOUNTS * EACH, "in round {round}");
            assert!(snapshot.revision() >= last);
            assert!(
                snapshot
                    .entries()
                    .all(|(_, entry)| entry.revision() <= snapshot.revision())
            );
            last = snapshot.revision();
            // A listing is of one moment too, so it has no key twice.
            let (listed, _) = listed(map, STORE);
            let distinct: BTreeSet<_> = listed.iter().collect();
            assert!(distinct.len() == listed.len() && !listed.is_empty());
            // Some snapshots outlive later ones.
            if round % 10 == 0 {
                kept.push(snapshot);
            }
            if kept.len() == 5 {
                assert!(kept.iter().all(|kept| sum(kept) == ACCOUNTS * EACH));
                kept.clear();
            }
            if round > 300 && last > 2_000 {
                break;
            }
            assert!(
                Instant::now() < limit,
                "the writers did {last} commits only"
            );
            thread::yield_now();
        }
    });
}

fn sum(snapshot: &Snapshot) -> u64 {
    snapshot
        .entries()
        .map(|(_, entry)| amount(entry.value()))
        .sum()
}

#[test]
fn a_listing_is_one_moment_s_while_keys_come_and_go() {
    let backend = local();
    let map = backend.map();
    let done = AtomicBool::new(false);
    // One key is renamed again and again: at any moment there is exactly one.
    let names: Vec<String> = (0..64).map(|number| format!("key-{number}")).collect();
    put(&backend, &names[0], b"");
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if done.load(Ordering::Acquire) {
                    break;
                }
                let (from, to) = (&names[turn % 64], &names[(turn + 1) % 64]);
                let moved = vec![Write::delete(STORE, from), Write::set(STORE, to, b"")];
                assert!(matches!(apply(map, moved), Applied::Committed { .. }));
            }
        });
        let _ending = Ending(&done);
        let mut seen = BTreeSet::new();
        let limit = deadline();
        for round in 0.. {
            let (listed, _) = listed(map, STORE);
            assert_eq!(listed.len(), 1, "{listed:?}");
            seen.extend(listed);
            if round > 2_000 && seen.len() > 20 {
                break;
            }
            assert!(Instant::now() < limit, "the key hardly moved: {seen:?}");
            thread::yield_now();
        }
    });
}

#[test]
fn a_map_grows_and_shrinks_without_losing_keys() {
    let map = Map::new(stores());
    let name = |number: u32| format!("key-{number}");
    let mut kept = map.snapshot();
    for number in 0..60_000 {
        let _ = apply(
            &map,
            vec![Write::set(STORE, &name(number), &number.to_be_bytes())],
        );
        if number == 30_000 {
            kept = map.snapshot();
        }
    }
    for number in 0..60_000 {
        if number % 100 != 0 {
            let _ = apply(&map, vec![Write::delete(STORE, &name(number))]);
        }
    }
    assert_eq!((map.entries(STORE), kept.len()), (600, 30_001));
    for number in 0..60_000 {
        let found = map
            .get(STORE, &name(number))
            .map(|entry| entry.value().to_vec());
        assert_eq!(
            found,
            (number % 100 == 0).then(|| number.to_be_bytes().to_vec())
        );
    }
}

#[test]
fn a_damaged_or_older_snapshot_is_refused_and_changes_nothing() {
    let map = Map::new(stores());
    for value in [b"1", b"2", b"3"] {
        let _ = apply(&map, vec![Write::set(STORE, "key", value)]);
    }
    let entry = |key, revision| Entry::new(key, b"", revision);
    let older = RestoreError::Older {
        snapshot: 2,
        applied: 3,
    };
    assert_eq!(map.restore().finish(2), Err(older));

    let mut twice = map.restore();
    twice.insert(STORE, entry("a", 1)).unwrap();
    assert!(matches!(
        twice.insert(STORE, entry("a", 2)),
        Err(RestoreError::Damaged(_))
    ));
    assert!(matches!(
        map.restore().insert(STORE, entry("a", 0)),
        Err(RestoreError::Damaged(_))
    ));
    let unknown = RestoreError::UnknownStore {
        index: 7,
        stores: 2,
    };
    assert_eq!(
        map.restore().insert(StoreId::new(7), entry("a", 1)),
        Err(unknown)
    );

    let mut beyond = map.restore();
    beyond.insert(STORE, entry("a", 9)).unwrap();
    assert!(matches!(beyond.finish(8), Err(RestoreError::Damaged(_))));
    assert_eq!(map.get(STORE, "key").unwrap().value(), b"3");
}

#[test]
fn a_snapshot_has_the_limits_that_were_in_force_and_brings_them_along() {
    let map = Map::new(stores());
    map.set_max_total_bytes(STORE, 500);
    let snapshot = map.snapshot();
    map.set_max_total_bytes(STORE, 900);
    assert_eq!(snapshot.max_total_bytes(STORE), 500);

    let mut restoration = map.restore();
    restoration.set_max_total_bytes(STORE, 500).unwrap();
    assert_eq!(map.max_total_bytes(STORE), 900, "it is not in place yet");
    let unknown = restoration.set_max_total_bytes(StoreId::new(2), 500);
    assert!(matches!(unknown, Err(RestoreError::UnknownStore { .. })));
    restoration.finish(1).unwrap();
    let configured = StoreLimits::default().max_total_bytes;
    assert_eq!(map.max_total_bytes(STORE), 500);
    assert_eq!(map.max_total_bytes(StoreId::new(1)), configured);
}

#[test]
fn after_a_restore_what_was_absent_before_it_is_not_taken_for_unchanged() {
    let backend = local();
    put(&backend, "other", b"");
    let transaction = begin(&backend);
    assert_eq!(get(&transaction, "key"), None);
    assert!(get(&transaction, "other").is_some());
    // A snapshot with `other` unchanged. It does not tell which keys were deleted before its revision.
    let map = backend.map();
    let mut restoration = map.restore();
    restoration
        .insert(STORE, map.get(STORE, "other").unwrap())
        .unwrap();
    restoration.finish(50).unwrap();
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}
