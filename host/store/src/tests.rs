//! Tests of the store as a whole. Tests of a single file are at its end.

mod budget;
mod direct;
mod limits;
mod listings;
mod model;
mod serializability;
mod snapshots;
mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use crate::selection::Selection;
use crate::{
    Applied, Backend, Commit, CommitError, Consistency, Local, Map, Outcome, ReadSet, Revision,
    StoreId, StoreLimits, Stores, Transaction, Write,
};

/// The first of the stores of [`stores`].
const STORE: StoreId = StoreId::new(0);

/// Two stores, `a` and `b`, both with these limits.
fn stores_with(limits: StoreLimits) -> Stores {
    Stores::new(["a", "b"].map(|label| (label.to_owned(), limits)).into())
}

fn stores() -> Stores {
    stores_with(StoreLimits::default())
}

fn local() -> Arc<dyn Backend> {
    Arc::new(Local::new(stores()))
}

fn begin(backend: &Arc<dyn Backend>) -> Transaction {
    Transaction::new(backend.clone(), Consistency::Linearizable)
}

/// The deadline for threads that have to make progress.
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A deadline that no test reaches.
fn later() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3600)
}

/// Ends the threads of a test, even if the test fails.
struct Ending<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

/// The result of a future that must be ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("a local store answers at once")
}

fn get(transaction: &Transaction, key: &str) -> Option<Vec<u8>> {
    now(transaction.get(STORE, key))
        .unwrap()
        .map(|entry| entry.value().to_vec())
}

fn set(transaction: &Transaction, key: &str, value: &[u8]) {
    now(transaction.set(STORE, key, value)).unwrap();
}

fn delete(transaction: &Transaction, key: &str) {
    now(transaction.delete(STORE, key)).unwrap();
}

fn keys(transaction: &Transaction) -> Vec<String> {
    let mut keys = now(transaction.keys(STORE, None)).unwrap().keys;
    keys.sort();
    keys
}

/// All keys of a store, and the revision that last created or deleted one.
fn listed(map: &Map, store: StoreId) -> (Vec<String>, Revision) {
    let mut selection = Selection::new(map.stores(), None, 0, 0);
    let revision = futures::executor::block_on(map.list(store, &mut selection)).unwrap();
    (selection.into_keys(None, None).0.keys, revision)
}

fn commit(transaction: &Transaction) -> Result<Outcome, CommitError> {
    now(transaction.commit())
}

/// A commit without reads.
fn writes(writes: Vec<Write>) -> Commit {
    Commit {
        reads: ReadSet::default(),
        writes,
    }
}

/// Sets a key in a commit of its own.
fn put(backend: &Arc<dyn Backend>, key: &str, value: &[u8]) -> Revision {
    let write = Write::set(STORE, key, value);
    now(crate::commit_one(&**backend, write, later())).unwrap()
}

/// Deletes a key in a commit of its own.
fn take(backend: &Arc<dyn Backend>, key: &str) -> Revision {
    let write = Write::delete(STORE, key);
    now(crate::commit_one(&**backend, write, later())).unwrap()
}

fn apply(map: &Map, writes_of: Vec<Write>) -> Applied {
    map.apply_next(writes(writes_of))
}
