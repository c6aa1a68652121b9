//! The calls that openraft makes to a follower, but for snapshots.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::errors::RPCError;
use openraft::network::{
    NetStreamAppend, NetTransferLeader, NetVote, RPCOption, RaftNetworkFactory,
};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, TransferLeaderRequest, VoteRequest};
use spindrift_memory::{Budget, Purpose};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::peer::{MAX_MESSAGE_BYTES, Nowhere, Peer, identity, peers, peers_over};
use super::{PATIENCE, soon};
use crate::command::{Batch, Command};
use crate::elections::{ElectionMetrics, Elections};
use crate::log::Log;
use crate::metrics::ReplicationMetrics;
use crate::network::raft_network::{OPEN_PAUSE, PeerConnection};
use crate::network::{CommitNews, Cutoff, OwnNode, Peers};
use crate::protocol as wire;
use crate::suspension::SuspendedFor;
use crate::types::{Entry, LeaderTerm, LogId, Member, NodeId, TypeConfig, Vote};

type Requests = Pin<Box<dyn Stream<Item = AppendEntriesRequest<TypeConfig>> + Send>>;

const LEADER: NodeId = 1;

/// The leader's way to `node` at `address`.
pub async fn connection(peers: &Peers, address: &str, node: NodeId) -> PeerConnection {
    connection_with(peers, address, node, Cutoff::default()).await
}

/// As [`connection`], for a log that is cut.
pub async fn connection_with(
    peers: &Peers,
    address: &str,
    node: NodeId,
    cutoff: Cutoff,
) -> PeerConnection {
    connection_holding(peers, address, node, cutoff, Budget::unlimited()).await
}

/// As [`connection_with`], for a leader whose budget is `memory`.
async fn connection_holding(
    peers: &Peers,
    address: &str,
    node: NodeId,
    cutoff: Cutoff,
    memory: Arc<Budget>,
) -> PeerConnection {
    let member = Member {
        peer: address.to_owned(),
        vote_lease_ms: 60_000,
        ..Member::default()
    };
    let mut network = peers.network(OwnNode {
        identity: identity(LEADER),
        log: Log::default(),
        max_log_bytes: MAX_MESSAGE_BYTES,
        news: CommitNews::default(),
        cutoff,
        metrics: ReplicationMetrics::default(),
        elections: Elections::new(LEADER, PATIENCE, PATIENCE, ElectionMetrics::default()),
        suspended_for: SuspendedFor::default(),
        memory,
    });
    network.new_client(node, &member).await
}

pub fn option() -> RPCOption {
    RPCOption::new(PATIENCE)
}

/// The place of the leader's entry at `index`.
pub fn place(index: u64) -> LogId {
    LogId::new(LeaderTerm::new(1), index)
}

/// The leader's vote.
pub fn vote() -> Vote {
    Vote::new_committed(1, LEADER)
}

/// Appends the leader's entry at `index`.
fn append(index: u64) -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest {
        vote: vote(),
        prev_log_id: index.checked_sub(1).map(place),
        entries: vec![Entry::new(place(index), EntryPayload::Blank)],
        leader_commit: None,
    }
}

pub fn requests(of: impl IntoIterator<Item = u64, IntoIter: Send + 'static>) -> Requests {
    Box::pin(stream::iter(of.into_iter().map(append)))
}

