//! Between openraft's types and those of the peers' protocol. What comes from a peer may be anything, so turning it into
//! openraft's types can fail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use thiserror::Error;

use super::command::{Batch, Command};
use super::protocol as wire;
use super::types::{
    Entry, LeaderTerm, LogId, Member, Membership, SnapshotMeta, StoredMembership, TypeConfig, Vote,
};

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

fn to_wire(log_id: Option<&LogId>) -> Option<wire::LogId> {
    log_id.map(wire::LogId::from)
}

fn from_wire(log_id: Option<wire::LogId>) -> Result<Option<LogId>, Malformed> {
    log_id.map(LogId::try_from).transpose()
}

impl From<&Member> for wire::Member {
    fn from(member: &Member) -> Self {
        Self {
            peer: member.peer.clone(),
            version: member.version.clone(),
        }
    }
}

impl From<wire::Member> for Member {
    fn from(member: wire::Member) -> Self {
        Self {
            peer: member.peer,
            version: member.version,
        }
    }
}

impl From<&Membership> for wire::Membership {
    fn from(membership: &Membership) -> Self {
        let configs = membership.get_joint_config().iter();
        Self {
            configs: configs
                .map(|voters| wire::VoterSet {
                    nodes: voters.iter().copied().collect(),
                })
                .collect(),
            nodes: membership
                .nodes()
                .map(|(node, member)| (*node, member.into()))
                .collect(),
        }
    }
}

impl TryFrom<wire::Membership> for Membership {
    type Error = Malformed;

    fn try_from(membership: wire::Membership) -> Result<Self, Malformed> {
        let configs = membership.configs.into_iter();
        let configs: Vec<BTreeSet<u64>> = configs
            .map(|voters| voters.nodes.into_iter().collect())
            .collect();
        let nodes = membership.nodes.into_iter();
        let nodes: BTreeMap<u64, Member> =
            nodes.map(|(node, member)| (node, member.into())).collect();
        if configs.is_empty() {
            // Where there are no voters, nobody would be a majority, and so everybody.
            return match nodes.is_empty() {
                true => Ok(Self::default()),
                false => Err(Malformed("a membership has no voters")),
            };
        }
        Self::new(configs, nodes)
            .map_err(|_| Malformed("a set of voters is empty, or has one that is no member"))
    }
}

impl From<&StoredMembership> for wire::StoredMembership {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: to_wire(stored.log_id().as_ref()),
            membership: Some(stored.membership().into()),
        }
    }
}

impl TryFrom<wire::StoredMembership> for StoredMembership {
    type Error = Malformed;

    fn try_from(stored: wire::StoredMembership) -> Result<Self, Malformed> {
        let membership = stored.membership.ok_or(Malformed("it has no membership"))?;
        Ok(Self::new(from_wire(stored.log_id)?, membership.try_into()?))
    }
}

impl From<&Batch> for wire::Batch {
    fn from(batch: &Batch) -> Self {
        Self {
            origin: batch.origin,
            sequence: batch.sequence,
            settled: batch.settled,
            commits: batch.commits.clone(),
        }
    }
}

impl From<wire::Batch> for Batch {
    fn from(batch: wire::Batch) -> Self {
        Self {
            origin: batch.origin,
            sequence: batch.sequence,
            settled: batch.settled,
            commits: batch.commits,
        }
    }
}

impl From<&Entry> for wire::Entry {
    fn from(entry: &Entry) -> Self {
        use wire::entry::Payload;
        let payload = match &entry.payload {
            EntryPayload::Blank => Payload::Blank(wire::Blank {}),
            EntryPayload::Normal(Command::Batch(batch)) => Payload::Batch(batch.into()),
            EntryPayload::Normal(Command::AllocateNode { nonce }) => {
                Payload::AllocateNode(wire::AllocateNode {
                    nonce: Bytes::copy_from_slice(&nonce.to_be_bytes()),
                })
            }
            EntryPayload::Membership(membership) => Payload::Membership(membership.into()),
        };
        Self {
            log_id: Some((&entry.log_id()).into()),
            payload: Some(payload),
        }
    }
}

