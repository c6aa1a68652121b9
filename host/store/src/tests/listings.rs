//! Listings of all keys and of pages: they have the right keys, are of one moment, and yield to other tasks.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;
use crate::{Page, ReadError};

/// More keys than a listing visits before it yields.
const MANY: u32 = 20_000;

fn filled(keys: impl IntoIterator<Item = String>) -> Arc<dyn Backend> {
    let backend = local();
    let all = keys.into_iter().map(|key| Write::set(STORE, &key, b""));
    let map = backend.map();
    assert!(matches!(
        apply(map, all.collect()),
        Applied::Committed { .. }
    ));
    backend
}

fn page(transaction: &Transaction, after: Option<&str>, most: usize) -> (Vec<String>, bool) {
    let page = Page { after, most };
    let listed = now(transaction.keys(STORE, Some(page))).unwrap();
    (listed.keys, listed.more)
}

proptest! {
    /// Pages list all keys in order, with the effect of the transaction's own writes.
    #[test]
    fn pages_are_all_keys_in_their_order(
        committed in proptest::collection::btree_set("[a-d]{0,3}", 0..60),
        written in proptest::collection::btree_map("[a-d]{0,3}", any::<bool>(), 0..40),
        most in 1..9_usize,
    ) {
        let backend = filled(committed.iter().cloned());
        let transaction = begin(&backend);
        let mut expected = committed;
        for (key, sets) in &written {
            if *sets {
                set(&transaction, key, b"own");
                expected.insert(key.clone());
            } else {
                delete(&transaction, key);
                expected.remove(key);
            }
        }
        let mut seen: Vec<String> = Vec::new();
        loop {
            let (keys, more) = page(&transaction, seen.last().map(String::as_str), most);
            prop_assert!(keys.len() == most || !more);
            seen.extend(keys);
            if !more {
                break;
            }
        }
        prop_assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_listing_lets_others_run_and_is_of_one_moment_all_the_same() {
    let name = |number: u32| format!("key-{number:05}");
    let backend = filled((0..MANY).map(name));
    for listed in [
        None,
        Some(Page {
            after: None,
            most: 7,
        }),
    ] {
        let transaction = begin(&backend);
        let mut listing = pin!(transaction.keys(STORE, listed));
        let mut context = Context::from_waker(Waker::noop());
        assert!(
            listing.as_mut().poll(&mut context).is_pending(),
            "it keeps its thread until it is done"
        );
        // The listing has visited some of these keys and has yet to visit others.
        let map = backend.map();
        let deletes = (0..100).map(|number| Write::delete(STORE, &name(number)));
        let set = Write::set(STORE, "a-new-one", b"");
        let _ = apply(map, deletes.chain([set]).collect());
        let listed = loop {
            if let Poll::Ready(listed) = listing.as_mut().poll(&mut context) {
                break listed.unwrap();
            }
        };
        let count = listed.keys.len();
        let keys: BTreeSet<String> = listed.keys.into_iter().collect();
        assert_eq!(keys.len(), count, "a key is listed twice");
        let of_before = (0..100).any(|number| keys.contains(&name(number)));
        assert_ne!(of_before, keys.contains("a-new-one"), "of two moments");
        let sets = (0..100).map(|number| Write::set(STORE, &name(number), b""));
        let delete = Write::delete(STORE, "a-new-one");
        let _ = apply(map, sets.chain([delete]).collect());
    }
}

#[test]
fn listing_a_store_page_by_page_is_not_a_pass_for_each_page() {
    const PAGES: usize = 50;
    const MOST: usize = 20;
    // Long keys reach the limit for reading ahead sooner. Nothing is read ahead with the first page.
    for (key_bytes, passes) in [(10, 5), (8_000, 10)] {
        let name = |number: usize| format!("{number:0key_bytes$}");
        // These keys come after the pages, so that a pass over all keys yields several times.
        let others = (0..MANY).map(|number| format!("other-{number}"));
        let backend = filled((0..PAGES * MOST).map(name).chain(others));
        let transaction = begin(&backend);
        let mut context = Context::from_waker(Waker::noop());
        let (mut after, mut passed) = (None, 0);
        for page in 0..PAGES {
            let (listed, turns) = {
                let page_of = Page {
                    after: after.as_deref(),
                    most: MOST,
                };
                let mut listing = pin!(transaction.keys(STORE, Some(page_of)));
                let mut turns = 1;
                loop {
                    match listing.as_mut().poll(&mut context) {
                        Poll::Ready(listed) => break (listed.unwrap(), turns),
                        Poll::Pending => turns += 1,
                    }
                }
            };
            passed += u32::from(turns > 1);
            let expected = (page * MOST..(page + 1) * MOST).map(name);
            assert!(listed.keys.iter().cloned().eq(expected) && listed.more);
            after = listed.keys.last().cloned();
        }
        assert_eq!(passed, passes, "passes, with keys of {key_bytes} bytes");
    }
}

#[test]
fn what_is_written_between_two_pages_is_in_the_next_one() {
    let backend = filled((0..100).map(|number| format!("{number:02}")));
    let transaction = begin(&backend);
    assert_eq!(page(&transaction, None, 2).0, ["00", "01"]);
    assert_eq!(page(&transaction, Some("01"), 2).0, ["02", "03"]);
    delete(&transaction, "05");
    set(&transaction, "06-own", b"");
    assert_eq!(page(&transaction, Some("03"), 3).0, ["04", "06", "06-own"]);
    // These keys are written a second time.
    delete(&transaction, "06-own");
    set(&transaction, "05", b"");
    assert_eq!(page(&transaction, Some("04"), 3).0, ["05", "06", "07"]);
    assert_eq!(
        page(&transaction, Some("97"), 3),
        (vec!["98".into(), "99".into()], false)
    );
    assert!(commit(&transaction).is_ok());

    // Writes of other requests make it a conflict.
    let transaction = begin(&backend);
    page(&transaction, None, 2);
    page(&transaction, Some("01"), 2);
    put(&backend, "04-other", b"");
    assert!(
        page(&transaction, Some("03"), 2)
            .0
            .contains(&"04-other".into())
    );
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}

#[test]
fn a_page_conflicts_with_keys_that_come_and_go() {
    let backend = filled(["a", "b"].map(str::to_owned));
    let transaction = begin(&backend);
    page(&transaction, Some("a"), 1);
    set(&transaction, "own", b"");
    put(&backend, "z", b"");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}

#[test]
fn a_store_that_is_listed_counts_once() {
    let keys = (0..100).map(|number| format!("{number:03}-{}", "k".repeat(96)));
    let stores = stores().with_max_transaction_bytes(0);
    let limit_bytes = stores.max_transaction_bytes();
    let writes = keys.map(|key| Write::set(STORE, &key, b""));
    let backend: Arc<dyn Backend> = Arc::new(Local::new(stores));
    let _ = apply(backend.map(), writes.collect());
    let transaction = begin(&backend);
    for _ in 0..limit_bytes / 1_000 {
        assert_eq!(keys_of(&transaction).unwrap(), 100);
        let (first, more) = page(&transaction, None, 60);
        assert!(first.len() == 60 && more);
        let (rest, more) = page(&transaction, first.last().map(String::as_str), 60);
        assert!(rest.len() == 40 && !more);
    }
    // Listed keys count towards the same limit as values.
    let value = vec![0; StoreLimits::default().max_value_bytes];
    now(transaction.set(STORE, "value", &value)).unwrap();
    now(transaction.set(STORE, "value-2", &value)).unwrap_err();
    let transaction = begin(&backend);
    now(transaction.set(STORE, "value", &value)).unwrap();
    now(transaction.set(STORE, "value-2", &value[5_000..])).unwrap();
    assert_eq!(
        keys_of(&transaction),
        Err(ReadError::TransactionTooLarge { limit_bytes })
    );
    assert!(transaction.unavailable().is_none(), "a retry is of no use");
}

fn keys_of(transaction: &Transaction) -> Result<usize, ReadError> {
    now(transaction.keys(STORE, None)).map(|listed| listed.keys.len())
}
