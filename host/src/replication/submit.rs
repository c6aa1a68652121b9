//! Commits on their way: gathered into batches, sent to whoever leads, sent again after a change of leader, and answered
//! with what is certain.
//!
//! A batch is made of all commits that wait whenever there is room for one more batch in flight, so batches grow with
//! the load and a lone commit never waits for others.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::command::{Batch, BatchReply, Refusal, encode_commits};
use super::leader_link::{Attempt, LeaderLink};
use super::leadership::{Leadership, changed_from, leader_by};
use super::metrics::ReplicationMetrics;
use super::types::NodeId;
use crate::event_loop::woken;
use crate::store::{Applied, Commit, CommitError, Stores, Unavailable};

/// Batches of one node whose outcome it does not know yet.
///
/// With more of them a commit waits less for the batch before it, and batches are smaller, of which each costs every node
/// the same.
pub const MAX_BATCHES_IN_FLIGHT: usize = 2;

/// Replies to one node's batches that the state machine remembers at most. A batch that waits to be sent again, while others
/// go on, keeps the replies to those: from there on they wait for it.
///
/// More than are applied while a batch waits for [`RETRY_PAUSE`], so that a leader that did not take one holds nobody up.
pub const MAX_REMEMBERED_REPLIES: u64 = 256;

/// Commits in one batch at most.
const MAX_COMMITS: usize = 1024;

/// Keys and values in one batch, in bytes, beyond which it takes no further commit.
const MAX_BYTES: usize = 1 << 20;

/// Pause before a batch is sent again to a leader that did not take it.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Commits that wait to be sent. Any thread may add to them.
#[derive(Debug, Default)]
pub struct CommitQueue {
    waiting: Mutex<VecDeque<Waiting>>,
    added: Notify,
    /// Whether nobody sends commits any more. Changed under the lock of `waiting`.
    closed: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    commit: Commit,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// What became of one commit.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The state machine has answered.
    Answered(Applied),
    /// It did not come to that.
    Failed(CommitError),
}