/// An entry of a leader's log.
pub fn entry(entry: wire::Entry) -> Result<Entry, Malformed> {
    use wire::entry::Payload;
    let log_id = entry.log_id.ok_or(Malformed("an entry has no log id"))?;
    let payload = match entry
        .payload
        .ok_or(Malformed("an entry asks for nothing known"))?
    {
        Payload::Blank(_) => EntryPayload::Blank,
        Payload::Batch(batch) => EntryPayload::Normal(Command::Batch(batch.into())),
        Payload::AllocateNode(allocate) => {
            let nonce = <[u8; 16]>::try_from(allocate.nonce.as_ref());
            let nonce = nonce.map_err(|_| Malformed("a nonce is not 16 bytes"))?;
            EntryPayload::Normal(Command::AllocateNode {
                nonce: u128::from_be_bytes(nonce),
            })
        }
        Payload::Membership(membership) if membership.configs.is_empty() => {
            return Err(Malformed("a membership has no voters"));
        }
        Payload::Membership(membership) => EntryPayload::Membership(membership.try_into()?),
    };
    Ok(Entry::new(log_id.try_into()?, payload))
}

impl From<&AppendEntriesRequest<TypeConfig>> for wire::AppendRequest {
    fn from(request: &AppendEntriesRequest<TypeConfig>) -> Self {
        Self {
            vote: Some((&request.vote).into()),
            prev_log_id: to_wire(request.prev_log_id.as_ref()),
            entries: request.entries.iter().map(wire::Entry::from).collect(),
            leader_commit: to_wire(request.leader_commit.as_ref()),
        }
    }
}

impl TryFrom<wire::AppendRequest> for AppendEntriesRequest<TypeConfig> {
    type Error = Malformed;

    fn try_from(request: wire::AppendRequest) -> Result<Self, Malformed> {
        let entries = request.entries.into_iter().map(entry);
        let entries = entries.collect::<Result<Vec<Entry>, _>>()?;
        let prev_log_id = from_wire(request.prev_log_id)?;
        let mut previous = prev_log_id;
        for entry in &entries {
            let next = previous.map_or(0, |log_id| log_id.index + 1);
            if entry.log_id.index != next || Some(entry.log_id) <= previous {
                return Err(Malformed("its entries do not follow each other"));
            }
            previous = Some(entry.log_id);
        }
        let vote = vote(request.vote)?;
        // A leader that has been succeeded may send once more, from a log that already is its successor's: what follows its
        // own last entry there does not follow it here.
        if previous.is_some_and(|last| last.committed_leader_id().term > vote.leader_id.term) {
            return Err(Malformed("its entries are of a later term than its vote"));
        }
        Ok(Self {
            vote,
            prev_log_id,
            entries,
            leader_commit: from_wire(request.leader_commit)?,
        })
    }
}

impl From<StreamAppendResult<TypeConfig>> for wire::AppendReply {
    fn from(result: StreamAppendResult<TypeConfig>) -> Self {
        use wire::append_reply::Outcome;
        let outcome = match &result {
            Ok(log_id) => Outcome::Appended(wire::AppendedUpTo {
                log_id: to_wire(log_id.as_ref()),
            }),
            Err(StreamAppendError::Conflict(log_id)) => Outcome::Conflict(log_id.into()),
            Err(StreamAppendError::HigherVote(vote)) => Outcome::HigherVote(vote.into()),
        };
        Self {
            outcome: Some(outcome),
        }
    }
}

/// What became of an append, as the follower says.
pub fn append_result(
    reply: wire::AppendReply,
) -> Result<StreamAppendResult<TypeConfig>, Malformed> {
    use wire::append_reply::Outcome;
    Ok(
        match reply
            .outcome
            .ok_or(Malformed("an answer to an append says nothing"))?
        {
            Outcome::Appended(appended) => Ok(from_wire(appended.log_id)?),
            Outcome::Conflict(log_id) => Err(StreamAppendError::Conflict(log_id.try_into()?)),
            Outcome::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote.try_into()?)),
        },
    )
}

