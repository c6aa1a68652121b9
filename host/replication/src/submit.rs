//! Commits on their way: gathered into batches, sent to whoever leads, sent again after a change of leader, and answered
//! with what is certain.
//!
//! A batch is made of all commits that wait whenever there is room for one more batch in flight, so batches grow with
//! the load and a lone commit never waits for others.
//!
//! Commits wait in the [`Queue`] until there is a leader and a way to it, and go back there where that one has certainly not
//! taken them: from there each can be taken back, at its deadline or when its client has gone, and was certainly not applied.
//! Once a batch may be in some leader's log, those whose deadlines come are told that the outcome is unknown, and the batch goes
//! on for the others.
//!
//! What they take in memory is held on the budget from the moment that they are queued. It is given back when a commit is taken
//! back or its batch has come to its end, and not when its client goes: the batch holds it until then. A batch in flight is the
//! only copy of its commits.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use spindrift_memory::Charge;
use spindrift_net::event_loop::woken;
use spindrift_store::{Applied, Commit, CommitError, Stores, Unavailable};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::command::{Batch, BatchReply, DamagedCommits, Refusal, decode_commits, encode_commits};
use super::leader_link::{Attempt, LeaderLink, Way};
use super::leadership::{Leadership, changed_from, leader_by};
use super::metrics::ReplicationMetrics;
use super::queue::{Queue, Waiting};
use super::types::{Member, NodeId};

#[cfg(test)]
mod tests;

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

/// What the commits of one batch take in memory, in bytes, beyond which it takes no further commit.
const MAX_BYTES: usize = 1 << 20;

/// Pause before something is sent again to a leader that did not take it, or could not be reached.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Commits that wait to be sent. Any thread may add to them.
pub type CommitQueue = Queue<Queued, Outcome>;

/// A commit that waits, or is on its way.
#[derive(Debug)]
pub struct Queued {
    /// The commit.
    pub commit: Commit,
    /// What it takes in memory, until it is answered.
    pub held: Charge,
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

/// A way to leaders, on which batches are sent.
pub trait Proposals: Send + Sync + 'static {
    /// A way to one leader that is open.
    type Way: Send;

    /// Opens the way to `leader`, if it is not open. Nothing where it cannot be opened.
    fn open(&self, leader: &(NodeId, Member)) -> impl Future<Output = Option<Self::Way>> + Send;

    /// Has the leader at the end of `way` propose a batch.
    fn propose(
        &self,
        way: Self::Way,
        batch: Batch,
    ) -> impl Future<Output = Attempt<BatchReply>> + Send;
}

impl Proposals for LeaderLink {
    type Way = Way;

    async fn open(&self, leader: &(NodeId, Member)) -> Option<Way> {
        self.way_to(leader).await
    }

    async fn propose(&self, way: Way, batch: Batch) -> Attempt<BatchReply> {
        Self::propose(self, way, batch).await
    }
}

/// Takes as many commits as fit one batch.
fn take_batch(queue: &CommitQueue) -> Vec<Waiting<Queued, Outcome>> {
    let (mut commits, mut bytes) = (0, 0);
    queue.take(|queued| {
        let fits = commits < MAX_COMMITS && bytes < MAX_BYTES;
        commits += 1;
        bytes += queued.held.bytes();
        fits
    })
}

/// Sends the commits of one node for as long as it is a member under one id.
pub struct Submitter<L> {
    /// The node's id.
    pub node: NodeId,
    /// Where commits come from.
    pub queue: Arc<CommitQueue>,
    /// The way to the leader.
    pub link: Arc<L>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// What is counted.
    pub metrics: ReplicationMetrics,
    /// Whether every batch is sent twice, see [`Faults`](super::faults::Faults).
    pub twice: bool,
}

/// What became of one batch.
enum Sent {
    /// Its commits are answered.
    Settled(u64),
    /// The leader has certainly not taken it, so its commits are in the queue again.
    NotTaken(u64),
}