impl Outcome {
    /// The outcome as the caller of a commit wants it.
    pub fn into_result(self, stores: &Stores) -> Result<u64, CommitError> {
        match self {
            Self::Answered(Applied::Committed { revision }) => Ok(revision),
            Self::Answered(refused) => Err(refused.into_error(stores)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl CommitQueue {
    /// Adds a commit. The receiver hears of its outcome, `wait` from now at the latest or little after.
    pub fn add(&self, commit: Commit, wait: Duration) -> oneshot::Receiver<Outcome> {
        let (answer, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if !self.closed.load(Ordering::Relaxed) {
            waiting.push_back(Waiting {
                commit,
                deadline: Instant::now() + wait,
                answer,
            });
        }
        drop(waiting);
        self.added.notify_one();
        receiver
    }

    /// Drops all commits that have not been sent, and those that are still to come: their receivers hear of it at once.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        self.closed.store(true, Ordering::Relaxed);
        waiting.clear();
    }

    fn take_batch(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let mut bytes = 0;
        let fits = waiting.iter().take(MAX_COMMITS).take_while(|next| {
            let before = bytes;
            bytes += size(&next.commit);
            before < MAX_BYTES
        });
        let count = fits.count();
        waiting.drain(..count).collect()
    }

    fn first_deadline(&self) -> Option<Instant> {
        self.waiting.lock().front().map(|first| first.deadline)
    }

    /// Answers those whose time is up. They have not been sent.
    pub(super) fn expire(&self, now: Instant, reason: impl Fn() -> String) {
        loop {
            let mut waiting = self.waiting.lock();
            if waiting.front().is_none_or(|first| first.deadline > now) {
                return;
            }
            let expired = waiting.pop_front();
            drop(waiting);
            if let Some(expired) = expired {
                let error = CommitError::NotApplied(Unavailable::new(reason()));
                expired.answer.send(Outcome::Failed(error)).ok();
            }
        }
    }
}

fn size(commit: &Commit) -> usize {
    let reads = commit.reads.reads.iter().map(|read| read.key.len() + 16);
    let writes = commit.writes.iter();
    let writes = writes.map(|write| write.key_bytes().len() + write.value().map_or(0, <[u8]>::len));
    reads.sum::<usize>() + writes.sum::<usize>()
}

/// Sends the commits of one node for as long as it is a member under one id.
pub struct Submitter {
    /// The node's id.
    pub node: NodeId,
    /// Where commits come from.
    pub queue: Arc<CommitQueue>,
    /// The way to the leader.
    pub link: Arc<LeaderLink>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// How long a commit waits for a leader.
    pub leader_wait: Duration,
    /// What is counted.
    pub metrics: ReplicationMetrics,
    /// Whether every batch is sent twice, see [`Faults`](super::faults::Faults).
    pub twice: bool,
}

impl Submitter {
    /// Sends commits. Never ends; what is in flight when it is dropped is answered as of unknown outcome.
    pub async fn run(self) {
        let mut in_flight = FuturesUnordered::new();
        let mut numbers = Numbers::default();
        loop {
            while numbers.have_room() {
                let commits = self.queue.take_batch();
                if commits.is_empty() {
                    break;
                }
                let (sequence, settled) = numbers.next();
                in_flight.push(self.send(sequence, settled, commits));
            }
            let full = !numbers.have_room();
            let expiry: BoxFuture<'_, ()> = match self.queue.first_deadline() {
                Some(deadline) => Box::pin(sleep_until(deadline)),
                None => Box::pin(pending()),
            };
            tokio::select! {
                Some(sequence) = in_flight.next() => {
                    numbers.settle(sequence);
                }
                () = woken(self.queue.added.notified()), if !full => {}
                () = expiry => {
                    let leadership = self.leadership.borrow().clone();
                    let reason = || leadership.why_unavailable(self.leader_wait);
                    self.queue.expire(Instant::now(), reason);
                }
            }
        }
    }

    /// Sends one batch until its outcome is known or time is up, and answers its commits.
    async fn send(&self, sequence: u64, settled: u64, waiting: Vec<Waiting>) -> u64 {
        let now = Instant::now();
        let deadline = waiting.first().map_or(now, |first| first.deadline);
        let batch = Batch {
            origin: self.node,
            sequence,
            settled,
            commits: encode_commits(waiting.iter().map(|waiting| &waiting.commit)),
        };
        self.metrics.batch_sent(waiting.len());
        let answers = Answers(waiting.into_iter().map(|waiting| waiting.answer).collect());
        let again = self.twice.then(|| batch.clone());
        answers.give(self.deliver(batch, deadline).await);
        if let Some(batch) = again {
            // Only once it is answered can others have written the same keys since.
            let link = self.link.clone();
            let leader = self.leadership.borrow().leader.clone();
            tokio::spawn(async move {
                sleep(RETRY_PAUSE).await;
                if let Some(leader) = leader {
                    link.propose(&leader, batch).await;
                }
            });
        }
        sequence
    }

    async fn deliver(&self, batch: Batch, deadline: Instant) -> Result<Vec<Applied>, CommitError> {
        let mut leadership = self.leadership.clone();
        // Whether some leader may have put it into its log.
        let mut proposed = false;
        let mut first = true;
        loop {
            let Some(leader) = leader_by(&mut leadership, deadline).await else {
                let reason = leadership.borrow().why_unavailable(self.leader_wait);
                return Err(undelivered(proposed, reason));
            };
            if !std::mem::take(&mut first) {
                self.metrics.batch_repeated();
            }
            let term = leadership.borrow().term;
            let mut watched = leadership.clone();
            tokio::select! {
                attempt = self.link.propose(&leader, batch.clone()) => match attempt {
                    Attempt::Done(BatchReply::Applied(applied)) => return Ok(applied),
                    Attempt::Done(BatchReply::Refused(refusal)) => return Err(refused(refusal, proposed)),
                    Attempt::NotProposed => {}
                    Attempt::Unknown => proposed = true,
                },
                // The old leader may have proposed it, and the new one may know nothing of it: the state machine
                // applies only one of the two.
                () = changed_from(&mut watched, leader.0, term) => {
                    proposed = true;
                    continue;
                }
                () = sleep_until(deadline) => {
                    let reason = leadership.borrow().why_unavailable(self.leader_wait);
                    return Err(undelivered(true, reason));
                }
            }
            tokio::select! {
                () = changed_from(&mut watched, leader.0, term) => {}
                () = sleep(RETRY_PAUSE) => {}
            }
            if Instant::now() >= deadline {
                let reason = leadership.borrow().why_unavailable(self.leader_wait);
                return Err(undelivered(proposed, reason));
            }
        }
    }
}

/// The numbers of one node's batches.
#[derive(Debug, Default)]
struct Numbers {
    /// The last one given. The first one is 1.
    last: u64,
    /// Of the batches in flight.
    unsettled: BTreeSet<u64>,
}

impl Numbers {
    /// Whether one more batch may be sent.
    fn have_room(&self) -> bool {
        let first = self.unsettled.first();
        self.unsettled.len() < MAX_BATCHES_IN_FLIGHT
            && first.is_none_or(|first| self.last - first < MAX_REMEMBERED_REPLIES - 1)
    }

    /// The number of one more batch, and the one below which all are settled.
    fn next(&mut self) -> (u64, u64) {
        self.last += 1;
        self.unsettled.insert(self.last);
        let settled = self.unsettled.first().copied();
        (self.last, settled.unwrap_or(self.last))
    }

    /// The outcome of batch `sequence` is known.
    fn settle(&mut self, sequence: u64) {
        self.unsettled.remove(&sequence);
    }
}

fn undelivered(proposed: bool, reason: String) -> CommitError {
    let reason = Unavailable::new(reason);
    if proposed {
        CommitError::Unknown(reason)
    } else {
        CommitError::NotApplied(reason)
    }
}

fn refused(refusal: Refusal, proposed: bool) -> CommitError {
    // This copy was not applied. An earlier one may have been, unless no copy can be.
    undelivered(proposed && refusal != Refusal::Damaged, refusal.to_string())
}

/// Those who wait for the outcome of a batch. Dropped unanswered, it tells them that the outcome is unknown.
struct Answers(Vec<oneshot::Sender<Outcome>>);

impl Answers {
    fn give(mut self, outcome: Result<Vec<Applied>, CommitError>) {
        let waiting = std::mem::take(&mut self.0);
        match outcome {
            Ok(applied) if applied.len() == waiting.len() => {
                for (answer, applied) in waiting.into_iter().zip(applied) {
                    answer.send(Outcome::Answered(applied)).ok();
                }
            }
            Ok(_) => {
                let reason =
                    "the leader's answer has another number of outcomes than the batch has commits";
                fail(waiting, &CommitError::Unknown(Unavailable::new(reason)));
            }
            Err(error) => fail(waiting, &error),
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let reason = "this node has left the cluster, or is stopping";
        let waiting = std::mem::take(&mut self.0);
        fail(waiting, &CommitError::Unknown(Unavailable::new(reason)));
    }
}

fn fail(waiting: Vec<oneshot::Sender<Outcome>>, error: &CommitError) {
    for answer in waiting {
        answer.send(Outcome::Failed(error.clone())).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_go_on_beside_one_that_waits_until_there_are_many_replies_to_remember() {
        let mut numbers = Numbers::default();
        let (waiting, _) = numbers.next();
        let mut sent = 1;
        while numbers.have_room() {
            let (sequence, settled) = numbers.next();
            assert_eq!(settled, waiting);
            numbers.settle(sequence);
            sent += 1;
            assert!(sent <= MAX_REMEMBERED_REPLIES, "without end");
        }
        assert_eq!(sent, MAX_REMEMBERED_REPLIES);
        numbers.settle(waiting);
        let (next, settled) = numbers.next();
        assert_eq!(settled, next, "all before it are settled");
    }

    #[test]
    fn a_batch_is_sent_whenever_there_is_room_for_one_more() {
        let mut numbers = Numbers::default();
        for _ in 0..3 * MAX_REMEMBERED_REPLIES {
            while numbers.have_room() {
                numbers.next();
            }
            assert_eq!(numbers.unsettled.len(), MAX_BATCHES_IN_FLIGHT);
            let first = numbers.unsettled.first().copied();
            numbers.settle(first.expect("one in flight"));
        }
    }
}
