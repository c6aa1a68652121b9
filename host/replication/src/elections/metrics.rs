//! [`ElectionMetrics`]: what a node counts of elections.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::ballot::{Answer, Ballot, Reason, StepDown};
use super::refusal::Refusal;
use super::scheduling::{Cause, Delay};

/// Seconds up to which delays are told apart: from a fifth of the usual heartbeat interval to the longest election time-outs.
const DELAYS: [f64; 12] = [
    0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 1.0, 2.0, 5.0, 60.0,
];

/// The answer to a request for a vote that was not refused.
const GIVEN: &str = "given";

/// That there was none.
const NO_ANSWER: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    ballot: &'static str,
    answer: &'static str,
}

/// The longest of some durations.
type Longest = Gauge<f64, AtomicU64>;

/// A node's counts since it started. Clones share them.
#[derive(Clone, Debug)]
pub struct ElectionMetrics {
    begun: Family<Why, Counter>,
    won: Counter,
    leader_changes: Counter,
    step_downs: Family<Why, Counter>,
    majorities_lost: Counter,
    /// What this node has answered others.
    votes: Family<Answered, Counter>,
    /// What others have answered this node.
    answers: Family<Answered, Counter>,
    late_heartbeats: Histogram,
    longest_silence: Longest,
    not_run: Family<Why, Counter>,
    delays: Histogram,
    longest_delay: Longest,
}

impl Default for ElectionMetrics {
    fn default() -> Self {
        Self {
            begun: Family::default(),
            won: Counter::default(),
            leader_changes: Counter::default(),
            step_downs: Family::default(),
            majorities_lost: Counter::default(),
            votes: Family::default(),
            answers: Family::default(),
            late_heartbeats: Histogram::new(DELAYS),
            longest_silence: Longest::default(),
            not_run: Family::default(),
            delays: Histogram::new(DELAYS),
            longest_delay: Longest::default(),
        }
    }
}

fn answered(ballot: Ballot, answer: &'static str) -> Answered {
    Answered {
        ballot: ballot.label(),
        answer,
    }
}

/// Of one thread, so that nothing comes between reading and writing.
fn raise(longest: &Longest, duration: Duration) {
    let seconds = duration.as_secs_f64();
    if longest.get() < seconds {
        longest.set(seconds);
    }
}

impl ElectionMetrics {
    /// Counts that this node has begun an election.
    pub(super) fn begun(&self, reason: Reason) {
        let reason = reason.label();
        self.begun.get_or_create(&Why { reason }).inc();
    }

    /// Counts that this node was elected.
    pub(super) fn won(&self) {
        self.won.inc();
    }

    /// Counts that this node has learnt of another leader.
    pub(super) fn leader_changed(&self) {
        self.leader_changes.inc();
    }

    /// Counts that this node leads no more.
    pub(super) fn stepped_down(&self, reason: StepDown) {
        let reason = reason.label();
        self.step_downs.get_or_create(&Why { reason }).inc();
    }

    /// Counts that this node leads, and no majority acknowledges it.
    pub(super) fn majority_lost(&self) {
        self.majorities_lost.inc();
    }

    /// Counts what this node has answered one that asked for its vote.
    pub(super) fn voted(&self, ballot: Ballot, refusal: Option<Refusal>) {
        let answer = refusal.map_or(GIVEN, Refusal::label);
        self.votes.get_or_create(&answered(ballot, answer)).inc();
    }

    /// Counts what another node has answered this one.
    pub(super) fn answered(&self, ballot: Ballot, answer: &Answer) {
        let answer = match answer {
            Answer::Given => GIVEN,
            Answer::Refused(refusal) => refusal.label(),
            Answer::None(_) => NO_ANSWER,
        };
        self.answers.get_or_create(&answered(ballot, answer)).inc();
    }

    /// Counts that nothing had come from the leader for so long, which is too long, when something came.
    pub(super) fn heard_late(&self, silence: Duration) {
        self.late_heartbeats.observe(silence.as_secs_f64());
        raise(&self.longest_silence, silence);
    }

    /// Counts how late the thread of replication was.
    pub(super) fn looked(&self, delay: Delay) {
        self.delays.observe(delay.late.as_secs_f64());
        raise(&self.longest_delay, delay.late);
    }

    /// Counts that this was too late.
    pub(super) fn did_not_run(&self, cause: Cause) {
        let reason = cause.label();
        self.not_run.get_or_create(&Why { reason }).inc();
    }

    /// Names the counts. Those of all reasons are there from the start, at 0.
    pub fn register(&self, registry: &mut Registry) {
        for reason in Reason::LABELS {
            drop(self.begun.get_or_create(&Why { reason }));
        }
        for reason in StepDown::LABELS {
            drop(self.step_downs.get_or_create(&Why { reason }));
        }
        for cause in Cause::ALL {
            let reason = cause.label();
            drop(self.not_run.get_or_create(&Why { reason }));
        }
        for ballot in [Ballot::PreVote, Ballot::Vote] {
            for answer in Refusal::LABELS.into_iter().chain([GIVEN]) {
                drop(self.votes.get_or_create(&answered(ballot, answer)));
                drop(self.answers.get_or_create(&answered(ballot, answer)));
            }
            drop(self.answers.get_or_create(&answered(ballot, NO_ANSWER)));
        }
        registry.register(
            "elections_begun",
            "Times that this node has stood for election, by the reason",
            self.begun.clone(),
        );
        registry.register(
            "elections_won",
            "Times that this node was elected",
            self.won.clone(),
        );
        registry.register(
            "leader_changes",
            "Times that this node has learnt of another leader",
            self.leader_changes.clone(),
        );
        registry.register(
            "step_downs",
            "Times that this node has ceased to lead, by the reason",
            self.step_downs.clone(),
        );
        registry.register(
            "majorities_lost",
            "Times that no majority has acknowledged this node, while it led, for an election time-out",
            self.majorities_lost.clone(),
        );
        registry.register(
            "votes",
            "What this node has answered those that asked for its vote, or whether they would get it",
            self.votes.clone(),
        );
        registry.register(
            "vote_answers",
            "What others have answered this node that asked for their votes, or whether it would get them",
            self.answers.clone(),
        );
        registry.register_with_unit(
            "late_heartbeats",
            "How long the leader was not heard, where that was more than two heartbeat intervals",
            Unit::Seconds,
            self.late_heartbeats.clone(),
        );
        registry.register_with_unit(
            "longest_silence",
            "The longest that the leader was not heard before it was heard again",
            Unit::Seconds,
            self.longest_silence.clone(),
        );
        registry.register(
            "did_not_run",
            "Times that the thread of replication did not run for more than half a heartbeat interval, by the cause",
            self.not_run.clone(),
        );
        registry.register_with_unit(
            "scheduling_delay",
            "How late the thread of replication has woken up",
            Unit::Seconds,
            self.delays.clone(),
        );
        registry.register_with_unit(
            "longest_scheduling_delay",
            "The longest of these",
            Unit::Seconds,
            self.longest_delay.clone(),
        );
    }
}
