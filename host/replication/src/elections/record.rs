//! [`Elections`]: what this node has seen of elections. Those who ask for votes and answer tell it, and so does the watch on
//! openraft; it says so in the log, and counts.
//!
//! A node that is cut off stands for election several times a second, for as long as it is. What goes on like that is said
//! when it begins, then each 10 s with how often it was, and when it ends.

mod candidate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ballot::{Ballot, StepDown};
use super::hearing::Hearing;
use super::metrics::ElectionMetrics;
use super::refusal::Refusal;
use super::repeats::{Repeats, since_then};
use super::scheduling::Delay;
use crate::types::{NodeId, StoredMembership, Vote};

/// Bytes of a peer's or the system's words that are shown.
const MAX_WORDS: usize = 300;

/// What this node has seen of elections. Clones share it.
#[derive(Clone, Debug)]
pub struct Elections(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    own: NodeId,
    heartbeat: Duration,
    metrics: ElectionMetrics,
    /// Where the members are.
    members: BTreeMap<NodeId, String>,
    voters: Vec<NodeId>,
    /// The term that it is in.
    term: u64,
    /// The newest term that it has heard of, which it need not take part in, and from which node.
    newest: (u64, NodeId),
    hearing: Hearing,
    /// The election that this node stands for, until somebody leads.
    candidacy: Option<Candidacy>,
    /// Whom this node, which leads, hands over to.
    handing_over_to: Option<NodeId>,
    /// Elections that this node stands for, and answers that it gets.
    own_repeats: Repeats<Event>,
    /// What others ask of this node.
    others_repeats: Repeats<Event>,
}

#[derive(Debug)]
struct Candidacy {
    began: Instant,
    times: u64,
    round: Round,
}

/// The votes that are asked for at a time.
#[derive(Debug)]
struct Round {
    ballot: Ballot,
    term: u64,
    asked: Vec<NodeId>,
    given: Vec<NodeId>,
}

/// What may happen again and again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Event {
    Began,
    HeardAgain,
    Asked(Ballot),
    HandedOver(NodeId),
    Answered(Ballot, NodeId, &'static str),
}

