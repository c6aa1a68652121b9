//! One transaction beside others, step by step.

use super::*;
use crate::{Entry, ReadError, Seen};

#[test]
fn a_transaction_sees_its_own_writes_and_nobody_else_does_before_its_commit() {
    let backend = local();
    put(&backend, "old", b"1");
    let transaction = begin(&backend);
    set(&transaction, "new", b"2");
    delete(&transaction, "old");
    assert_eq!(
        (get(&transaction, "new"), get(&transaction, "old")),
        (Some(b"2".to_vec()), None)
    );
    assert_eq!(keys(&transaction), ["new"]);
    let other = begin(&backend);
    assert_eq!(
        (get(&other, "new"), get(&other, "old")),
        (None, Some(b"1".to_vec()))
    );
    assert_eq!(commit(&transaction), Ok(Outcome::Committed(2)));
    assert_eq!(keys(&begin(&backend)), ["new"]);
    assert_eq!(backend.map().get(STORE, "new").unwrap().revision(), 2);
}

#[test]
fn a_write_conflicts_with_a_change_of_what_was_read() {
    // A new value, a delete, and a new key.
    for (before, after) in [
        (Some(b"1"), Some(b"2")),
        (Some(b"1"), None),
        (None, Some(b"1")),
    ] {
        let backend = local();
        if let Some(value) = before {
            put(&backend, "key", value);
        }
        let transaction = begin(&backend);
        get(&transaction, "key");
        set(&transaction, "other", b"");
        match after {
            Some(value) => put(&backend, "key", value),
            None => take(&backend, "key"),
        };
        assert_eq!(
            get(&transaction, "key").as_deref(),
            before.map(|value| &value[..]),
            "reads are repeatable"
        );
        assert_eq!(commit(&transaction), Err(CommitError::Conflict));
        assert_eq!(get(&begin(&backend), "other"), None);
    }
}

#[test]
fn a_write_without_reads_never_conflicts() {
    let backend = local();
    let transaction = begin(&backend);
    set(&transaction, "key", b"mine");
    put(&backend, "key", b"theirs");
    assert!(commit(&transaction).is_ok());
    assert_eq!(get(&begin(&backend), "key"), Some(b"mine".to_vec()));
}

#[test]
fn the_same_value_written_again_is_a_change() {
    let backend = local();
    put(&backend, "key", b"1");
    let transaction = begin(&backend);
    get(&transaction, "key");
    set(&transaction, "other", b"");
    put(&backend, "key", b"1");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}

#[test]
fn of_two_deletes_of_one_key_one_finds_it() {
    let backend = local();
    put(&backend, "key", b"");
    let both = [begin(&backend), begin(&backend)];
    for transaction in &both {
        assert!(now(transaction.exists(STORE, "key")).unwrap());
        delete(transaction, "key");
    }
    assert!(commit(&both[0]).is_ok());
    assert_eq!(commit(&both[1]), Err(CommitError::Conflict));
}

#[test]
fn reads_of_two_moments_are_a_conflict() {
    let backend = local();
    put(&backend, "left", b"1");
    put(&backend, "right", b"1");
    let transaction = begin(&backend);
    get(&transaction, "left");
    put(&backend, "left", b"2");
    put(&backend, "right", b"2");
    get(&transaction, "right");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));

    // Changes of other keys are no conflict.
    let transaction = begin(&backend);
    get(&transaction, "left");
    put(&backend, "elsewhere", b"");
    get(&transaction, "right");
    assert_eq!(commit(&transaction), Ok(Outcome::ReadOnly));

    // A single read is no conflict either, whatever is written later.
    let transaction = begin(&backend);
    get(&transaction, "left");
    put(&backend, "left", b"3");
    assert_eq!(commit(&transaction), Ok(Outcome::ReadOnly));
}

#[test]
fn an_absent_key_that_came_and_went_is_a_conflict_for_a_reader() {
    let backend = local();
    let transaction = begin(&backend);
    assert_eq!(get(&transaction, "left"), None);
    put(&backend, "left", b"");
    put(&backend, "right", b"");
    take(&backend, "left");
    // `right` did not exist before these two commits, and `left` exists between them.
    assert!(get(&transaction, "right").is_some());
    put(&backend, "left", b"");
    take(&backend, "left");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}

#[test]
fn a_listing_conflicts_with_keys_that_come_and_go_and_not_with_new_values() {
    let backend = local();
    put(&backend, "key", b"1");
    let listing = || {
        let transaction = begin(&backend);
        keys(&transaction);
        set(&transaction, "listed", b"");
        transaction
    };
    let transaction = listing();
    put(&backend, "key", b"2");
    assert!(commit(&transaction).is_ok());
    let transaction = listing();
    put(&backend, "phantom", b"");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
    let transaction = listing();
    take(&backend, "phantom");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
    let transaction = listing();
    take(&backend, "no-such-key");
    assert!(commit(&transaction).is_ok());
}

