//! Limits: a write beyond one fails with a text that says so, and changes nothing else.

use spindrift_memory::{Budget, Purpose};

use super::*;
use crate::{ENTRY_OVERHEAD_BYTES, ReadError, WriteError, commit_one};

fn small() -> Arc<dyn Backend> {
    // Room for two entries with a key of one byte and a value of ten.
    let max_total_bytes = 2 * (11 + ENTRY_OVERHEAD_BYTES);
    let limits = StoreLimits {
        max_key_bytes: 8,
        max_value_bytes: 100,
        max_total_bytes,
    };
    Arc::new(Local::new(stores_with(limits)))
}

#[test]
fn keys_and_values_over_their_limits_are_refused_as_they_are_written() {
    let transaction = begin(&small());
    let too_long = now(transaction.set(STORE, "123456789", b"")).unwrap_err();
    assert_eq!(
        too_long.to_string(),
        "key too long: 9 bytes, at most 8 bytes are allowed"
    );
    assert_eq!(now(transaction.delete(STORE, "123456789")), Err(too_long));
    let too_large = now(transaction.set(STORE, "k", &[0; 101])).unwrap_err();
    assert_eq!(
        too_large.to_string(),
        "value too large: 101 bytes, at most 100 bytes are allowed"
    );
    assert_eq!(
        now(transaction.set(StoreId::new(2), "k", b"")),
        Err(WriteError::NoSuchStore)
    );
    assert!(transaction.is_read_only());
    now(transaction.set(STORE, "12345678", &[0; 100])).unwrap();
    assert_eq!(
        get(&transaction, "123456789"),
        None,
        "no such key can be, so it reads as absent"
    );
}

#[test]
fn a_full_store_takes_reads_deletes_and_smaller_values() {
    let backend = small();
    put(&backend, "a", &[0; 10]);
    put(&backend, "b", &[0; 10]);
    let transaction = begin(&backend);
    set(&transaction, "c", b"");
    let full = commit(&transaction).unwrap_err();
    assert!(
        matches!(&full, CommitError::Full { store, limit_bytes: 150, needed_bytes: 215 } if store == "a"),
        "{full:?}"
    );
    assert!(
        full.to_string().starts_with("store \"a\" is full: "),
        "{full}"
    );

    // Key a grows by two bytes and key b shrinks by one, so the store grows by one byte.
    let transaction = begin(&backend);
    set(&transaction, "a", &[1; 12]);
    set(&transaction, "b", &[1; 9]);
    assert!(matches!(
        commit(&transaction),
        Err(CommitError::Full { .. })
    ));
    assert_eq!(
        get(&begin(&backend), "a"),
        Some(vec![0; 10]),
        "nothing of it is applied"
    );

    // The other store has room of its own.
    let transaction = begin(&backend);
    now(transaction.set(StoreId::new(1), "a", &[0; 10])).unwrap();
    assert!(commit(&transaction).is_ok());

    // This commit makes room for itself.
    let transaction = begin(&backend);
    delete(&transaction, "a");
    set(&transaction, "c", &[2; 10]);
    assert!(commit(&transaction).is_ok());
    put(&backend, "c", &[3; 10]);
    put(&backend, "c", &[3; 9]);
    take(&backend, "b");
    assert_eq!(keys(&begin(&backend)), ["c"]);
    put(&backend, "d", &[4; 11]);
}

#[test]
fn another_limit_counts_from_the_next_commit_on() {
    let backend = small();
    let map = backend.map();
    put(&backend, "a", &[0; 10]);
    put(&backend, "b", &[0; 10]);
    let grow = || apply(map, vec![Write::set(STORE, "c", &[0; 10])]);
    assert!(matches!(grow(), Applied::Full { .. }));
    map.set_max_total_bytes(STORE, 3 * (11 + ENTRY_OVERHEAD_BYTES));
    assert!(matches!(grow(), Applied::Committed { .. }));
    // Each store has a limit of its own. A store that does not exist has no limit to set.
    map.set_max_total_bytes(StoreId::new(2), 7);
    let limits = [0, 1, 2].map(|store| map.max_total_bytes(StoreId::new(store)));
    assert_eq!(limits, [225, 150, 0]);
}

