//! [`Replicated`]: the backend that commits through the cluster's log and reads from this node's map.
//!
//! It outlives the node's membership: while the node is in no cluster, requests wait in the queues, and are refused when
//! their time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{self, BoxFuture, FutureExt};

use super::faults::Faults;
use super::read_index::ReadQueue;
use super::submit::CommitQueue;
use crate::event_loop::woken;
use crate::store::{
    Backend, Commit, CommitError, Consistency, Entry, Keys, Map, ReadSet, Revision, StoreId,
    Stores, Unavailable,
};

/// A node's side of the replicated store, as the gateway sees it.
#[derive(Debug)]
pub struct Replicated {
    pub(super) map: Arc<Map>,
    pub(super) commits: Arc<CommitQueue>,
    pub(super) reads: Arc<ReadQueue>,
    /// Whether the node has joined and caught up: before, its map is no state that ever was.
    pub(super) caught_up: AtomicBool,
    pub(super) leader_wait: Duration,
    pub(super) faults: Faults,
}

impl Replicated {
    /// Empty stores of a node that is in no cluster yet. A request waits up to `leader_wait` for a leader.
    #[must_use]
    pub fn new(stores: Stores, leader_wait: Duration, faults: Faults) -> Self {
        Self {
            map: Arc::new(Map::new(stores)),
            commits: Arc::default(),
            reads: Arc::default(),
            caught_up: AtomicBool::new(false),
            leader_wait,
            faults,
        }
    }

    /// Whether the node has joined a cluster and caught up with it once.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Refuses what waits and what is still to come, since nobody will answer it: the process is no node any more, and
    /// will not be one again.
    pub(super) fn close(&self) {
        self.reads.close();
        self.commits.close();
    }

    fn stale(&self) -> Result<(), Unavailable> {
        if self.is_caught_up() {
            Ok(())
        } else {
            Err(Unavailable::new(
                "this node has not caught up with the cluster yet",
            ))
        }
    }
}

impl Backend for Replicated {
    fn stores(&self) -> &Stores {
        self.map.stores()
    }

    fn map(&self) -> Option<&Map> {
        Some(&self.map)
    }

    fn is_fresh(&self, consistency: Consistency) -> bool {
        let stale = consistency == Consistency::Stale || self.faults.no_read_index;
        stale && self.is_caught_up()
    }

    fn fresh(&self, consistency: Consistency) -> BoxFuture<'_, Result<(), Unavailable>> {
        if consistency == Consistency::Stale {
            return future::ready(self.stale()).boxed();
        }
        let answer = self.reads.add(self.leader_wait);
        async move {
            let stopping = || Unavailable::new("this node is stopping");
            woken(answer).await.unwrap_or_else(|_| Err(stopping()))
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        store: StoreId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Entry>, Unavailable>> {
        future::ready(Ok(self.map.get(store, key))).boxed()
    }

    fn keys(&self, store: StoreId) -> BoxFuture<'_, Result<Keys, Unavailable>> {
        future::ready(Ok(self.map.keys(store))).boxed()
    }

    fn verify<'a>(&'a self, reads: &'a ReadSet) -> BoxFuture<'a, Result<bool, Unavailable>> {
        future::ready(Ok(self.map.verify(reads))).boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
        let outcome = self.commits.add(commit, self.leader_wait);
        async move {
            match woken(outcome).await {
                Ok(outcome) => outcome.into_result(self.map.stores()),
                // Only a queue that nobody serves any more drops what is in it, and that was never sent.
                Err(_) => {
                    let stopping = Unavailable::new("this node is stopping");
                    Err(CommitError::NotApplied(stopping))
                }
            }
        }
        .boxed()
    }
}