#[tokio::test]
async fn appends_are_answered_in_their_order() {
    const COUNT: u64 = 2000;
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let appending = connection.stream_append(requests(0..COUNT), option());
    let results = soon("the stream", appending).await.expect("a stream");
    let results: Vec<_> = soon("its end", results.collect()).await;
    let results = results
        .into_iter()
        .map(|result| result.expect("no failure"));
    assert!(results.eq((0..COUNT).map(|index| Ok(Some(place(index))))));
    assert_eq!(peer.node().log.len() as u64, COUNT);
    peer.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_reached_is_left_alone_between_calls() {
    const CALLS: u32 = 20;
    let peers = peers_over(Nowhere);
    let mut connection = connection(&peers, "nobody:1", 2).await;
    let began = Instant::now();
    for _ in 0..CALLS {
        let opened = connection.stream_append(requests([0]), option()).await;
        let error = opened.err().expect("nobody is there");
        assert!(matches!(error, RPCError::Unreachable(_)), "{error}");
    }
    // Being refused takes no time by itself.
    assert_eq!(began.elapsed(), OPEN_PAUSE * (CALLS - 1));
}

#[tokio::test]
async fn a_large_message_is_held_on_the_budget_until_it_has_left() {
    const BYTES: usize = 1 << 19;
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    // Less than the message takes: it goes out all the same.
    let memory = Budget::new(BYTES / 2);
    let connection =
        connection_holding(&peers, &peer.address, 2, Cutoff::default(), memory.clone());
    let mut connection = connection.await;
    let (sender, receiver) = mpsc::channel(1);
    let appending = connection.stream_append(ReceiverStream::new(receiver), option());
    let mut results = soon("the stream", appending).await.expect("a stream");
    let batch = Batch {
        origin: LEADER,
        sequence: 1,
        settled: 1,
        commits: vec![0; BYTES].into(),
    };
    let mut large = append(0);
    large.entries[0].payload = EntryPayload::Normal(Command::Batch(batch));
    for (index, request) in [large, append(1)].into_iter().enumerate() {
        sender.send(request).await.expect("open");
        let result = soon("an answer", results.next()).await.expect("no end");
        assert_eq!(result.expect("no failure"), Ok(Some(place(index as u64))));
        let held = memory.used_bytes_for(Purpose::Messages);
        match index {
            0 => assert!((BYTES..BYTES + 1024).contains(&held), "{held}"),
            _ => assert_eq!(held, 0),
        }
    }
    drop(results);
    drop(connection);
    peer.end().await;
}

#[tokio::test]
async fn a_stream_of_appends_stays_open_between_them() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let (sender, receiver) = mpsc::channel(1);
    let appending = connection.stream_append(ReceiverStream::new(receiver), option());
    let mut results = soon("the stream", appending).await.expect("a stream");
    for index in 0..20 {
        sender.send(append(index)).await.expect("open");
        let result = soon("an answer", results.next()).await.expect("no end");
        assert_eq!(result.expect("no failure"), Ok(Some(place(index))));
    }
    // A node that stops does not wait for it to end.
    peer.end().await;
    let end = soon("the end", results.next()).await;
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

#[tokio::test]
async fn a_stream_of_appends_ends_with_a_conflict() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let appending = connection.stream_append(requests([0, 1, 7, 8]), option());
    let results = soon("the stream", appending).await.expect("a stream");
    let results: Vec<_> = soon("its end", results.collect()).await;
    let results: Vec<_> = results
        .into_iter()
        .map(|result| result.expect("no failure"))
        .collect();
    let conflict = Err(StreamAppendError::Conflict(place(6)));
    assert_eq!(results, [Ok(Some(place(0))), Ok(Some(place(1))), conflict]);
    peer.end().await;
}

#[tokio::test]
async fn a_stream_of_appends_ends_with_a_higher_vote() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let higher = Vote::new(2, 3);
    let request = VoteRequest::new(higher, None);
    let voted = soon("its vote", connection.vote(request, option())).await;
    assert!(voted.expect("an answer").vote_granted);
    let appending = connection.stream_append(requests(2..5), option());
    let results = soon("the stream", appending).await.expect("a stream");
    let results: Vec<_> = soon("its end", results.collect()).await;
    let results: Vec<_> = results
        .into_iter()
        .map(|result| result.expect("no failure"))
        .collect();
    assert_eq!(results, [Err(StreamAppendError::HigherVote(higher))]);
    peer.end().await;
}