#[test]
fn a_limit_below_what_is_held_loses_nothing_and_lets_nothing_grow() {
    let backend = local();
    for key in ["a", "b"] {
        put(&backend, key, &[0; 1_000]);
    }
    let map = backend.map();
    map.set_max_total_bytes(STORE, 100);
    let held = 2 * (1_001 + ENTRY_OVERHEAD_BYTES);
    assert_eq!((map.entries(STORE), map.total_bytes(STORE)), (2, held));
    for (key, bytes) in [("a", 1_001), ("c", 0)] {
        let grown = apply(map, vec![Write::set(STORE, key, &vec![1; bytes])]);
        assert!(
            matches!(grown, Applied::Full { limit_bytes: 100, needed_bytes, .. } if needed_bytes > held),
            "{grown:?}"
        );
    }
    assert_eq!(get(&begin(&backend), "a"), Some(vec![0; 1_000]));
    put(&backend, "a", &[2; 1_000]);
    put(&backend, "a", &[3; 50]);
    take(&backend, "b");
    assert_eq!(map.total_bytes(STORE), 1 + 50 + ENTRY_OVERHEAD_BYTES);
}

#[test]
fn a_transaction_holds_so_much_and_no_more() {
    let limits = StoreLimits {
        max_value_bytes: 1_000,
        ..StoreLimits::default()
    };
    let stores = stores_with(limits).with_max_transaction_bytes(0);
    let limit = stores.max_transaction_bytes();
    let backend: Arc<dyn Backend> = Arc::new(Local::new(stores));
    let transaction = begin(&backend);
    let (mut reads, mut read_refused) = (0, None);
    while read_refused.is_none() {
        reads += 1;
        read_refused = now(transaction.get(STORE, &format!("key-{reads}"))).err();
        assert!(reads < limit);
    }
    assert_eq!(
        read_refused,
        Some(ReadError::TransactionTooLarge { limit_bytes: limit })
    );
    let refused = now(transaction.set(STORE, "key", &[0; 1_000]));
    assert_eq!(
        refused,
        Err(WriteError::TransactionTooLarge { limit_bytes: limit })
    );
    assert_eq!(get(&transaction, "key-1"), None, "what is noted is known");

    // Values that are read count like values that are written.
    let transaction = begin(&backend);
    let mut read = 0;
    let refused = loop {
        let key = format!("value-{read}");
        put(&backend, &key, &[0; 1_000]);
        if let Err(refused) = now(transaction.get(STORE, &key)) {
            break refused;
        }
        read += 1;
        assert!(read * 1_000 < limit, "values do not count");
    };
    assert_eq!(
        refused,
        ReadError::TransactionTooLarge { limit_bytes: limit }
    );
    assert!(read >= 2, "the largest value can be read and replaced");

    // A key that is written several times counts once.
    let transaction = begin(&backend);
    for _ in 0..limit {
        set(&transaction, "key", &[0; 1_000]);
    }
    assert!(commit(&transaction).is_ok());
}

#[test]
fn a_commit_that_no_map_can_apply_is_refused() {
    let map = Map::new(stores());
    let nowhere = StoreId::new(2);
    let refused = apply(
        &map,
        vec![Write::set(STORE, "k", b""), Write::set(nowhere, "k", b"")],
    );
    assert_eq!(refused, Applied::UnknownStore(nowhere));
    assert!(map.get(STORE, "k").is_none() && map.get(nowhere, "k").is_none());
    assert!(listed(&map, nowhere).0.is_empty());
    assert_eq!(
        map.apply(5, writes(vec![])),
        Applied::Committed { revision: 5 }
    );
    assert_eq!(
        map.apply(5, writes(vec![])),
        Applied::OutOfOrder { applied: 5 }
    );
}

#[tokio::test]
async fn a_commit_without_memory_to_wait_in_is_refused_and_writes_nothing() {
    let memory = Budget::new(10_000);
    let local = Local::new(stores().with_memory(memory.clone()));
    let large = Write::set(STORE, "large", &[0; 10_000]);
    let refused = commit_one(&local, large, later()).await.unwrap_err();
    assert!(matches!(refused, CommitError::NoMemory(_)), "{refused:?}");
    let text = refused.to_string();
    assert!(text.starts_with("nothing was written") && text.contains("--memory-budget"));
    assert_eq!(local.map().applied(), 0);
    let small = Write::set(STORE, "small", b"");
    assert_eq!(commit_one(&local, small, later()).await, Ok(1));
    assert_eq!(memory.used_bytes(), 0);
    assert_eq!(memory.refusals_for(Purpose::Transactions), 1);
}
