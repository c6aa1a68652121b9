//! Random concurrent transactions, replayed one after the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::*;

const THREADS: u64 = 4;
const KEYS: u64 = 6;

/// Pseudo-random small numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

type State = BTreeMap<String, u64>;

/// The reads and writes of a transaction that was committed.
#[derive(Debug)]
struct Record {
    /// The revision of the map before it began and after it ended.
    window: (Revision, Revision),
    /// Its own revision, or `None` if it was read-only.
    committed: Option<Revision>,
    reads: BTreeMap<String, Option<u64>>,
    listing: Option<Vec<String>>,
    writes: BTreeMap<String, Option<u64>>,
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().unwrap())
}

/// Runs a random transaction. Returns `None` after a conflict.
fn run(backend: &Arc<dyn Backend>, dice: &mut Dice, unique: &mut u64) -> Option<Record> {
    let map = backend.map();
    let before = map.applied();
    let transaction = begin(backend);
    let (mut reads, mut listing, mut writes) = (BTreeMap::new(), None, BTreeMap::new());
    let read_only = dice.below(3) == 0;
    for _ in 0..=dice.below(5) {
        let key = format!("key-{}", dice.below(KEYS));
        match dice.below(if read_only { 7 } else { 12 }) {
            0 => {
                let mut keys = keys(&transaction);
                if writes.is_empty() && listing.is_none() {
                    listing = Some(keys);
                } else {
                    for (key, value) in &writes {
                        assert_eq!(
                            keys.contains(key),
                            Option::<u64>::is_some(value),
                            "own writes are listed"
                        );
                    }
                    keys.clear();
                }
            }
            1..7 => {
                let found = get(&transaction, &key).as_deref().map(number);
                if let Some(written) = writes.get(&key) {
                    assert_eq!(found, *written, "a transaction reads what it wrote");
                } else {
                    let first = *reads.entry(key).or_insert(found);
                    assert_eq!(first, found, "a key that is read again is as it was");
                }
            }
            7..10 => {
                *unique += THREADS;
                set(&transaction, &key, &unique.to_be_bytes());
                writes.insert(key, Some(*unique));
            }
            _ => {
                delete(&transaction, &key);
                writes.insert(key, None);
            }
        }
        if dice.below(3) == 0 {
            thread::yield_now();
        }
    }
    let committed = match commit(&transaction) {
        Ok(Outcome::Committed(revision)) => Some(revision),
        Ok(Outcome::ReadOnly) => None,
        Err(CommitError::Conflict) => return None,
        Err(error) => panic!("{error}"),
    };
    Some(Record {
        window: (before, map.applied()),
        committed,
        reads,
        listing,
        writes,
    })
}

fn holds(record: &Record, state: &State) -> bool {
    let listing = record
        .listing
        .as_ref()
        .is_none_or(|keys| keys.iter().eq(state.keys()));
    listing
        && record
            .reads
            .iter()
            .all(|(key, found)| state.get(key) == found.as_ref())
}

#[test]
fn concurrent_transactions_are_as_if_they_had_run_one_after_the_other() {
    let backend = local();
    let records: Vec<Record> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let backend = &backend;
                scope.spawn(move || {
                    let (mut dice, mut unique) = (Dice(thread), thread);
                    (0..20_000)
                        .filter_map(|_| run(backend, &mut dice, &mut unique))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });

    let mut committed: Vec<&Record> = records
        .iter()
        .filter(|record| record.committed.is_some())
        .collect();
    committed.sort_by_key(|record| record.committed);
    let mut states = vec![State::new()];
    for (place, record) in committed.iter().enumerate() {
        assert_eq!(
            record.committed,
            Some(place as u64 + 1),
            "each commit has a revision of its own"
        );
        let mut state = states[place].clone();
        assert!(
            holds(record, &state),
            "at its commit {record:?} would have read {state:?}"
        );
        for (key, value) in &record.writes {
            match value {
                Some(value) => state.insert(key.clone(), *value),
                None => state.remove(key),
            };
        }
        states.push(state);
    }
    let read_only: Vec<&Record> = records
        .iter()
        .filter(|record| record.committed.is_none())
        .collect();
    for record in &read_only {
        let window = record.window.0 as usize..=record.window.1 as usize;
        assert!(
            states[window].iter().any(|state| holds(record, state)),
            "no one moment's: {record:?}"
        );
    }
    // Without these the test would prove nothing.
    assert!(
        committed.len() > 1_000 && read_only.len() > 1_000,
        "{} {}",
        committed.len(),
        read_only.len()
    );
    assert!(
        read_only
            .iter()
            .filter(|record| record.window.0 < record.window.1)
            .count()
            > 20,
        "no concurrency"
    );
}

#[test]
fn once_a_commit_is_seen_in_one_key_it_is_seen_in_all() {
    let backend = local();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let map = backend.map();
            let mut round = 0_u64;
            while !done.load(Ordering::Acquire) {
                round += 1;
                let value = round.to_be_bytes();
                let both = ["left", "right"].map(|key| Write::set(STORE, key, &value));
                assert!(matches!(
                    map.apply_next(writes(both.into())),
                    Applied::Committed { .. }
                ));
            }
        });
        let readers = [("left", "right"), ("right", "left")].map(|(first, second)| {
            let backend = &backend;
            scope.spawn(move || {
                let (mut changes, mut last) = (0, None);
                let limit = deadline();
                for turn in 0.. {
                    // Two requests, one after the other.
                    let one = get(&begin(backend), first).as_deref().map(number);
                    let other = get(&begin(backend), second).as_deref().map(number);
                    if one > other {
                        return Err(format!("{first} was {one:?}, then {second} was {other:?}"));
                    }
                    changes += u32::from(last != Some(one));
                    last = Some(one);
                    if turn > 100_000 && changes > 300 {
                        break;
                    }
                    if turn % 64 == 0 {
                        assert!(Instant::now() < limit, "only {changes} changes were seen");
                        thread::yield_now();
                    }
                }
                Ok(())
            })
        });
        let results = readers.map(|reader| reader.join());
        done.store(true, Ordering::Release);
        for result in results {
            assert_eq!(result.unwrap(), Ok(()));
        }
    });
}
