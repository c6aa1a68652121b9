//! Between openraft's types and those of the peers' protocol. What comes from a peer may be anything, so turning it into
//! openraft's types can fail.
//!
//! Here is what all messages have: places in the log, and votes. Appends and their entries are in `convert/append.rs`,
//! memberships in `convert/membership.rs`, elections and the transfer of leadership in `convert/election.rs`, snapshots in
//! `convert/snapshot.rs`.

mod append;
mod election;
mod membership;
mod snapshot;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use self::append::append_result;
pub use self::election::vote_request;
pub use self::snapshot::{snapshot_head, snapshot_meta};
use super::protocol as wire;
use super::types::{LeaderTerm, LogId, Vote};

/// A peer's message lacks something, or has something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a peer's message is malformed: {0}")]
pub struct Malformed(pub &'static str);

/// The highest term and the highest index that are believed. No cluster comes near it, and from there on it could be
/// counted for ever without an overflow.
const MAX_COUNT: u64 = 1 << 62;

impl From<&LogId> for wire::LogId {
    fn from(log_id: &LogId) -> Self {
        Self {
            term: log_id.committed_leader_id().term,
            index: log_id.index,
        }
    }
}

impl TryFrom<wire::LogId> for LogId {
    type Error = Malformed;

    fn try_from(log_id: wire::LogId) -> Result<Self, Malformed> {
        if log_id.term > MAX_COUNT || log_id.index > MAX_COUNT {
            return Err(Malformed("a log id is beyond all that can be"));
        }
        Ok(Self::new(LeaderTerm::new(log_id.term), log_id.index))
    }
}

impl From<&Vote> for wire::Vote {
    fn from(vote: &Vote) -> Self {
        Self {
            term: vote.leader_id.term,
            node: vote.leader_id.voted_for,
            committed: vote.committed,
        }
    }
}

impl TryFrom<wire::Vote> for Vote {
    type Error = Malformed;

    fn try_from(vote: wire::Vote) -> Result<Self, Malformed> {
        if vote.term > MAX_COUNT {
            return Err(Malformed("a term is beyond all that can be"));
        }
        Ok(if vote.committed {
            Self::new_committed(vote.term, vote.node)
        } else {
            Self::new(vote.term, vote.node)
        })
    }
}

/// The vote of a message, which every message that has one needs.
pub fn vote(vote: Option<wire::Vote>) -> Result<Vote, Malformed> {
    vote.ok_or(Malformed("it has no vote"))?.try_into()
}

/// The vote of a message that only a leader sends. It was given by a majority.
fn leader_vote(sent: Option<wire::Vote>) -> Result<Vote, Malformed> {
    let vote = vote(sent)?;
    match vote.committed {
        true => Ok(vote),
        false => Err(Malformed("its vote is not that of a leader")),
    }
}

/// The vote that a candidate asks for.
fn candidate_vote(sent: Option<wire::Vote>) -> Result<Vote, Malformed> {
    let vote = vote(sent)?;
    match vote.committed {
        true => Err(Malformed("its vote is not that of a candidate")),
        false => Ok(vote),
    }
}

fn to_wire(log_id: Option<&LogId>) -> Option<wire::LogId> {
    log_id.map(wire::LogId::from)
}

fn from_wire(log_id: Option<wire::LogId>) -> Result<Option<LogId>, Malformed> {
    log_id.map(LogId::try_from).transpose()
}
