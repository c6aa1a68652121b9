//! Reads and writes after the guest has returned its response head: they wait for the commit, then each write is a
//! commit of its own.
//!
//! The backend of these tests behaves like one in a cluster: its answers take time, and it may fail.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use spindrift_memory::Charge;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::*;
use crate::{Abandoned, ReadError, Seen, Unavailable, WriteError, commit_one};

/// A backend that holds commits back until it has permits.
struct Remote {
    local: Local,
    permits: Semaphore,
    commits: AtomicU64,
    freshened: AtomicU64,
    refuse: Mutex<Option<CommitError>>,
    /// Never becomes fresh.
    silent: AtomicBool,
    /// Never answers whether reads still hold.
    stuck: AtomicBool,
    /// The deadlines of commits and of checks whether reads still hold.
    deadlines: Mutex<Vec<Instant>>,
}

impl Remote {
    fn new() -> (Arc<Self>, Transaction) {
        let remote = Arc::new(Self {
            local: Local::new(stores()),
            permits: Semaphore::new(0),
            commits: AtomicU64::new(0),
            freshened: AtomicU64::new(0),
            refuse: Mutex::new(None),
            silent: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            deadlines: Mutex::default(),
        });
        let transaction = Transaction::new(remote.clone(), Consistency::Linearizable);
        (remote, transaction)
    }
}

impl Backend for Remote {
    fn map(&self) -> &Map {
        self.local.map()
    }
    fn fresh(&self, _: Consistency, deadline: Instant) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.silent.load(Ordering::Relaxed) {
                // After the deadline, so that the caller's own timeout is first.
                sleep_until(deadline + Duration::from_millis(1)).await;
                return Err(Unavailable::timed_out("too late"));
            }
            self.freshened.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }
    fn verify<'a>(
        &'a self,
        reads: &'a ReadSet,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        self.deadlines.lock().push(deadline);
        if self.stuck.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        self.local.verify(reads, deadline)
    }
    fn commit(
        &self,
        commit: Commit,
        held: Charge,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        self.deadlines.lock().push(deadline);
        Box::pin(async move {
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.permits.acquire().await.unwrap().forget();
            let refused = self.refuse.lock().take();
            match refused {
                Some(error) => Err(error),
                None => self.local.commit(commit, held, deadline).await,
            }
        })
    }
}

/// The result of a future. Panics after ten seconds.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("this has to end")
}

