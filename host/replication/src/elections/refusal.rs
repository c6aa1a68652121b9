//! [`Refusal`]: why a node does not give its vote.
//!
//! openraft's answer says only that it does not. The reason follows from the answer and from what the node has heard, by the
//! rules that openraft applies, in their order: a leader that is heard, a log that is behind, an older term, a vote that is
//! given. It is for people; no node decides anything by it.

use openraft::raft::{VoteRequest, VoteResponse};

use crate::protocol as wire;
use crate::types::{NodeId, TypeConfig};

/// Why a node does not give its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It still hears this leader, or is it and still hears a majority.
    LeaderIsHeard(NodeId),
    /// It did not run for a while, and listens first whether this leader is there.
    DidNotRun(NodeId),
    /// Its own log has entries that the candidate lacks.
    LogBehind,
    /// It is in this newer term already.
    NewerTerm(u64),
    /// It has given its vote in this term to another node.
    VotedFor(NodeId),
    /// It does not say why: it is of an older version.
    Unsaid,
}

impl Refusal {
    /// Why a node that answers `response` to `request` refuses. `leader_is_heard`: it has heard from the leader that it
    /// follows, or from a majority where it leads, within its vote lease.
    #[must_use]
    pub fn of(
        request: &VoteRequest<TypeConfig>,
        response: &VoteResponse<TypeConfig>,
        leader_is_heard: bool,
    ) -> Self {
        let vote = &response.vote;
        let (term, voted_for) = (vote.leader_id.term, vote.leader_id.voted_for);
        if vote.committed && leader_is_heard {
            Self::LeaderIsHeard(voted_for)
        } else if request.last_log_id < response.last_log_id {
            Self::LogBehind
        } else if term > request.vote.leader_id.term {
            Self::NewerTerm(term)
        } else if vote.committed && term < request.vote.leader_id.term {
            // The lease ended between the answer and this look at it.
            Self::LeaderIsHeard(voted_for)
        } else {
            Self::VotedFor(voted_for)
        }
    }

    /// What a node means that answers `reply`.
    #[must_use]
    pub fn from_wire(reply: &wire::VoteReply) -> Self {
        let vote = reply.vote.unwrap_or_default();
        match reply.refusal() {
            wire::VoteRefusal::Unspecified => Self::Unsaid,
            wire::VoteRefusal::LeaderIsHeard => Self::LeaderIsHeard(vote.node),
            wire::VoteRefusal::DidNotRun => Self::DidNotRun(vote.node),
            wire::VoteRefusal::LogBehind => Self::LogBehind,
            wire::VoteRefusal::NewerTerm => Self::NewerTerm(vote.term),
            wire::VoteRefusal::VotedForAnother => Self::VotedFor(vote.node),
        }
    }

    /// As it travels. The node or the term that goes with it is in the vote beside it.
    #[must_use]
    pub fn to_wire(self) -> wire::VoteRefusal {
        match self {
            Self::LeaderIsHeard(_) => wire::VoteRefusal::LeaderIsHeard,
            Self::DidNotRun(_) => wire::VoteRefusal::DidNotRun,
            Self::LogBehind => wire::VoteRefusal::LogBehind,
            Self::NewerTerm(_) => wire::VoteRefusal::NewerTerm,
            Self::VotedFor(_) => wire::VoteRefusal::VotedForAnother,
            Self::Unsaid => wire::VoteRefusal::Unspecified,
        }
    }

    /// The reason as a clause about `refuser`.
    #[must_use]
    pub fn because(self, refuser: NodeId) -> String {
        match self {
            Self::LeaderIsHeard(leader) if leader == refuser => {
                "it leads, and a majority has just acknowledged it".to_owned()
            }
            Self::LeaderIsHeard(leader) => format!("it still hears the leader, node {leader}"),
            Self::DidNotRun(leader) => {
                format!("it did not run itself, and listens for the leader, node {leader}, first")
            }
            Self::LogBehind => "the candidate's log is behind its own".to_owned(),
            Self::NewerTerm(term) => format!("it is in the newer term {term}"),
            Self::VotedFor(node) if node == refuser => {
                "it stands for election itself in this term".to_owned()
            }
            Self::VotedFor(node) => format!("it has voted for node {node} in this term"),
            Self::Unsaid => "it does not say why".to_owned(),
        }
    }

    /// As a label of a metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::LeaderIsHeard(_) => "leader_is_heard",
            Self::DidNotRun(_) => "did_not_run",
            Self::LogBehind => "log_behind",
            Self::NewerTerm(_) => "newer_term",
            Self::VotedFor(_) => "voted_for_another",
            Self::Unsaid => "unsaid",
        }
    }

    /// All labels.
    pub const LABELS: [&'static str; 6] = [
        "leader_is_heard",
        "did_not_run",
        "log_behind",
        "newer_term",
        "voted_for_another",
        "unsaid",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LeaderTerm, LogId, Vote};

    fn place(index: u64) -> Option<LogId> {
        Some(LogId::new(LeaderTerm::new(1), index))
    }

    /// Why a node refuses the vote in term 5 to node 3, the log of which ends at 10.
    fn why(vote: Vote, last: u64, leader_is_heard: bool) -> Refusal {
        let request = VoteRequest::new(Vote::new(5, 3), place(10));
        let response = VoteResponse::new(vote, place(last), false);
        Refusal::of(&request, &response, leader_is_heard)
    }

    #[test]
    fn the_reason_is_that_of_the_rule_that_comes_first() {
        let follows = Vote::new_committed(4, 1);
        assert_eq!(why(follows, 10, true), Refusal::LeaderIsHeard(1));
        assert_eq!(why(follows, 11, true), Refusal::LeaderIsHeard(1));
        assert_eq!(why(follows, 11, false), Refusal::LogBehind);
        assert_eq!(why(Vote::new(6, 2), 10, true), Refusal::NewerTerm(6));
        assert_eq!(why(Vote::new(5, 2), 10, false), Refusal::VotedFor(2));
        assert_eq!(why(Vote::new(5, 2), 12, false), Refusal::LogBehind);
    }

    #[test]
    fn what_travels_means_the_same() {
        for refusal in [
            Refusal::LeaderIsHeard(7),
            Refusal::DidNotRun(7),
            Refusal::LogBehind,
            Refusal::NewerTerm(9),
            Refusal::VotedFor(7),
            Refusal::Unsaid,
        ] {
            let mut reply = wire::VoteReply {
                vote: Some(wire::Vote {
                    term: 9,
                    node: 7,
                    committed: false,
                }),
                ..wire::VoteReply::default()
            };
            reply.set_refusal(refusal.to_wire());
            assert_eq!(Refusal::from_wire(&reply), refusal);
            assert!(Refusal::LABELS.contains(&refusal.label()));
        }
        // One that a newer version has added.
        let reply = wire::VoteReply {
            refusal: 4711,
            ..wire::VoteReply::default()
        };
        assert_eq!(Refusal::from_wire(&reply), Refusal::Unsaid);
    }
}