impl<L: Proposals> Submitter<L> {
    /// Sends commits. Never ends; what is in flight when it is dropped is answered as of unknown outcome.
    pub async fn run(self) {
        let mut in_flight = FuturesUnordered::new();
        let mut numbers = Numbers::default();
        let mut leadership = self.leadership.clone();
        // Where something has just failed, it is not tried again at once.
        let mut not_before = Instant::now();
        let mut known = leadership.borrow_and_update().clone();
        loop {
            let waits = !self.queue.is_empty();
            let pausing = Instant::now() < not_before;
            let open = async {
                match &known.leader {
                    Some(leader) => (leader.0, self.link.open(leader).await),
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(sent) = in_flight.next() => match sent {
                    Sent::Settled(sequence) => numbers.settle(sequence),
                    Sent::NotTaken(sequence) => {
                        numbers.settle(sequence);
                        not_before = Instant::now() + RETRY_PAUSE;
                    }
                },
                changed = leadership.changed() => {
                    if changed.is_err() {
                        // The node has stopped: nobody leads any more, as far as it will ever know.
                        pending::<()>().await;
                    }
                    known = leadership.borrow_and_update().clone();
                    not_before = Instant::now();
                }
                (leader, way) = open, if waits && !pausing && numbers.have_room() => {
                    let Some(way) = way else {
                        not_before = Instant::now() + RETRY_PAUSE;
                        continue;
                    };
                    let commits = take_batch(&self.queue);
                    if !commits.is_empty() {
                        let (sequence, settled) = numbers.next();
                        let leader = (leader, known.term);
                        in_flight.push(self.send(way, leader, sequence, settled, commits));
                    }
                }
                () = woken(self.queue.added.notified()), if !waits => {}
                () = sleep_until(not_before), if waits && pausing => {}
            }
        }
    }

    /// Sends one batch until its outcome is known or nobody waits for it any more, and answers its commits. The way is one to
    /// this leader of this term.
    async fn send(
        &self,
        way: L::Way,
        (leader, term): (NodeId, u64),
        sequence: u64,
        settled: u64,
        waiting: Vec<Waiting<Queued, Outcome>>,
    ) -> Sent {
        let batch = Batch {
            origin: self.node,
            sequence,
            settled,
            commits: encode_commits(waiting.iter().map(|waiting| &waiting.item.commit)),
        };
        self.metrics.batch_sent(waiting.len());
        let again = self.twice.then(|| batch.clone());
        let mut leadership = self.leadership.clone();
        let mut answers = Answers(waiting);
        answers.forget_commits();
        let until = answers.last_deadline();
        let first = tokio::select! {
            attempt = self.link.propose(way, batch.clone()) => attempt,
            // It may have proposed it all the same.
            () = changed_from(&mut leadership, leader, term) => Attempt::Unknown,
            () = sleep_until(until) => Attempt::Unknown,
        };
        let outcome = match first {
            Attempt::Done(reply) => applied(reply, false),
            Attempt::NotProposed => match answers.remember_commits(batch.commits) {
                Ok(()) => {
                    self.queue.put_back(std::mem::take(&mut answers.0));
                    return Sent::NotTaken(sequence);
                }
                Err(error) => Err(CommitError::NotApplied(Unavailable::new(error.to_string()))),
            },
            Attempt::NoMemory => Err(CommitError::NotApplied(Unavailable::new(
                "the leader's memory for requests is at its limit (--memory-budget); try again later",
            ))),
            Attempt::Unknown => self.deliver(batch, until).await,
        };
        answers.give(outcome);
        if let Some(batch) = again {
            // Only once it is answered can others have written the same keys since.
            let link = self.link.clone();
            let leader = self.leadership.borrow().leader.clone();
            tokio::spawn(async move {
                sleep(RETRY_PAUSE).await;
                if let Some(leader) = leader
                    && let Some(way) = link.open(&leader).await
                {
                    link.propose(way, batch).await;
                }
            });
        }
        Sent::Settled(sequence)
    }

    /// Sends a batch again, which some leader may have put into its log, until its outcome is known.
    async fn deliver(&self, batch: Batch, until: Instant) -> Result<Vec<Applied>, CommitError> {
        let mut leadership = self.leadership.clone();
        let unknown = || {
            let reason = "no leader has said in time what became of it";
            Err(CommitError::Unknown(Unavailable::new(reason)))
        };
        loop {
            let Some(leader) = leader_by(&mut leadership, until).await else {
                return unknown();
            };
            if Instant::now() >= until {
                return unknown();
            }
            self.metrics.batch_repeated();
            let term = leadership.borrow().term;
            let mut watched = leadership.clone();
            let propose = async {
                match self.link.open(&leader).await {
                    Some(way) => self.link.propose(way, batch.clone()).await,
                    None => Attempt::NotProposed,
                }
            };
            tokio::select! {
                attempt = propose => if let Attempt::Done(reply) = attempt {
                    return applied(reply, true);
                },
                // The old leader may have proposed it, and the new one may know nothing of it: the state machine
                // applies only one of the two.
                () = changed_from(&mut watched, leader.0, term) => continue,
                () = sleep_until(until) => return unknown(),
            }
            tokio::select! {
                () = changed_from(&mut watched, leader.0, term) => {}
                () = sleep(RETRY_PAUSE) => {}
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

/// What the state machine has answered. `before` says whether an earlier copy of the batch may have been proposed.
fn applied(reply: BatchReply, before: bool) -> Result<Vec<Applied>, CommitError> {
    match reply {
        BatchReply::Applied(applied) => Ok(applied),
        BatchReply::Refused(refusal) => {
            let reason = Unavailable::new(refusal.to_string());
            // This copy was not applied. An earlier one may have been, unless no copy can be.
            Err(if before && refusal != Refusal::Damaged {
                CommitError::Unknown(reason)
            } else {
                CommitError::NotApplied(reason)
            })
        }
    }
}

/// Those who wait for the outcome of a batch. Dropped unanswered, it tells them that the outcome is unknown.
struct Answers(Vec<Waiting<Queued, Outcome>>);

impl Answers {
    /// When the last of them waits no longer.
    fn last_deadline(&self) -> Instant {
        let deadlines = self.0.iter().map(|waiting| waiting.deadline);
        deadlines.max().unwrap_or_else(Instant::now)
    }

    /// Frees the commits, of which the batch is another copy.
    fn forget_commits(&mut self) {
        for waiting in &mut self.0 {
            waiting.item.commit = Commit::default();
        }
    }

    /// Has the commits again, from their batch.
    fn remember_commits(&mut self, batch: Bytes) -> Result<(), DamagedCommits> {
        let commits = decode_commits(batch)?;
        for (waiting, commit) in self.0.iter_mut().zip(commits) {
            waiting.item.commit = commit;
        }
        Ok(())
    }

    fn give(mut self, outcome: Result<Vec<Applied>, CommitError>) {
        let waiting = std::mem::take(&mut self.0);
        match outcome {
            Ok(applied) if applied.len() == waiting.len() => {
                for (waiting, applied) in waiting.into_iter().zip(applied) {
                    waiting.answer.send(Outcome::Answered(applied)).ok();
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

fn fail(waiting: Vec<Waiting<Queued, Outcome>>, error: &CommitError) {
    for waiting in waiting {
        waiting.answer.send(Outcome::Failed(error.clone())).ok();
    }
}