#[tokio::test]
async fn an_append_that_cannot_be_read_is_refused_in_words_after_those_before_it() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut bad = wire::AppendRequest::from(&append(1));
    bad.entries
        .extend(wire::AppendRequest::from(&append(1)).entries);
    let messages = [(&append(0)).into(), bad, (&append(1)).into()];
    let appending = peers.append(&peer.address, identity(2), stream::iter(messages));
    let mut replies = soon("the stream", appending).await.expect("a stream");
    let first = soon("an answer", replies.next()).await.expect("no end");
    assert_eq!(first.expect("taken"), Ok(Some(place(0))).into());
    let second = soon("an answer", replies.next()).await.expect("no end");
    let status = second.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("do not follow each other"),
        "{status:?}"
    );
    assert!(soon("the end", replies.next()).await.is_none());
    assert_eq!(peer.node().log.len(), 1);
    peer.end().await;
}

#[tokio::test]
async fn the_requests_of_a_stream_are_let_go_of_with_its_results() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let (held, mut let_go) = oneshot::channel::<()>();
    let endless = requests([0]).chain(stream::pending()).map(move |request| {
        assert!(!held.is_closed());
        request
    });
    let appending = connection.stream_append(Box::pin(endless), option());
    let mut results = soon("the stream", appending).await.expect("a stream");
    soon("an answer", results.next())
        .await
        .expect("no end")
        .expect("no failure")
        .expect("taken");
    assert!(
        let_go
            .try_recv()
            .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
    );
    drop(results);
    soon("the end of the requests", let_go)
        .await
        .expect_err("nothing is sent");
    peer.end().await;
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_reported_so() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let address = peer.address.clone();
    // It is a node, and not that one.
    let mut other = connection(&peers, &address, 3).await;
    let refused = other.stream_append(requests([0]), option()).await;
    let Err(RPCError::Unreachable(error)) = refused.map(drop) else {
        panic!("reached");
    };
    assert!(error.to_string().contains("meant for node 3"), "{error}");
    peer.end().await;
    let mut gone = connection(&peers, &address, 2).await;
    let append = soon("its end", gone.stream_append(requests([0]), option())).await;
    assert!(matches!(append.map(drop), Err(RPCError::Unreachable(_))));
    let vote = gone.vote(VoteRequest::new(vote(), None), option());
    let voted = soon("its end", vote).await;
    assert!(matches!(voted, Err(RPCError::Unreachable(_))));
}

#[tokio::test]
async fn a_rehearsal_of_a_vote_is_no_vote() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let request = || VoteRequest::new(Vote::new(5, 3), None);
    let rehearsed = soon("an answer", connection.pre_vote(request(), option())).await;
    let rehearsed = rehearsed.expect("an answer");
    assert!(rehearsed.vote_granted);
    assert!(rehearsed.vote < Vote::new(5, 3), "{}", rehearsed.vote);
    let voted = soon("an answer", connection.vote(request(), option())).await;
    let voted = voted.expect("an answer");
    assert!(voted.vote_granted);
    assert_eq!(voted.vote, Vote::new(5, 3));
    let lower = VoteRequest::new(Vote::new(4, 9), None);
    let refused = soon("an answer", connection.vote(lower, option())).await;
    let refused = refused.expect("an answer");
    assert!(!refused.vote_granted);
    assert_eq!(refused.vote, Vote::new(5, 3));
    peer.end().await;
}

#[tokio::test]
async fn a_node_that_is_behind_does_not_take_over() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let appending = connection.stream_append(requests([0]), option());
    let results = soon("the stream", appending).await.expect("a stream");
    let _: Vec<_> = soon("its end", results.collect()).await;
    let transfer = TransferLeaderRequest::new(vote(), 2, Some(place(3)));
    let answer = soon("an answer", connection.transfer_leader(transfer, option())).await;
    answer.expect("an answer").expect_err("it is behind");
    let transfer = TransferLeaderRequest::new(vote(), 2, Some(place(0)));
    let answer = soon("an answer", connection.transfer_leader(transfer, option())).await;
    answer.expect("an answer").expect("it is not behind");
    peer.end().await;
}
