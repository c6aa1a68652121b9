//! Linearizable reads: one question to the leader serves all reads that wait for it.
//!
//! After Ongaro, "Consensus: Bridging Theory and Practice" (2014), section 6.4: the leader names its commit index of a
//! moment after the question was asked and at which it certainly led; a node that has applied up to there sees every
//! write that was acknowledged before. A read that arrives while a question is under way waits for the next one, since
//! the answer may be older than it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::leader_link::{Attempt, LeaderLink};
use super::leadership::{Leadership, changed_from};
use super::metrics::ReplicationMetrics;
use super::pacing::{PATIENCE, Pacing};
use crate::event_loop::woken;
use crate::store::Unavailable;

/// Pause before a leader that did not answer is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How long a leader that does not answer is waited for, before those whose time is up are told.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);

/// Reads that wait for a read index. Any thread may add to them.
#[derive(Debug, Default)]
pub struct ReadQueue {
    waiting: Mutex<Vec<Waiting>>,
    added: Notify,
    /// Whether nobody answers reads any more. Changed under the lock of `waiting`.
    closed: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    answer: oneshot::Sender<Result<(), Unavailable>>,
}

impl ReadQueue {
    /// Adds a read. The receiver hears when this node's map is fresh enough for it, or `wait` from now that it is not.
    pub fn add(&self, wait: Duration) -> oneshot::Receiver<Result<(), Unavailable>> {
        let (answer, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if !self.closed.load(Ordering::Relaxed) {
            waiting.push(Waiting {
                deadline: Instant::now() + wait,
                answer,
            });
        }
        drop(waiting);
        self.added.notify_one();
        receiver
    }

    /// Drops all reads, and those that are still to come: their receivers hear of it at once.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        self.closed.store(true, Ordering::Relaxed);
        waiting.clear();
    }

    fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut *self.waiting.lock())
    }

    fn put_back(&self, mut reads: Vec<Waiting>) {
        let mut waiting = self.waiting.lock();
        reads.append(&mut waiting);
        *waiting = reads;
        self.added.notify_one();
    }

    fn first_deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.lock();
        waiting.iter().map(|read| read.deadline).min()
    }

    /// Answers those whose time is up.
    pub(super) fn expire(&self, now: Instant, reason: impl Fn() -> String) {
        let mut waiting = self.waiting.lock();
        let expired: Vec<Waiting> = waiting
            .extract_if(.., |read| read.deadline <= now)
            .collect();
        drop(waiting);
        for read in expired {
            read.answer.send(Err(Unavailable::new(reason()))).ok();
        }
    }
}

/// Answers the reads of one node for as long as it is a member under one id.
pub struct ReadIndex {
    /// Where reads come from.
    pub queue: Arc<ReadQueue>,
    /// The way to the leader.
    pub link: Arc<LeaderLink>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// The index after the last entry that this node has applied.
    pub applied: watch::Receiver<u64>,
    /// How long a read waits for a leader.
    pub leader_wait: Duration,
    /// What is counted.
    pub metrics: ReplicationMetrics,
}

impl ReadIndex {
    /// Answers reads. Never ends.
    pub async fn run(self) {
        let mut leadership = self.leadership.clone();
        let mut pacing = Pacing::default();
        loop {
            let has_leader = leadership.borrow().leader.is_some();
            let expiry: BoxFuture<'_, ()> = match self.queue.first_deadline() {
                // With a leader, they are about to be answered.
                Some(deadline) if !has_leader => Box::pin(sleep_until(deadline)),
                _ => Box::pin(pending()),
            };
            tokio::select! {
                () = woken(self.queue.added.notified()) => {
                    if !has_leader {
                        // It may be the first whose time is up.
                        continue;
                    }
                    let alone = {
                        let known = leadership.borrow();
                        let leader = known.leader.as_ref();
                        leader.is_some_and(|leader| self.link.answers_alone(leader))
                    };
                    // A question to the own node costs little, and each read would wait for others in vain.
                    if !alone {
                        self.gather(pacing.wanted()).await;
                    }
                    let reads = self.round(&mut leadership).await;
                    if !alone {
                        pacing.asked(reads);
                    }
                }
                changed = leadership.changed() => {
                    if changed.is_err() {
                        pending::<()>().await;
                    }
                    // Reads that came while nobody led have used up their notification.
                    self.queue.added.notify_one();
                }
                () = expiry => {
                    let known = leadership.borrow().clone();
                    self.queue.expire(Instant::now(), || known.why_unavailable(self.leader_wait));
                }
            }
        }
    }

    /// Waits until so many reads wait, for a moment at most.
    async fn gather(&self, wanted: usize) {
        let enough = async {
            while self.queue.len() < wanted {
                woken(self.queue.added.notified()).await;
            }
        };
        // Not reached: those that are there are asked for.
        timeout(PATIENCE, enough).await.ok();
    }

    /// Asks the leader once, for all reads that wait now, and says how many those were.
    async fn round(&self, leadership: &mut watch::Receiver<Leadership>) -> usize {
        let known = leadership.borrow().clone();
        let Some(leader) = known.leader.clone() else {
            return 0;
        };
        let reads = self.queue.take();
        let count = reads.len();
        if count == 0 {
            return 0;
        }
        self.metrics.read_index_round(count);
        let attempt = tokio::select! {
            attempt = self.link.read_index(&leader) => attempt,
            () = changed_from(leadership, leader.0, known.term) => Attempt::Unknown,
            () = sleep(ATTEMPT_TIMEOUT) => Attempt::Unknown,
        };
        if let Attempt::Done(index) = attempt {
            self.answer(reads, index);
            return count;
        }
        self.queue.put_back(reads);
        self.queue
            .expire(Instant::now(), || known.why_unavailable(self.leader_wait));
        tokio::select! {
            () = changed_from(leadership, leader.0, known.term) => {}
            () = sleep(RETRY_PAUSE) => {}
        }
        count
    }

    /// Answers reads once this node has applied the entry at `index`.
    fn answer(&self, reads: Vec<Waiting>, index: u64) {
        if *self.applied.borrow() > index {
            for read in reads {
                read.answer.send(Ok(())).ok();
            }
            return;
        }
        let mut applied = self.applied.clone();
        tokio::spawn(async move {
            for read in reads {
                let fresh = applied.wait_for(|applied| *applied > index);
                let fresh = match timeout_at(read.deadline, fresh).await {
                    Ok(Ok(_)) => Ok(()),
                    _ => Err(Unavailable::new(
                        "this node has not caught up with the leader in time",
                    )),
                };
                read.answer.send(fresh).ok();
            }
        });
    }
}
