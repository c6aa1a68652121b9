//! [`Replicated`]: the backend that commits through the cluster's log and reads from this node's map.
//!
//! It outlives the node's membership: while the node is in no cluster, requests wait in the queues, and are refused when
//! their time is up: that of the request, or `leader_wait` if that is shorter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{self, BoxFuture, FutureExt};
use parking_lot::Mutex;
use spindrift_memory::Charge;
use spindrift_store::{
    Backend, Commit, CommitError, Consistency, Map, ReadSet, Revision, Stores, Unavailable,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::faults::Faults;
use super::leadership::Leadership;
use super::queue::Ended;
use super::read_index::ReadQueue;
use super::submit::{CommitQueue, Queued};

/// A node's side of the replicated store, as the gateway sees it.
#[derive(Debug)]
pub struct Replicated {
    pub(super) map: Arc<Map>,
    pub(super) commits: Arc<CommitQueue>,
    pub(super) reads: Arc<ReadQueue>,
    /// Whether the node has joined and caught up: before, its map is no state that ever was.
    pub(super) caught_up: AtomicBool,
    /// Who leads, once this process is a node.
    leadership: Mutex<Option<watch::Receiver<Leadership>>>,
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
            leadership: Mutex::new(None),
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

    /// Says from now on with what this node knows of its leader why something could not be had.
    pub(super) fn explain_with(&self, leadership: watch::Receiver<Leadership>) {
        *self.leadership.lock() = Some(leadership);
    }

    /// When something that begins now has waited long enough.
    fn patience(&self, deadline: Instant) -> Patience {
        let now = Instant::now();
        Patience {
            since: now,
            end: deadline.min(now + self.leader_wait),
            deadline,
        }
    }

    /// Why there is no answer after all of that time.
    fn unavailable(&self, patience: &Patience) -> Unavailable {
        let why = match &*self.leadership.lock() {
            Some(leadership) => leadership
                .borrow()
                .why_unavailable(patience.since.elapsed()),
            None => "this node has not joined a cluster yet".to_owned(),
        };
        if patience.end < patience.deadline {
            Unavailable::new(why)
        } else {
            Unavailable::timed_out(format!("the request's time is up, and {why}"))
        }
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
    fn map(&self) -> &Map {
        &self.map
    }

    fn is_fresh(&self, consistency: Consistency) -> bool {
        let stale = consistency == Consistency::Stale || self.faults.no_read_index;
        stale && self.is_caught_up()
    }

    fn fresh(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Unavailable>> {
        if consistency == Consistency::Stale {
            return future::ready(self.stale()).boxed();
        }
        let patience = self.patience(deadline);
        let read = self.reads.add((), patience.end);
        async move {
            match read.answer().await {
                Ended::Answered(answer) => answer,
                Ended::TakenBack | Ended::Unanswered => Err(self.unavailable(&patience)),
                Ended::Closed => Err(Unavailable::new("this node is stopping")),
            }
        }
        .boxed()
    }

    fn verify<'a>(
        &'a self,
        reads: &'a ReadSet,
        _: Instant,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        future::ready(Ok(self.map.verify(reads))).boxed()
    }

    fn commit(
        &self,
        commit: Commit,
        held: Charge,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        let patience = self.patience(deadline);
        let queued = self.commits.add(Queued { commit, held }, patience.end);
        async move {
            match queued.answer().await {
                Ended::Answered(outcome) => outcome.into_result(self.map.stores()),
                Ended::TakenBack => Err(CommitError::NotApplied(self.unavailable(&patience))),
                Ended::Unanswered => Err(CommitError::Unknown(self.unavailable(&patience))),
                // Only a queue that nobody serves any more drops what is in it, and that was never sent.
                Ended::Closed => {
                    let stopping = Unavailable::new("this node is stopping");
                    Err(CommitError::NotApplied(stopping))
                }
            }
        }
        .boxed()
    }
}

/// How long something waits.
struct Patience {
    since: Instant,
    /// When it waits no longer.
    end: Instant,
    /// When the request's time is up, which is then or later.
    deadline: Instant,
}
