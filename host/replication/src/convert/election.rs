//! Votes that are asked for, and leadership that is handed over.

use openraft::raft::{TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse};

use super::{Malformed, candidate_vote, from_wire, leader_vote, to_wire, vote, wire};
use crate::types::TypeConfig;

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
        let mut decoded = Self::new(candidate_vote(request.vote)?, last_log_id);
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
            refusal: wire::VoteRefusal::Unspecified.into(),
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
        let from = leader_vote(request.from)?;
        Ok(Self::new(from, request.to, last_log_id))
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
