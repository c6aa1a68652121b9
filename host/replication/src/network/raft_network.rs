//! The calls that openraft makes: append, vote, snapshot, transfer of leadership.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
    RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;
use spindrift_memory::{Budget, Purpose};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::Peers;
use super::commit_news::CommitNews;
use super::cutoff::Cutoff;
use super::late_replies::Unanswered;
use super::peer_error::PeerError;
use super::tie::tie;
use crate::convert::{Malformed, append_result, snapshot_head, vote, vote_request};
use crate::elections::{Answer, Ballot, Elections, Refusal};
use crate::log::{Log, size};
use crate::metrics::ReplicationMetrics;
use crate::protocol as wire;
use crate::protocol::snapshot_piece::Piece;
use crate::snapshot::StateSnapshot;
use crate::suspension::SuspendedFor;
use crate::types::{Identity, LeaderTerm, Member, NodeId, TypeConfig, Vote};
use crate::vote_lease::late;

/// Pause between two pieces of a snapshot. With pieces of 16 KiB it makes for some 8 MB/s, and leaves the most of both
/// nodes to the requests that they serve.
const PIECE_PAUSE: Duration = Duration::from_millis(1);

/// Pause after a stream of appends could not be opened. A process that was killed refuses connections at once.
pub(super) const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Messages of at most so many bytes are not counted: few are under way.
const UNCHARGED_MESSAGE_BYTES: usize = 64 << 10;

/// The node that calls others.
#[derive(Clone, Debug)]
pub struct OwnNode {
    /// Who it is.
    pub identity: Identity,
    /// Its log.
    pub log: Log,
    /// What its log may take, in bytes.
    pub max_log_bytes: usize,
    /// How it brings word of commits.
    pub news: CommitNews,
    /// What its log has no room for.
    pub cutoff: Cutoff,
    /// What is counted.
    pub metrics: ReplicationMetrics,
    /// What it has seen of elections.
    pub elections: Elections,
    /// For how long the machine was suspended.
    pub suspended_for: SuspendedFor,
    /// The budget that messages are held on until they have left.
    pub memory: Arc<Budget>,
}

/// Makes openraft's connections to other nodes.
#[derive(Debug)]
pub struct PeerNetwork {
    peers: Peers,
    own: OwnNode,
}

impl PeerNetwork {
    pub(super) fn new(peers: Peers, own: OwnNode) -> Self {
        Self { peers, own }
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = PeerConnection;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> PeerConnection {
        PeerConnection {
            peers: self.peers.clone(),
            address: node.peer.clone(),
            late: late(node),
            target: Identity {
                node: target,
                ..self.own.identity
            },
            own: self.own.clone(),
            failed: None,
        }
    }
}

/// openraft's connection to one node.
#[derive(Debug)]
pub struct PeerConnection {
    peers: Peers,
    address: String,
    target: Identity,
    own: OwnNode,
    /// What counts as late for a reply that may be taken for another one's.
    late: Duration,
    /// When a stream of appends could last not be opened.
    failed: Option<Instant>,
}

type Failure = RPCError<TypeConfig>;

fn failure(error: PeerError) -> Failure {
    // A node that refuses is to be left alone for a while as well.
    RPCError::Unreachable(Unreachable::new(&error))
}

fn malformed(error: &Malformed) -> Failure {
    RPCError::Network(NetworkError::new(error))
}

impl PeerConnection {
    fn status(&self, status: &tonic::Status) -> Failure {
        failure(PeerError::of(self.address.clone(), status))
    }

    async fn ask_for_vote(
        &self,
        request: &VoteRequest<TypeConfig>,
        ballot: Ballot,
        option: &RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        let term = request.vote.leader_id.term;
        let elections = &self.own.elections;
        elections.asks(ballot, term, request.leadership_transfer, self.target.node);
        let asked = Asked {
            elections,
            ballot,
            term,
            target: self.target.node,
            at: Instant::now(),
            answered: false,
        };
        let reply = self.vote_of_target(request, ballot, option).await;
        let (answer, response) = match reply {
            Ok((response, refusal)) => {
                let vote = &response.vote.leader_id;
                elections.learn_of_term(vote.term, self.target.node);
                let answer = match response.vote_granted {
                    true => Answer::Given,
                    false => Answer::Refused(refusal),
                };
                (answer, Ok(response))
            }
            Err((reason, failure)) => (Answer::None(reason), Err(failure)),
        };
        asked.end(&answer);
        response
    }

    /// The target's answer, or the reason for a missing one, in words and for openraft.
    async fn vote_of_target(
        &self,
        request: &VoteRequest<TypeConfig>,
        ballot: Ballot,
        option: &RPCOption,
    ) -> Result<(VoteResponse<TypeConfig>, Refusal), (String, Failure)> {
        let unreached = |error: PeerError| (error.to_string(), failure(error));
        let request = vote_request(request, ballot == Ballot::PreVote);
        let (mut client, request) = self
            .peers
            .unary(&self.address, request, Some(self.target), option.hard_ttl())
            .map_err(unreached)?;
        let reply = client.vote(request).await;
        let reply = reply
            .map_err(|status| unreached(PeerError::of(self.address.clone(), &status)))?
            .into_inner();
        let refusal = Refusal::from_wire(&reply);
        let response = reply.try_into();
        let response =
            response.map_err(|error: Malformed| (error.to_string(), malformed(&error)))?;
        Ok((response, refusal))
    }
}

/// A vote that was asked for. openraft drops the question when it has waited for long enough.
struct Asked<'a> {
    elections: &'a Elections,
    ballot: Ballot,
    term: u64,
    target: NodeId,
    at: Instant,
    answered: bool,
}

