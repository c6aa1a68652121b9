//! Messages that no node sends that keeps to the protocol: openraft would end on them, so they must not reach it.

use std::future::pending;

use futures::{StreamExt, stream};
use openraft::network::{NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};

use super::append::{connection, option, place, vote};
use super::peer::{MAX_MESSAGE_BYTES, Peer, identity, peers};
use super::snapshot::snapshot;
use super::soon;
use crate::network::raft_network::PeerConnection;
use crate::types::{LeaderTerm, LogId, NodeId, TypeConfig, Vote};

/// The node that such messages are sent to.
const NODE: NodeId = 2;

/// It, and the way to it.
async fn node() -> (Peer, PeerConnection) {
    let peer = Peer::start(Some(identity(NODE))).await;
    let peers = peers(MAX_MESSAGE_BYTES);
    let connection = connection(&peers, &peer.address, NODE).await;
    (peer, connection)
}

/// Ends a node that was sent such a message, and must not have taken anything of it.
async fn end_unmoved(peer: Peer, moved: impl FnOnce(Vote) -> bool + Send + 'static) {
    let node = peer.node();
    let state = node.raft.with_raft_state(move |state| {
        let vote = *state.vote_ref();
        (vote, moved(vote))
    });
    let (vote, moved) = soon("its state", state).await.expect("it lives");
    assert!(!moved, "{vote}");
    peer.end().await;
}

/// What becomes of a snapshot up to `last` that is sent with the vote `from`.
async fn send(connection: &mut PeerConnection, from: Vote, last: LogId) -> Result<Vote, String> {
    let mut sent = snapshot(3).await;
    sent.meta.last_log_id = Some(last);
    let sending = connection.full_snapshot(from, sent, pending(), option());
    let response = soon("its answer", sending).await;
    response
        .map(|response| response.vote)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_snapshot_of_a_later_term_than_its_leaders_is_refused() {
    let (peer, mut connection) = node().await;
    let later = LogId::new(LeaderTerm::new(vote().leader_id.term + 1), 9);
    let refusal = send(&mut connection, vote(), later)
        .await
        .expect_err("refused");
    assert!(refusal.contains("later term than its vote"), "{refusal}");
    end_unmoved(peer, |own| own == vote()).await;
}

#[tokio::test]
async fn a_snapshot_that_contradicts_what_is_committed_is_refused() {
    let (peer, mut connection) = node().await;
    send(&mut connection, vote(), place(9))
        .await
        .expect("the first one");
    let successor = Vote::new_committed(2, 3);
    for index in [8, 9] {
        let other = LogId::new(LeaderTerm::new(2), index);
        let refusal = send(&mut connection, successor, other)
            .await
            .expect_err("refused");
        assert!(refusal.contains("committed"), "{refusal}");
    }
    // What it holds already is no contradiction.
    let taken = send(&mut connection, successor, place(8)).await;
    assert_eq!(taken, Ok(successor));
    end_unmoved(peer, move |own| own != successor).await;
}

/// An append without entries, and what becomes of it.
async fn append(connection: &mut PeerConnection, from: Vote) -> Result<(), String> {
    let request = AppendEntriesRequest {
        vote: from,
        prev_log_id: None,
        entries: vec![],
        leader_commit: None,
    };
    let appending = connection.stream_append(stream::iter([request]), option());
    let mut results = soon("the stream", appending).await.expect("a stream");
    let result = soon("its answer", results.next()).await.expect("an answer");
    result.map(drop).map_err(|error| error.to_string())
}

/// All calls with a leader's vote.
async fn speak_as_leader(connection: &mut PeerConnection, from: Vote) -> [Result<(), String>; 3] {
    let transfer = TransferLeaderRequest::<TypeConfig>::new(from, NODE, None);
    let transferring = connection.transfer_leader(transfer, option());
    let transferred = soon("an answer", transferring).await;
    let transferred = transferred.map(drop).map_err(|error| error.to_string());
    [
        append(connection, from).await,
        send(connection, from, place(9)).await.map(drop),
        transferred,
    ]
}

#[tokio::test]
async fn whoever_was_not_elected_does_not_speak_as_a_leader() {
    let (peer, mut connection) = node().await;
    let candidate = Vote::new(7, 3);
    for answer in speak_as_leader(&mut connection, candidate).await {
        let refusal = answer.expect_err("refused");
        assert!(refusal.contains("not that of a leader"), "{refusal}");
    }
    let elected = VoteRequest::new(Vote::new_committed(7, 3), None);
    let asked = soon("an answer", connection.vote(elected, option())).await;
    let refusal = asked.expect_err("refused").to_string();
    assert!(refusal.contains("not that of a candidate"), "{refusal}");
    end_unmoved(peer, |own| own.leader_id.term == 7).await;
}

#[tokio::test]
async fn nobody_else_speaks_in_a_nodes_own_name() {
    let (peer, mut connection) = node().await;
    let own = Vote::new_committed(7, NODE);
    for answer in speak_as_leader(&mut connection, own).await {
        let refusal = answer.expect_err("refused");
        assert!(refusal.contains("its own name"), "{refusal}");
    }
    let request = VoteRequest::new(Vote::new(7, NODE), None);
    for asked in [
        soon("an answer", connection.vote(request.clone(), option())).await,
        soon("an answer", connection.pre_vote(request, option())).await,
    ] {
        let refusal = asked.expect_err("refused").to_string();
        assert!(refusal.contains("its own name"), "{refusal}");
    }
    end_unmoved(peer, |own| own.leader_id.term == 7).await;
}
