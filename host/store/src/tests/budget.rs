//! The memory of transactions is charged to the budget and given back.

use spindrift_memory::{Budget, Purpose, Spent};

use super::*;
use crate::{ReadError, WriteError};

fn with_budget(bytes: usize) -> (Arc<Budget>, Arc<dyn Backend>) {
    let budget = Budget::new(bytes);
    let stores = stores().with_memory(budget.clone());
    (budget, Arc::new(Local::new(stores)))
}

#[test]
fn a_small_transaction_charges_nothing() {
    let (budget, backend) = with_budget(0);
    let transaction = begin(&backend);
    for number in 0..10 {
        set(&transaction, &format!("key-{number}"), &[0; 100]);
        assert_eq!(get(&transaction, &format!("other-{number}")), None);
    }
    assert_eq!(budget.refusals_for(Purpose::Transactions), 0);
}

#[test]
fn what_is_read_written_and_listed_is_charged_until_the_transaction_ends() {
    let (budget, backend) = with_budget(10 << 20);
    let held = || budget.used_bytes_for(Purpose::Transactions);
    for key in ["a", "b"] {
        put(&backend, key, &vec![0; 1 << 20]);
    }
    let ends: [fn(Transaction); 3] = [
        |transaction| drop(transaction),
        |transaction| transaction.abandon(),
        |transaction| drop(commit(&transaction)),
    ];
    for end in ends {
        let transaction = begin(&backend);
        assert!(get(&transaction, "a").is_some());
        assert!(held() > 1 << 20, "a value that was read");
        set(&transaction, "c", &vec![0; 1 << 20]);
        assert!(held() > 2 << 20, "a value to be written");
        set(&transaction, "c", &vec![0; 1 << 20]);
        assert!(held() < 3 << 20, "in place of the first");
        end(transaction);
        assert_eq!(held(), 0);
    }
    let long = format!("{}{}", "k".repeat(1_000), 1);
    for number in 0..20 {
        put(&backend, &format!("{long}{number}"), b"");
    }
    let transaction = begin(&backend);
    let listed = now(transaction.keys(STORE, None)).unwrap();
    assert!(held() > 20_000, "keys that were listed");
    drop(listed);
    assert_eq!(held(), 0, "the transaction does not need them");
}

#[test]
fn a_spent_budget_refuses_and_the_request_may_be_tried_again() {
    let (budget, backend) = with_budget(1 << 20);
    let value = vec![0; 900_000];
    put(&backend, "a", &value);
    let spent = Spent {
        limit_bytes: 1 << 20,
    };
    let first = begin(&backend);
    set(&first, "b", &value);
    assert!(first.unavailable().is_none());

    let reader = begin(&backend);
    let refused = now(reader.get(STORE, "a")).unwrap_err();
    assert_eq!(refused, ReadError::Spent(spent));
    let reason = reader.unavailable().expect("a reason").reason;
    assert!(reason.contains("--memory-budget"), "{reason}");

    let writer = begin(&backend);
    let refused = now(writer.set(STORE, "c", &value)).unwrap_err();
    assert_eq!(refused, WriteError::Read(ReadError::Spent(spent)));
    assert!(writer.unavailable().is_some() && writer.is_read_only());

    assert!(commit(&first).is_ok());
    assert_eq!(get(&reader, "a").map(|value| value.len()), Some(900_000));
    drop((reader, writer));
    assert_eq!(budget.used_bytes(), 0);
}

#[test]
fn a_listing_that_does_not_fit_is_refused() {
    let (budget, backend) = with_budget(64 << 10);
    for number in 0..200 {
        put(&backend, &format!("{number}{}", "k".repeat(1_000)), b"");
    }
    let transaction = begin(&backend);
    let refused = now(transaction.keys(STORE, None)).unwrap_err();
    assert!(matches!(refused, ReadError::Spent(_)), "{refused:?}");
    assert!(transaction.unavailable().is_some());
    assert_eq!(budget.used_bytes(), 0);
}
