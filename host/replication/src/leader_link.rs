//! The way to the leader: batches and questions for the read index, proposed here where this node leads, else sent over
//! one stream that all of them share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::linearizable_read::LinearizerOption;
use parking_lot::Mutex;
use spindrift_memory::Purpose;
use tokio::sync::{mpsc, oneshot};

use super::command::{Batch, BatchReply, Command, Reply};
use super::elections::Elections;
use super::network::Peers;
use super::node::Node;
use super::protocol as wire;
use super::protocol::submit_reply::Outcome;
use super::protocol::submit_request::Request;
use super::types::{Identity, Member, NodeId, Raft};
use super::vote_lease::Leases;

/// Requests that may be on their way into the stream. More wait for room. A leader that takes nothing leaves that many batches in
/// memory, until its connection is given up, whose commits nobody waits for: few do.
const QUEUE: usize = 8;

/// How an attempt to have something done by the leader ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt<T> {
    /// It was done.
    Done(T),
    /// The node that was asked has not proposed it: it does not lead, or cannot.
    NotProposed,
    /// The leader has not proposed it, since it has no memory left for it.
    NoMemory,
    /// It may have been proposed, and may come to be applied.
    Unknown,
}

/// How reads are confirmed.
#[derive(Clone, Debug)]
pub struct ReadPolicy {
    /// Whether a majority that has just acknowledged the leader spares asking it again.
    pub lease: bool,
    /// How long the members let the leader rely on what they have acknowledged.
    pub leases: Leases,
    /// How long the leader waits for a majority.
    pub wait: Duration,
}

impl ReadPolicy {
    fn max_age(&self, raft: &Raft) -> Duration {
        match self.lease {
            true => self.leases.max_age(raft),
            false => Duration::ZERO,
        }
    }
}

/// Proposes a batch on this node.
pub async fn propose(raft: &Raft, batch: Batch) -> Attempt<BatchReply> {
    match raft.client_write(Command::Batch(batch)).await {
        Ok(response) => match response.data {
            Reply::Batch(reply) => Attempt::Done(reply),
            Reply::Nothing | Reply::Node(_) => Attempt::Unknown,
        },
        // Refused before it was appended: this is not the leader, or has not heard of a majority for a lease.
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Attempt::NotProposed,
        Err(_) => Attempt::Unknown,
    }
}

/// The log index up to which a node must have applied before it reads, as the leader on this node says.
pub async fn read_index(raft: &Raft, policy: &ReadPolicy) -> Attempt<u64> {
    let mut age = policy.max_age(raft);
    loop {
        let option = LinearizerOption::new(Some(age), true).with_wait_timeout(policy.wait);
        let Ok((read, _)) = raft.get_read_log_id(option).await else {
            return Attempt::NotProposed;
        };
        // A member with a shorter lease may have come before openraft answered.
        let now = policy.max_age(raft);
        if now >= age {
            return Attempt::Done(read.index());
        }
        age = now;
    }
}

/// The way from one node to whoever leads.
#[derive(Debug)]
pub struct LeaderLink {
    identity: Identity,
    raft: Raft,
    peers: Peers,
    policy: ReadPolicy,
    elections: Elections,
    stream: tokio::sync::Mutex<Option<(NodeId, Arc<Stream>)>>,
}

/// A way to a leader on which it can be asked at once.
#[derive(Debug)]
pub enum Way {
    /// This node is the leader.
    Own,
    /// A stream to the leader.
    Stream(Arc<Stream>),
}

/// One open stream to one node.
#[derive(Debug)]
pub struct Stream {
    requests: mpsc::Sender<wire::SubmitRequest>,
    next_id: AtomicU64,
    /// Who waits for which reply; nothing once the stream is broken.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Outcome>>>>,
}

impl LeaderLink {
    /// For the node `identity`, whose part in the cluster is `raft`.
    #[must_use]
    pub fn new(
        identity: Identity,
        raft: Raft,
        peers: Peers,
        policy: ReadPolicy,
        elections: Elections,
    ) -> Self {
        Self {
            identity,
            raft,
            peers,
            policy,
            elections,
            stream: tokio::sync::Mutex::new(None),
        }
    }

    /// Whether `leader` is this node, and answers without asking others.
    #[must_use]
    pub fn answers_alone(&self, leader: &(NodeId, Member)) -> bool {
        leader.0 == self.identity.node && self.policy.lease
    }

    /// The way to `leader`: the one that is open, or a new one. Nothing where none can be opened, or where the leader is silent: what
    /// is sent to one that stands still stays on its way, and of what waits here it is known that it was not applied.
    pub async fn way_to(&self, leader: &(NodeId, Member)) -> Option<Way> {
        if leader.0 == self.identity.node {
            return Some(Way::Own);
        }
        if !self.elections.leader_is_heard() {
            return None;
        }
        self.stream_to(leader).await.ok().map(Way::Stream)
    }

