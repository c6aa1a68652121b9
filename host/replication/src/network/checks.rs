//! What is checked of other nodes' messages before openraft has them, and what is answered in its place.

use openraft::async_runtime::WatchReceiver;
use openraft::raft::{VoteRequest, VoteResponse};
use tonic::Status;

use crate::convert::Malformed;
use crate::elections::{Ballot, Refusal};
use crate::node::Node;
use crate::types::{LogId, NodeId, TypeConfig, Vote};

/// The refusal of a message that cannot be read.
pub(super) fn invalid(error: &Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

/// The refusal by a node that goes.
pub(super) fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("this node is stopping: {error}"))
}

/// What `node` answers to a request for its vote, and why where it refuses.
pub(super) async fn answer_vote(
    node: &Node,
    ballot: Ballot,
    request: &VoteRequest<TypeConfig>,
) -> Result<(VoteResponse<TypeConfig>, Option<Refusal>), Status> {
    // It might promise its vote only because it has not read yet what its leader has sent. The promise is refused in openraft's
    // place; a vote itself is openraft's business alone, and no candidate asks for one that no majority has promised.
    if ballot == Ballot::PreVote
        && let Some(refusal) = node.elections.promises_nothing()
    {
        let vote = node.raft.server_metrics().borrow_watched().vote;
        let last = node.raft.data_metrics().borrow_watched().last_log;
        return Ok((VoteResponse::new(vote, last, false), Some(refusal)));
    }
    let response = match ballot {
        Ballot::PreVote => node.raft.pre_vote(request.clone()).await,
        Ballot::Vote => node.raft.vote(request.clone()).await,
    };
    let response = response.map_err(stopped)?;
    let refusal = (!response.vote_granted).then(|| {
        let heard = match node.leads() {
            true => node.is_acknowledged(),
            false => node.elections.leader_is_heard(),
        };
        Refusal::of(request, &response, heard)
    });
    Ok((response, refusal))
}

/// Refuses what a node is sent in its own name: it would take itself for a leader that nobody has elected.
pub(super) fn check_sender(node: NodeId, vote: &Vote) -> Result<(), Status> {
    if vote.leader_id.voted_for == node {
        return Err(Status::invalid_argument(format!(
            "a message is sent to node {node} in its own name"
        )));
    }
    Ok(())
}

/// Refuses a snapshot up to `last` that contradicts what is committed here, on which openraft would panic.
pub(super) async fn check_not_contradicted(node: &Node, last: Option<LogId>) -> Result<(), Status> {
    let committed = node
        .raft
        .with_raft_state(|state| state.local_committed().copied());
    let committed = committed.await.map_err(stopped)?;
    match (last, committed) {
        (Some(last), Some(committed)) if last > committed && last.index <= committed.index => {
            Err(Status::invalid_argument(format!(
                "the snapshot ends with entry {last}, and entry {committed} is committed here"
            )))
        }
        _ => Ok(()),
    }
}
