//! What a snapshot is headed with, and its answer. Its chunks are the business of `replication/snapshot.rs`.

use openraft::raft::SnapshotResponse;

use super::{Malformed, from_wire, leader_vote, to_wire, wire};
use crate::types::{SnapshotMeta, TypeConfig, Vote};

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
    let vote = leader_vote(head.vote)?;
    let last = meta.last_log_id;
    if last.is_some_and(|last| last.committed_leader_id().term > vote.leader_id.term) {
        return Err(Malformed("a snapshot is of a later term than its vote"));
    }
    Ok((vote, meta))
}

impl From<&SnapshotResponse<TypeConfig>> for wire::InstallSnapshotReply {
    fn from(response: &SnapshotResponse<TypeConfig>) -> Self {
        Self {
            vote: Some((&response.vote).into()),
        }
    }
}