    /// Has the leader at the end of `way` propose a batch.
    pub async fn propose(&self, way: Way, batch: Batch) -> Attempt<BatchReply> {
        let stream = match way {
            Way::Own => return propose(&self.raft, batch).await,
            Way::Stream(stream) => stream,
        };
        match stream.ask(Request::Batch((&batch).into())).await {
            Ok(Outcome::Batch(reply)) => reply.try_into().map_or(Attempt::Unknown, Attempt::Done),
            Ok(Outcome::NotLeader(refusal)) if refusal.no_memory => Attempt::NoMemory,
            Ok(Outcome::NotLeader(_)) | Err(NotSent) => Attempt::NotProposed,
            Ok(Outcome::Unknown(_) | Outcome::ReadIndex(_)) => Attempt::Unknown,
        }
    }

    /// Asks `leader` for the read index.
    pub async fn read_index(&self, leader: &(NodeId, Member)) -> Attempt<u64> {
        if leader.0 == self.identity.node {
            return read_index(&self.raft, &self.policy).await;
        }
        let Ok(stream) = self.stream_to(leader).await else {
            return Attempt::NotProposed;
        };
        let request = Request::ReadIndex(wire::ReadIndexRequest {});
        match stream.ask(request).await {
            Ok(Outcome::ReadIndex(index)) => Attempt::Done(index),
            _ => Attempt::NotProposed,
        }
    }

    /// The stream to `leader`: the one that is open, or a new one.
    async fn stream_to(&self, leader: &(NodeId, Member)) -> Result<Arc<Stream>, NotSent> {
        let mut open = self.stream.lock().await;
        if let Some((node, stream)) = &*open
            && *node == leader.0
            && stream.waiting.lock().is_some()
        {
            return Ok(stream.clone());
        }
        let target = Identity {
            node: leader.0,
            ..self.identity
        };
        let (requests, outgoing) = mpsc::channel(QUEUE);
        let replies = self.peers.submit(&leader.1.peer, target, outgoing).await;
        let mut replies = replies.map_err(|error| {
            tracing::debug!(leader = leader.0, "no stream to the leader: {error}");
            NotSent
        })?;
        let stream = Arc::new(Stream {
            requests,
            next_id: AtomicU64::new(0),
            waiting: Mutex::new(Some(HashMap::new())),
        });
        let reading = Arc::downgrade(&stream);
        tokio::spawn(async move {
            while let Ok(Some(reply)) = replies.message().await {
                let Some(stream) = reading.upgrade() else {
                    return;
                };
                let mut waiting = stream.waiting.lock();
                let waiter = waiting
                    .as_mut()
                    .and_then(|waiting| waiting.remove(&reply.id));
                if let (Some(waiter), Some(outcome)) = (waiter, reply.outcome) {
                    // Whoever asked may have gone.
                    waiter.send(outcome).ok();
                }
            }
            if let Some(stream) = reading.upgrade() {
                stream.waiting.lock().take();
            }
        });
        *open = Some((leader.0, stream.clone()));
        Ok(stream)
    }
}

impl Stream {
    async fn ask(&self, request: Request) -> Result<Outcome, NotSent> {
        let (sender, reply) = oneshot::channel();
        // First a place on the stream: what waits for a reply has been sent.
        let place = self.requests.reserve().await.map_err(|_| NotSent)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.insert(id, sender);
        } else {
            return Err(NotSent);
        }
        place.send(wire::SubmitRequest {
            id,
            request: Some(request),
        });
        // A stream that breaks drops the senders of all who wait.
        Ok(reply
            .await
            .unwrap_or_else(|_| Outcome::Unknown(String::new())))
    }
}

/// It never reached the other node.
struct NotSent;

/// Answers one request of a [`Submit`](wire::SubmitRequest) stream on the node that it was sent to.
pub async fn answer(node: &Node, request: wire::SubmitRequest) -> wire::SubmitReply {
    let raft = &node.raft;
    let not_proposed = |no_memory| {
        let leader = String::new();
        Outcome::NotLeader(wire::NotLeader { leader, no_memory })
    };
    let not_leader = || not_proposed(false);
    let unknown = |reason: &str| Outcome::Unknown(reason.to_owned());
    let outcome = match request.request {
        Some(Request::Batch(batch)) => {
            // Until it is answered: the log has a bound of its own.
            let held = node
                .memory
                .charge(Purpose::Transactions, batch.commits.len());
            match held {
                Ok(_held) => match propose(raft, batch.into()).await {
                    Attempt::Done(reply) => Outcome::Batch((&reply).into()),
                    Attempt::NotProposed => not_leader(),
                    Attempt::NoMemory => not_proposed(true),
                    Attempt::Unknown => {
                        unknown("this node stopped leading while the batch was under way")
                    }
                },
                // Its commits wait on the node whose requests made them, which says so.
                Err(_) => not_proposed(true),
            }
        }
        Some(Request::ReadIndex(_)) => match read_index(raft, &node.read_policy).await {
            Attempt::Done(index) => {
                node.news.want();
                Outcome::ReadIndex(index)
            }
            Attempt::NotProposed | Attempt::NoMemory | Attempt::Unknown => not_leader(),
        },
        None => not_leader(),
    };
    wire::SubmitReply {
        id: request.id,
        outcome: Some(outcome),
    }
}