#[test]
fn two_listings_that_differ_are_a_conflict() {
    let backend = local();
    let transaction = begin(&backend);
    keys(&transaction);
    put(&backend, "key", b"");
    keys(&transaction);
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}

#[test]
fn a_commit_without_effect_takes_a_revision() {
    let backend = local();
    let transaction = begin(&backend);
    delete(&transaction, "no-such-key");
    assert_eq!(commit(&transaction), Ok(Outcome::Committed(1)));
    assert_eq!(put(&backend, "key", b""), 2);
}

#[test]
fn a_transaction_commits_once() {
    let backend = local();
    let transaction = begin(&backend);
    set(&transaction, "key", b"");
    assert!(commit(&transaction).is_ok());
    assert!(matches!(
        commit(&transaction),
        Err(CommitError::NotApplied(_))
    ));
    assert_eq!(backend.map().applied(), 1);
}

#[test]
fn an_abandoned_transaction_writes_nothing_and_takes_nothing() {
    let backend = local();
    let transaction = begin(&backend);
    set(&transaction, "key", b"");
    transaction.abandon();
    assert!(matches!(
        now(transaction.get(STORE, "key")),
        Err(ReadError::Abandoned(_))
    ));
    assert!(now(transaction.set(STORE, "key", b"")).is_err());
    assert!(matches!(
        commit(&transaction),
        Err(CommitError::NotApplied(_))
    ));
    assert_eq!(get(&begin(&backend), "key"), None);
}

#[test]
fn a_key_is_updated_and_compared_within_the_transaction() {
    let backend = local();
    put(&backend, "n", b"1");
    let transaction = begin(&backend);
    let one_more =
        |found: Option<&[u8]>| Ok::<_, crate::WriteError>([found.unwrap_or(b""), b"+"].concat());
    assert_eq!(
        now(transaction.update(STORE, "n", one_more)).unwrap(),
        b"1+"
    );
    assert_eq!(
        now(transaction.update(STORE, "n", one_more)).unwrap(),
        b"1++"
    );
    assert_eq!(
        now(transaction.update(STORE, "new", one_more)).unwrap(),
        b"+"
    );
    let seen = now(transaction.get(STORE, "n")).unwrap();
    assert_eq!(
        now(transaction.compare_and_set(STORE, "n", Seen::Here(None), b"x")),
        Ok(false)
    );
    assert_eq!(
        now(transaction.compare_and_set(STORE, "n", Seen::Here(seen.as_ref()), b"2")),
        Ok(true)
    );
    assert_eq!(
        now(transaction.compare_and_set(STORE, "n", Seen::Here(seen.as_ref()), b"3")),
        Ok(false)
    );
    assert_eq!(backend.map().applied(), 1, "all of it is buffered");
    assert!(commit(&transaction).is_ok());
    assert_eq!(get(&begin(&backend), "n"), Some(b"2".to_vec()));

    // The read of the update counts.
    let transaction = begin(&backend);
    now(transaction.update(STORE, "n", one_more)).unwrap();
    put(&backend, "n", b"9");
    assert_eq!(commit(&transaction), Err(CommitError::Conflict));
}

#[test]
fn what_another_transaction_saw_is_compared_by_revision_alone() {
    let backend = local();
    put(&backend, "n", b"1");
    let other = begin(&backend);
    let seen = now(other.get(STORE, "n")).unwrap();
    set(&other, "own", b"1");
    let uncommitted = now(other.get(STORE, "own")).unwrap();
    other.abandon();
    put(&backend, "own", b"1");

    let swap = |transaction: &Transaction, key, seen: Option<&Entry>| {
        now(transaction.compare_and_set(STORE, key, Seen::Elsewhere(seen), b"2")).unwrap()
    };
    let transaction = begin(&backend);
    assert!(swap(&transaction, "n", seen.as_ref()));
    // It is an own write now, whatever its value.
    set(&transaction, "n", b"1");
    assert!(!swap(&transaction, "n", seen.as_ref()));
    assert!(!swap(&transaction, "own", uncommitted.as_ref()));
    set(&transaction, "own", b"1");
    assert!(!swap(&transaction, "own", uncommitted.as_ref()));
    // An absent key has not changed. An own write is not absent.
    assert!(swap(&transaction, "absent", None));
    assert!(!swap(&transaction, "absent", None));
    assert!(!swap(&transaction, "gone", seen.as_ref()));

    // Another commit of the same value is another entry.
    put(&backend, "n", b"1");
    assert!(!swap(&begin(&backend), "n", seen.as_ref()));
}
