//! Linearizable reads: one question to the leader serves all reads that wait for it.
//!
//! After Ongaro, "Consensus: Bridging Theory and Practice" (2014), section 6.4: the leader names its commit index of a
//! moment after the question was asked and at which it certainly led; a node that has applied up to there sees every
//! write that was acknowledged before. A read that arrives while a question is under way waits for the next one, since
//! the answer may be older than it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use spindrift_net::event_loop::woken;
use spindrift_store::Unavailable;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::leader_link::{Attempt, LeaderLink};
use super::leadership::{Leadership, changed_from};
use super::metrics::ReplicationMetrics;
use super::pacing::{PATIENCE, Pacing};
use super::queue::{self, Queue};

/// Pause before a leader that did not answer is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How long a leader that does not answer is waited for, before it is asked again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);

/// Reads that wait for a read index. Any thread may add to them. Each hears whether this node's map is fresh enough for it.
pub type ReadQueue = Queue<(), Result<(), Unavailable>>;

/// One of them.
type Waiting = queue::Waiting<(), Result<(), Unavailable>>;

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
            tokio::select! {
                () = woken(self.queue.added.notified()), if has_leader => {
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
                    // Reads that came while nobody led may have used up their notification.
                    self.queue.added.notify_one();
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
        let reads = self.queue.take(|()| true);
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
        let last = reads.iter().map(|read| read.deadline).max();
        tokio::spawn(async move {
            let fresh = applied.wait_for(|applied| *applied > index);
            let fresh = match timeout_at(last.unwrap_or_else(Instant::now), fresh).await {
                Ok(Ok(_)) => Ok(()),
                _ => Err(Unavailable::new(
                    "this node has not caught up with the leader in time",
                )),
            };
            for read in reads {
                read.answer.send(fresh.clone()).ok();
            }
        });
    }
}
