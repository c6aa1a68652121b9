//! Appends, the entries in them, and their answers.

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};

use super::{Malformed, from_wire, leader_vote, to_wire, wire};
use crate::command::{Batch, Command};
use crate::types::{Entry, TypeConfig};
use crate::versions::Version;

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
            EntryPayload::Normal(Command::SetLimits { max_total_bytes }) => {
                Payload::SetLimits(wire::SetLimits {
                    max_total_bytes: max_total_bytes.clone(),
                })
            }
            EntryPayload::Normal(Command::BringIntoForce { version }) => {
                Payload::BringIntoForce(wire::BringIntoForce { version: version.0 })
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
fn entry(entry: wire::Entry) -> Result<Entry, Malformed> {
    use wire::entry::Payload;
    let log_id = entry.log_id.ok_or(Malformed("an entry has no log id"))?;
    let payload = match entry.payload.ok_or(Malformed(
        "an entry asks for nothing that this version of spindrift knows",
    ))? {
        Payload::Blank(_) => EntryPayload::Blank,
        Payload::Batch(batch) => EntryPayload::Normal(Command::Batch(batch.into())),
        Payload::AllocateNode(allocate) => {
            let nonce = <[u8; 16]>::try_from(allocate.nonce.as_ref());
            let nonce = nonce.map_err(|_| Malformed("a nonce is not 16 bytes"))?;
            EntryPayload::Normal(Command::AllocateNode {
                nonce: u128::from_be_bytes(nonce),
            })
        }
        Payload::SetLimits(limits) => EntryPayload::Normal(Command::SetLimits {
            max_total_bytes: limits.max_total_bytes,
        }),
        Payload::BringIntoForce(bring) => EntryPayload::Normal(Command::BringIntoForce {
            version: Version::from_wire(bring.version)
                .ok_or(Malformed("an entry brings no version into force"))?,
        }),
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
        let vote = leader_vote(request.vote)?;
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
