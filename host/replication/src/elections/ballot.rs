//! What can happen in elections: what is asked for, what is answered, and why one begins and a leader ends.

use super::refusal::Refusal;

/// What a vote is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ballot {
    /// To know whether it would be given (pre-vote).
    PreVote,
    /// To lead.
    Vote,
}

impl Ballot {
    /// As a label of a metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PreVote => "pre_vote",
            Self::Vote => "vote",
        }
    }
}

/// What another node has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It gives its vote, or would.
    Given,
    /// It does not.
    Refused(Refusal),
    /// There was none, for this reason.
    None(String),
}

/// Why a node stands for election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has heard nothing from a leader.
    Silence,
    /// The leader hands over to it.
    HandOver,
    /// It is the only voter.
    Alone,
}

impl Reason {
    pub(super) const LABELS: [&'static str; 3] = ["silence", "hand_over", "alone"];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::HandOver => "hand_over",
            Self::Alone => "alone",
        }
    }
}

/// Why a leader leads no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepDown {
    /// It has handed over.
    HandOver,
    /// There is a newer term.
    NewerTerm,
    /// It is no voter any more.
    Removed,
}

impl StepDown {
    pub(super) const LABELS: [&'static str; 3] = ["hand_over", "newer_term", "removed"];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::HandOver => "hand_over",
            Self::NewerTerm => "newer_term",
            Self::Removed => "removed",
        }
    }
}