/// A vote request, or its rehearsal.
#[must_use]
pub fn vote_request(request: &VoteRequest<TypeConfig>, pre_vote: bool) -> wire::VoteRequest {
    wire::VoteRequest {
        vote: Some((&request.vote).into()),
        last_log_id: to_wire(request.last_log_id.as_ref()),
        leadership_transfer: request.leadership_transfer,
        pre_vote,
    }
}

impl TryFrom<wire::VoteRequest> for VoteRequest<TypeConfig> {
    type Error = Malformed;

    fn try_from(request: wire::VoteRequest) -> Result<Self, Malformed> {
        let last_log_id = from_wire(request.last_log_id)?;
        let mut decoded = Self::new(vote(request.vote)?, last_log_id);
        decoded.leadership_transfer = request.leadership_transfer;
        Ok(decoded)
    }
}

impl From<&VoteResponse<TypeConfig>> for wire::VoteReply {
    fn from(response: &VoteResponse<TypeConfig>) -> Self {
        Self {
            vote: Some((&response.vote).into()),
            granted: response.vote_granted,
            last_log_id: to_wire(response.last_log_id.as_ref()),
        }
    }
}

impl TryFrom<wire::VoteReply> for VoteResponse<TypeConfig> {
    type Error = Malformed;

    fn try_from(reply: wire::VoteReply) -> Result<Self, Malformed> {
        let last_log_id = from_wire(reply.last_log_id)?;
        Ok(Self::new(vote(reply.vote)?, last_log_id, reply.granted))
    }
}

impl From<&TransferLeaderRequest<TypeConfig>> for wire::TransferLeaderRequest {
    fn from(request: &TransferLeaderRequest<TypeConfig>) -> Self {
        Self {
            from: Some(request.from_leader().into()),
            to: *request.to_node_id(),
            last_log_id: to_wire(request.last_log_id()),
        }
    }
}

impl TryFrom<wire::TransferLeaderRequest> for TransferLeaderRequest<TypeConfig> {
    type Error = Malformed;

    fn try_from(request: wire::TransferLeaderRequest) -> Result<Self, Malformed> {
        let last_log_id = from_wire(request.last_log_id)?;
        Ok(Self::new(vote(request.from)?, request.to, last_log_id))
    }
}

impl From<TransferLeaderResponse<TypeConfig>> for wire::TransferLeaderReply {
    fn from(response: TransferLeaderResponse<TypeConfig>) -> Self {
        Self {
            refusal: response
                .err()
                .map_or_else(String::new, |error| error.to_string()),
        }
    }
}

/// The first message of a snapshot.
#[must_use]
pub fn snapshot_head(vote: &Vote, meta: &SnapshotMeta) -> wire::SnapshotHead {
    wire::SnapshotHead {
        vote: Some(vote.into()),
        last_log_id: to_wire(meta.last_log_id.as_ref()),
        membership: Some((&meta.last_membership).into()),
    }
}

/// The vote and the meta data of a snapshot.
pub fn snapshot_meta(head: wire::SnapshotHead) -> Result<(Vote, SnapshotMeta), Malformed> {
    let membership = head
        .membership
        .ok_or(Malformed("a snapshot has no membership"))?;
    let meta = SnapshotMeta {
        last_log_id: from_wire(head.last_log_id)?,
        last_membership: membership.try_into()?,
    };
    Ok((vote(head.vote)?, meta))
}

impl From<&SnapshotResponse<TypeConfig>> for wire::InstallSnapshotReply {
    fn from(response: &SnapshotResponse<TypeConfig>) -> Self {
        Self {
            vote: Some((&response.vote).into()),
        }
    }
}

#[cfg(test)]
mod tests;