#[tokio::test]
async fn the_first_read_waits_until_the_backend_is_fresh_and_later_ones_do_not() {
    let (remote, transaction) = Remote::new();
    remote.permits.add_permits(1);
    transaction.set(STORE, "written", b"").await.unwrap();
    assert!(transaction.exists(STORE, "written").await.unwrap());
    assert_eq!(
        remote.freshened.load(Ordering::Relaxed),
        0,
        "own writes need no freshness"
    );
    assert!(transaction.get(STORE, "key").now_or_never().is_none());
    assert!(!transaction.exists(STORE, "key").await.unwrap());
    assert!(!transaction.exists(STORE, "other").await.unwrap());
    assert_eq!(
        transaction.keys(STORE, None).await.unwrap().keys,
        ["written"]
    );
    assert_eq!(remote.freshened.load(Ordering::Relaxed), 1);
    assert_eq!(transaction.commit().await, Ok(Outcome::Committed(1)));
    // From here on every read waits for fresh data of its own.
    assert!(transaction.exists(STORE, "written").await.unwrap());
    assert!(transaction.exists(STORE, "written").await.unwrap());
    assert_eq!(remote.freshened.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn calls_after_the_seal_wait_for_the_commit_and_then_stand_for_themselves() {
    let (remote, transaction) = Remote::new();
    transaction.set(STORE, "first", b"1").await.unwrap();
    transaction.seal();
    let late = transaction.clone();
    let writing = tokio::spawn(async move { late.set(STORE, "late", b"2").await });
    let late = transaction.clone();
    let reading = tokio::spawn(async move { late.get(STORE, "first").await });
    let committing = tokio::spawn(transaction.commit());
    soon(async {
        while remote.commits.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!writing.is_finished() && !reading.is_finished());
    assert!(transaction.get(STORE, "first").now_or_never().is_none());
    remote.permits.add_permits(1);
    assert_eq!(soon(committing).await.unwrap(), Ok(Outcome::Committed(1)));
    assert_eq!(soon(reading).await.unwrap().unwrap().unwrap().value(), b"1");
    // The late write is a commit of its own and needs a permit of its own.
    soon(async {
        while remote.commits.load(Ordering::Relaxed) == 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!writing.is_finished());
    remote.permits.add_permits(1);
    soon(writing).await.unwrap().unwrap();
    assert_eq!(remote.local.map().get(STORE, "late").unwrap().revision(), 2);
}

#[tokio::test]
async fn calls_that_wait_for_a_commit_that_fails_are_errors() {
    let (remote, transaction) = Remote::new();
    transaction.get(STORE, "key").await.unwrap();
    transaction.set(STORE, "key", b"1").await.unwrap();
    let other = Write::set(STORE, "key", b"0");
    commit_one(&remote.local, other, later()).await.unwrap();
    transaction.seal();
    let late = transaction.clone();
    let writing = tokio::spawn(async move { late.set(STORE, "late", b"2").await });
    tokio::task::yield_now().await;
    remote.permits.add_permits(1);
    assert_eq!(soon(transaction.commit()).await, Err(CommitError::Conflict));
    assert_eq!(
        soon(writing).await.unwrap(),
        Err(WriteError::Abandoned(Abandoned::NotCommitted))
    );
    assert_eq!(
        transaction.get(STORE, "key").await.unwrap_err(),
        ReadError::Abandoned(Abandoned::NotCommitted)
    );
}

#[tokio::test]
async fn calls_that_wait_for_a_commit_that_never_ends_are_let_go() {
    // Dropped before its first poll; dropped under way; never begun.
    let known = [Abandoned::NotCommitted, Abandoned::Unknown, Abandoned::Over];
    for (polls, known) in known.into_iter().enumerate() {
        let (remote, transaction) = Remote::new();
        transaction.set(STORE, "key", b"1").await.unwrap();
        transaction.seal();
        let late = transaction.clone();
        let writing = tokio::spawn(async move { late.set(STORE, "late", b"2").await });
        tokio::task::yield_now().await;
        match polls {
            0 => drop(transaction.commit()),
            1 => assert!(transaction.commit().now_or_never().is_none()),
            _ => transaction.abandon(),
        }
        assert_eq!(
            soon(writing).await.unwrap(),
            Err(WriteError::Abandoned(known))
        );
        assert_eq!(
            transaction.get(STORE, "key").await.unwrap_err(),
            ReadError::Abandoned(known)
        );
        assert_eq!(remote.local.map().applied(), 0);
    }
}

#[tokio::test]
async fn a_guest_is_told_that_nothing_was_committed_only_where_that_is_certain() {
    let unavailable = || Unavailable::new("no leader is known");
    let full = CommitError::Full {
        store: "a".into(),
        limit_bytes: 1,
        needed_bytes: 2,
    };
    for (error, known) in [
        (CommitError::Conflict, Abandoned::NotCommitted),
        (full, Abandoned::NotCommitted),
        (
            CommitError::NotApplied(unavailable()),
            Abandoned::NotCommitted,
        ),
        (CommitError::Unknown(unavailable()), Abandoned::Unknown),
    ] {
        let (remote, transaction) = Remote::new();
        remote.permits.add_permits(1);
        *remote.refuse.lock() = Some(error.clone());
        transaction.set(STORE, "key", b"1").await.unwrap();
        assert_eq!(soon(transaction.commit()).await, Err(error));
        let late = transaction.set(STORE, "late", b"2").await;
        assert_eq!(late, Err(WriteError::Abandoned(known)));
    }
    let words = Abandoned::Unknown.to_string();
    assert!(words.starts_with("it is unknown whether"), "{words}");
}

#[tokio::test]
async fn a_commit_without_writes_that_never_ends_has_certainly_written_nothing() {
    let (remote, transaction) = Remote::new();
    transaction.get(STORE, "a").await.unwrap();
    transaction.get(STORE, "b").await.unwrap();
    // Without another commit since the first read there would be nothing to verify.
    let other = Write::set(STORE, "other", b"");
    commit_one(&remote.local, other, later()).await.unwrap();
    remote.stuck.store(true, Ordering::Relaxed);
    assert!(transaction.commit().now_or_never().is_none());
    assert_eq!(remote.deadlines.lock().len(), 1, "the backend was asked");
    assert_eq!(
        transaction.get(STORE, "c").await.unwrap_err(),
        ReadError::Abandoned(Abandoned::NotCommitted)
    );
}

#[tokio::test]
async fn an_error_of_a_direct_write_reaches_the_guest_and_ends_nothing() {
    let (remote, transaction) = Remote::new();
    transaction.commit().await.unwrap();
    remote.permits.add_permits(2);
    let unavailable = CommitError::NotApplied(Unavailable::new("no leader is known"));
    *remote.refuse.lock() = Some(unavailable.clone());
    let refused = soon(transaction.set(STORE, "key", b"1")).await.unwrap_err();
    assert_eq!(refused, WriteError::Commit(unavailable));
    assert_eq!(
        refused.to_string(),
        "nothing was written: no leader is known"
    );
    soon(transaction.set(STORE, "key", b"2")).await.unwrap();
    let too_long = transaction.set(STORE, &"k".repeat(1_025), b"").await;
    assert!(matches!(too_long, Err(WriteError::KeyTooLong { .. })));
    transaction.abandon();
    assert_eq!(
        transaction.delete(STORE, "key").await,
        Err(WriteError::Abandoned(Abandoned::Over))
    );
}

#[tokio::test]
async fn direct_updates_and_comparisons_are_atomic() {
    let backend = local();
    let transaction = begin(&backend);
    transaction.commit().await.unwrap();
    let mut turns = 0;
    let value = transaction
        .update(STORE, "n", |found| {
            turns += 1;
            // Another request writes in between, the first two times.
            if turns < 3 {
                put(&backend, "n", &[turns]);
            }
            Ok::<_, WriteError>(vec![found.map_or(0, |value| value[0]) + 10])
        })
        .await;
    assert_eq!((value, turns), (Ok(vec![12]), 3));
    let endless = transaction.update(STORE, "n", |_| {
        put(&backend, "n", &[0]);
        Ok::<_, WriteError>(vec![])
    });
    assert_eq!(
        endless.await,
        Err(WriteError::Commit(CommitError::Conflict))
    );

    let seen = transaction.get(STORE, "n").await.unwrap();
    assert_eq!(
        transaction
            .compare_and_set(STORE, "n", Seen::Here(seen.as_ref()), b"1")
            .await,
        Ok(true)
    );
    assert_eq!(
        transaction
            .compare_and_set(STORE, "n", Seen::Here(seen.as_ref()), b"2")
            .await,
        Ok(false)
    );
    assert_eq!(
        transaction
            .compare_and_set(STORE, "new", Seen::Here(None), b"1")
            .await,
        Ok(true)
    );
    assert_eq!(get(&begin(&backend), "n"), Some(b"1".to_vec()));
}

#[tokio::test]
async fn everything_that_waits_for_the_backend_is_given_the_deadline_of_the_request() {
    let (remote, _) = Remote::new();
    remote.permits.add_permits(10);
    let deadline = Instant::now() + Duration::from_secs(77);
    let transaction = Transaction::until(remote.clone(), Consistency::Stale, deadline);
    transaction.set(STORE, "a", b"1").await.unwrap();
    transaction.commit().await.unwrap();
    // The guest writes after the commit.
    transaction.set(STORE, "b", b"1").await.unwrap();
    let updated = transaction.update(STORE, "b", |_| Ok::<_, WriteError>(vec![2]));
    updated.await.unwrap();
    let reading = Transaction::until(remote.clone(), Consistency::Stale, deadline);
    reading.get(STORE, "a").await.unwrap();
    reading.get(STORE, "b").await.unwrap();
    remote.permits.add_permits(1);
    transaction.set(STORE, "c", b"").await.unwrap();
    assert!(reading.end_unwritten().await.unwrap());
    let given = remote.deadlines.lock().clone();
    assert_eq!(given, [deadline; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_cut_off_at_the_deadline_leaves_word_that_the_store_did_not_answer() {
    let (remote, _) = Remote::new();
    remote.silent.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(1);
    let transaction = Transaction::until(remote.clone(), Consistency::Linearizable, deadline);
    let reading = transaction.get(STORE, "key");
    let cut_off = tokio::time::timeout_at(deadline, reading).await;
    assert!(cut_off.is_err());
    assert!(transaction.unavailable().is_some_and(|why| why.timed_out));

    // Before the deadline the client has disconnected, and the store is not at fault.
    let deadline = Instant::now() + Duration::from_secs(1);
    let transaction = Transaction::until(remote, Consistency::Linearizable, deadline);
    assert!(transaction.get(STORE, "key").now_or_never().is_none());
    assert_eq!(transaction.unavailable(), None);
}

#[tokio::test]
async fn a_commit_that_waits_holds_what_it_needs_and_not_the_values_that_were_read() {
    let (remote, transaction) = Remote::new();
    let memory = remote.stores().memory().clone();
    let large = Write::set(STORE, "large", &[0; 1 << 20]);
    commit_one(&remote.local, large, later()).await.unwrap();
    transaction.get(STORE, "large").await.unwrap();
    transaction.set(STORE, "small", &[0; 10_000]).await.unwrap();
    assert!(memory.used_bytes() > 1 << 20, "{memory:?}");
    let committing = tokio::spawn(transaction.commit());
    soon(async {
        while remote.commits.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let held = memory.used_bytes();
    assert!((10_000..11_000).contains(&held), "{held}");
    remote.permits.add_permits(1);
    soon(committing).await.unwrap().unwrap();
    assert_eq!(memory.used_bytes(), 0);
}