impl Asked<'_> {
    fn end(mut self, answer: &Answer) {
        self.answered = true;
        self.elections
            .was_answered(self.ballot, self.term, self.target, answer);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let waited = self.at.elapsed().as_millis();
            let answer = Answer::None(format!("nothing came within {waited} ms"));
            self.elections
                .was_answered(self.ballot, self.term, self.target, &answer);
        }
    }
}

impl NetStreamAppend<TypeConfig> for PeerConnection {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, Failure>>, Failure>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            // The requests hold what openraft needs for the next stream.
            let unanswered = Unanswered::none(self.own.suspended_for.clone());
            let requests = self.own.news.with_next_entries(unanswered.made(input));
            let (requests, tie) = tie(unanswered.sent(requests));
            let requests = requests.map(charged(self.own.memory.clone()));
            // openraft pauses where it is asked for the next request, and a stream that is not opened never asks.
            if let Some(failed) = self.failed {
                sleep_until(failed + OPEN_PAUSE).await;
            }
            let mut cutoff = self.own.cutoff.subscribe();
            let opening = self.peers.append(&self.address, self.target, requests);
            let opened = tokio::select! {
                opened = opening => opened,
                cut = cutoff.cut() => return Err(cut),
            };
            self.failed = opened.is_err().then(Instant::now);
            let replies = opened.map_err(failure)?;
            let results = replies.map(|reply| {
                let reply = reply.map_err(|status| self.status(&status))?;
                let result = append_result(reply).map_err(|error| malformed(&error))?;
                if let Err(StreamAppendError::HigherVote(vote)) = &result {
                    let elections = &self.own.elections;
                    elections.learn_of_term(vote.leader_id.term, self.target.node);
                }
                Ok(result)
            });
            let results = unanswered.results(tie.results(results), self.late);
            Ok(Box::pin(cutoff.results(results)) as BoxStream<'s, _>)
        })
    }
}

/// Makes messages of requests. The budget holds each message until the next one is made, since by then it has left. A message
/// copies its entries, so the log's own limit does not count what is on its way to a slow follower. Replication goes on if the
/// budget has no room, because it lets the leader give memory back.
fn charged(
    memory: Arc<Budget>,
) -> impl FnMut(AppendEntriesRequest<TypeConfig>) -> wire::AppendRequest {
    let mut leaving = Vec::new();
    move |request| {
        let bytes = request.entries.iter().map(size).sum();
        leaving.clear();
        if bytes > UNCHARGED_MESSAGE_BYTES {
            leaving.push(memory.hold(Purpose::Messages, bytes));
        }
        wire::AppendRequest::from(&request)
    }
}

impl NetVote<TypeConfig> for PeerConnection {
    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.ask_for_vote(&request, Ballot::Vote, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.ask_for_vote(&request, Ballot::PreVote, &option).await
    }
}

impl NetSnapshot<TypeConfig> for PeerConnection {
    type SnapshotData = StateSnapshot;

    async fn full_snapshot(
        &mut self,
        leader: Vote,
        snapshot: Snapshot<LeaderTerm, NodeId, Member, StateSnapshot>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let head = Piece::Head(snapshot_head(&leader, &snapshot.meta));
        let chunks = snapshot.snapshot.into_chunks().map(Piece::Chunk);
        let log = self.own.log.clone();
        let (began_at, max_log_bytes) = (log.appended_bytes(), self.own.max_log_bytes);
        let pieces = stream::iter(std::iter::once(head).chain(chunks)).then(move |piece| {
            // What is written meanwhile has to be in the log still when the snapshot is in place, or it was in vain. The log
            // is cut to half of its bound, when this is by chance, and what is still to be sent takes its time too.
            let hurry = log.appended_bytes().wrapping_sub(began_at) > max_log_bytes / 4;
            async move {
                // Writes go on, on this node and on the one that receives, and come first.
                if hurry {
                    yield_now().await;
                } else {
                    sleep(PIECE_PAUSE).await;
                }
                wire::SnapshotPiece { piece: Some(piece) }
            }
        });
        let peers = &self.peers;
        let sent = peers.install_snapshot(&self.address, self.target, pieces, option.hard_ttl());
        let reply = tokio::select! {
            reply = sent => reply,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        let reply = reply.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
        let vote =
            vote(reply.vote).map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        self.own.metrics.snapshot_sent();
        Ok(SnapshotResponse::new(vote))
    }
}

impl NetTransferLeader<TypeConfig> for PeerConnection {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failure> {
        let successor = *request.to_node_id();
        self.own.elections.hands_over(successor);
        let message = wire::TransferLeaderRequest::from(&request);
        let (mut client, message) = self
            .peers
            .unary(&self.address, message, Some(self.target), option.hard_ttl())
            .map_err(failure)?;
        let reply = client.transfer_leader(message).await;
        let reply = reply.map_err(|status| self.status(&status))?.into_inner();
        if reply.refusal.is_empty() {
            return Ok(Ok(()));
        }
        tracing::debug!(
            node = self.target.node,
            "does not take over: {}",
            reply.refusal
        );
        Ok(Err(TransferLeaderError::LogNotFlushed {
            expected: request.last_log_id().copied(),
            actual: None,
        }))
    }
}

impl NetBackoff<TypeConfig> for PeerConnection {
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}