/// Whole milliseconds, for a field of the log.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Elections {
    /// What the node `own` is to see.
    #[must_use]
    pub fn new(
        own: NodeId,
        lease: Duration,
        heartbeat: Duration,
        metrics: ElectionMetrics,
    ) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            own,
            heartbeat,
            metrics,
            members: BTreeMap::new(),
            voters: Vec::new(),
            term: 0,
            newest: (0, own),
            hearing: Hearing::new(lease),
            candidacy: None,
            handing_over_to: None,
            own_repeats: Repeats::default(),
            others_repeats: Repeats::default(),
        })))
    }

    /// This node is in `term`, and these are the members.
    pub(super) fn is_in(&self, term: u64, membership: &StoredMembership) {
        let mut seen = self.0.lock();
        seen.term = term;
        let nodes = membership.nodes();
        seen.members = nodes
            .map(|(node, member)| (*node, member.peer.clone()))
            .collect();
        seen.voters = membership.voter_ids().collect();
    }

    /// A leader that was elected with `vote` has sent something.
    pub fn heard(&self, vote: &Vote) {
        let (term, leader) = (vote.leader_id.term, vote.leader_id.voted_for);
        let mut seen = self.0.lock();
        seen.learn_of_term(term, leader);
        if term < seen.term {
            // It does not know yet that it leads no more.
            return;
        }
        let late = seen.heartbeat * 2;
        if let Some(silence) = seen.hearing.heard(term, leader)
            && silence > late
        {
            seen.metrics.heard_late(silence);
        }
    }

    /// This node has heard from `node` of a term, which may be newer than what it knew.
    pub fn learn_of_term(&self, term: u64, node: NodeId) {
        self.0.lock().learn_of_term(term, node);
    }

    /// This process did not run for `duration`, until now.
    pub(super) fn did_not_run(&self, duration: Duration) {
        self.0.lock().hearing.did_not_run(duration);
    }

    /// The thread of replication has woken up, `too_late` or not.
    pub(super) fn looked(&self, delay: Delay, too_late: bool) {
        let seen = self.0.lock();
        seen.metrics.looked(delay);
        if too_late {
            seen.metrics.did_not_run(delay.cause);
        }
    }

    /// Whether no other node votes.
    pub(super) fn is_only_voter(&self) -> bool {
        self.0.lock().voters.len() < 2
    }

    /// Whether this node may stand for election, as far as its own running is concerned.
    pub(super) fn may_stand(&self) -> bool {
        let seen = self.0.lock();
        seen.voters.len() < 2 || seen.hearing.may_stand()
    }

    /// Why this node promises its vote to nobody, where that is not for openraft to say: see [`Hearing::promises_nothing`].
    #[must_use]
    pub fn promises_nothing(&self) -> Option<Refusal> {
        self.0.lock().hearing.promises_nothing()
    }

    /// Whether this node has heard within its vote lease from the leader that it follows.
    #[must_use]
    pub fn leader_is_heard(&self) -> bool {
        self.0.lock().hearing.leader_is_heard()
    }

    /// `candidate` has asked for this node's vote in `term`, and was answered.
    pub fn has_answered(
        &self,
        ballot: Ballot,
        term: u64,
        candidate: NodeId,
        handed_over: bool,
        refusal: Option<Refusal>,
    ) {
        let mut seen = self.0.lock();
        seen.metrics.voted(ballot, refusal);
        if ballot == Ballot::Vote && refusal.is_none() {
            seen.learn_of_term(term, candidate);
        }
        let event = Event::Answered(ballot, candidate, refusal.map_or("given", Refusal::label));
        let Some(untold) = seen.others_repeats.happened(event) else {
            return;
        };
        let address = seen.address(candidate);
        let asks = match (ballot, handed_over) {
            (Ballot::PreVote, _) => "asks whether this node would give it its vote",
            (Ballot::Vote, false) => "asks for this node's vote",
            (Ballot::Vote, true) => "asks for this node's vote, as the leader has told it to",
        };
        let answer = match refusal {
            None => "yes".to_owned(),
            Some(refusal) => format!(
                "no, {}",
                refusal.because(seen.own).replacen("it ", "this node ", 1)
            ),
        };
        tracing::info!(
            term,
            node = candidate,
            address,
            "node {candidate} {asks}: {answer}{}",
            since_then(untold)
        );
    }

    /// The leader of `term` hands over to `successor`.
    pub fn is_told_of_hand_over(&self, term: u64, leader: NodeId, successor: NodeId) {
        let mut seen = self.0.lock();
        // What this node itself does then is said when it begins.
        if successor == seen.own {
            return;
        }
        if let Some(untold) = seen.others_repeats.happened(Event::HandedOver(successor)) {
            tracing::info!(
                term,
                node = successor,
                address = seen.address(successor),
                "the leader, node {leader}, hands over to node {successor}{}",
                since_then(untold)
            );
        }
    }

    /// This node leads, and hands over to `successor`.
    pub fn hands_over(&self, successor: NodeId) {
        self.0.lock().handing_over_to = Some(successor);
    }

    /// This node, which led in `term`, leads no more. `now` is the vote that it has given; `votes` whether it is a voter.
    pub(super) fn stepped_down(&self, term: u64, now: &Vote, votes: bool) {
        let mut seen = self.0.lock();
        let reason = match (seen.handing_over_to.take(), votes) {
            (Some(successor), _) if successor == now.leader_id.voted_for => StepDown::HandOver,
            _ if now.leader_id.term > term => StepDown::NewerTerm,
            (_, false) => StepDown::Removed,
            _ => StepDown::NewerTerm,
        };
        seen.metrics.stepped_down(reason);
        let newer = now.leader_id.term;
        let from = match seen.newest {
            (known, from) if known >= newer && from != seen.own => from,
            _ => now.leader_id.voted_for,
        };
        let address = seen.address(from);
        match reason {
            StepDown::HandOver => tracing::info!(
                term,
                node = from,
                address,
                "steps down: it has handed over to node {}, which asks for votes in term {newer}",
                now.leader_id.voted_for
            ),
            StepDown::Removed => {
                tracing::info!(term, "steps down: this node is no voter any more");
            }
            StepDown::NewerTerm => tracing::info!(
                term,
                node = from,
                address,
                "steps down: there is the newer term {newer}, of which it has heard from node {from}"
            ),
        }
    }

    /// No majority has acknowledged this node, which leads, for `duration`. Said if it was so `untold` times since it was said.
    pub(super) fn lost_majority(&self, duration: Duration, untold: Option<u64>) {
        let seen = self.0.lock();
        seen.metrics.majority_lost();
        if let Some(untold) = untold {
            let ms = millis(duration);
            tracing::info!(
                term = seen.term,
                ms,
                "no majority has acknowledged this leader for {ms} ms: until one does, it acknowledges no write and answers no \
                 read{}",
                since_then(untold)
            );
        }
    }

    /// What went on, and does no more.
    pub(super) fn say_what_ended(&self) {
        let mut seen = self.0.lock();
        let own = seen.own_repeats.ended().into_iter();
        let times: u64 = own.map(|(_, untold)| untold).sum();
        if times > 0 {
            tracing::info!(
                times,
                "stood for election again and again, and does so no more"
            );
        }
        let ended = seen.others_repeats.ended();
        for (event, times) in ended {
            if let Event::Answered(_, node, answer) = event {
                tracing::info!(
                    node,
                    address = seen.address(node),
                    times,
                    "node {node} has asked for this node's vote again and again, and does so no more; the answer was: {answer}"
                );
            }
        }
    }
}

impl Seen {
    fn learn_of_term(&mut self, term: u64, node: NodeId) {
        if term > self.newest.0 {
            self.newest = (term, node);
        }
    }

    /// Where a node is reached; nothing while this node has not learnt that yet.
    fn address(&self, node: NodeId) -> Option<&str> {
        self.members.get(&node).map(String::as_str)
    }

    fn names(&self, nodes: &[NodeId]) -> Names {
        let named = |node: &NodeId| (*node, self.address(*node).map(str::to_owned));
        Names(nodes.iter().map(named).collect())
    }

    fn end_repeats(&mut self) {
        let times = self.own_repeats.end() + self.others_repeats.end();
        if times > 0 {
            tracing::info!(times, "votes were asked for again and again meanwhile");
        }
    }
}

/// Nodes with their addresses, as a list.
struct Names(Vec<(NodeId, Option<String>)>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no other node");
        }
        for (index, (node, address)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match address {
                None => write!(f, "{comma}node {node}")?,
                Some(address) => write!(f, "{comma}node {node} at {address}")?,
            }
        }
        Ok(())
    }
}

/// The beginning of words that may be a peer's.
fn cut(words: &str) -> &str {
    match words.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => &words[..end],
        None => words,
    }
}

#[cfg(test)]
mod tests;
