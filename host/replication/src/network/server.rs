//! Calls from other nodes.
//!
//! Whether a call may be made at all is settled before it comes here: by TLS, the token and the protocol's version. What
//! is checked here is whether it is meant for the node that this process is now.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use spindrift_failures::WithCauses;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Extensions, Request, Response, Status, Streaming};
use tower::util::MapResponseLayer;

use super::authentication::Revocation;
use super::checks::{answer_vote, check_not_contradicted, check_sender, invalid, stopped};
use super::connection::Listener;
use super::incoming::incoming;
use super::places::admit;
use super::snapshot_intake::SnapshotIntake;
use super::spoken::Spoken;
use super::tie::tie;
use super::tls::PeerTls;
use super::{Authentication, metadata};
use crate::elections::Ballot;
use crate::host::Host;
use crate::leader_link;
use crate::node::Node;
use crate::protocol as wire;
use crate::protocol::peer_server::{Peer, PeerServer};

/// Streams that one connection may have open.
const MAX_STREAMS: u32 = 256;

/// Requests of one stream that are answered at a time.
const MAX_SUBMITTED: usize = 256;

/// How long the next piece of a snapshot may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection over which nothing was heard for so long is asked for a sign of life.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// A connection that gives no sign of life for so long is closed.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams of one connection that may have been given up by the other side before this one came to look at them. Each
/// heartbeat that is not answered in time leaves one behind, so a node that stood still for a while finds many.
const MAX_GIVEN_UP: usize = 256;

/// What may be on its way in one stream without having been read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// The same for all streams of one connection together: one that is not read must not keep the others waiting.
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;

/// The most that comes in one frame, in bytes. HTTP/2 writes each frame by itself, and a batch under load would be some frames of
/// the 16 KiB that they have otherwise.
const MAX_FRAME_BYTES: u32 = 256 << 10;

/// Answers other nodes' calls until it is told to stop.
pub async fn serve(
    host: Arc<Host>,
    listener: Box<dyn Listener>,
    tls: Option<PeerTls>,
    authentication: Authentication,
    max_message_bytes: usize,
    stop: CancellationToken,
) {
    let spoken = Spoken(host.parts.peers.versions());
    let answers = Answers {
        host,
        snapshots: SnapshotIntake::new(PIECE_TIMEOUT),
        stop: stop.clone(),
    };
    let service = PeerServer::new(answers)
        .max_decoding_message_size(max_message_bytes)
        .max_encoding_message_size(max_message_bytes);
    let service = InterceptedService::new(service, admit as fn(_) -> _);
    // The token first: a caller without it learns nothing of this node.
    let service = InterceptedService::new(service, spoken);
    let service = InterceptedService::new(service, authentication);
    let server_tls = tls.as_ref().map(PeerTls::server);
    let mut signature = MetadataMap::new();
    spoken.sign(&mut signature);
    let signature = signature.into_headers();
    let sign = move |mut response: http::Response<_>| {
        response.headers_mut().extend(signature.clone());
        response
    };
    let served = Server::builder()
        .layer(MapResponseLayer::new(sign))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_GIVEN_UP))
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .add_service(service)
        .serve_with_incoming_shutdown(
            incoming(listener, server_tls, stop.clone()),
            stop.cancelled(),
        )
        .await;
    if let Err(error) = served {
        let error = WithCauses(&error);
        tracing::error!("other nodes are not answered any more: {error}");
    }
}

struct Answers {
    host: Arc<Host>,
    snapshots: SnapshotIntake,
    /// Ends the streams that would go on for ever.
    stop: CancellationToken,
}

impl Answers {
    /// The node that this process is, where the call is meant for it. A call for a member of another cluster is noted: there
    /// was one at this address.
    fn node(&self, metadata: &MetadataMap) -> Result<Arc<Node>, Status> {
        let target = metadata::target(metadata)?;
        let node = self.host.node();
        let own = node.as_ref().map(|node| node.identity.cluster);
        if own != Some(target.cluster)
            && let Some(caller) = metadata::caller(metadata)
        {
            self.host.callers.note(target.cluster, caller.to_owned());
        }
        let Some(node) = node else {
            return Err(Status::failed_precondition(
                "this node belongs to no cluster at the moment",
            ));
        };
        let own = node.identity;
        if own.cluster != target.cluster {
            return Err(Status::failed_precondition(format!(
                "this node belongs to cluster {}, and the call is meant for cluster {}",
                own.cluster, target.cluster
            )));
        }
        if own.node != target.node {
            return Err(Status::failed_precondition(format!(
                "this is node {} of the cluster, and the call is meant for node {}",
                own.node, target.node
            )));
        }
        Ok(node)
    }

    /// Waits until a stream has to end that a call with these `extensions` has opened: this node stops, or the token is no
    /// longer trusted that the call has carried.
    fn end_of(&self, extensions: &Extensions) -> impl Future<Output = ()> + Send + use<> {
        let stopped = self.stop.clone().cancelled_owned();
        let revoked = Revocation::of(extensions);
        async move {
            tokio::select! {
                () = stopped => {}
                () = revoked => {}
            }
        }
    }
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Peer for Answers {
    async fn probe(
        &self,
        request: Request<wire::ProbeRequest>,
    ) -> Result<Response<wire::ProbeReply>, Status> {
        let request = request.into_inner();
        let ours = &self.host.parts.application;
        if request.application != *ours {
            return Err(Status::failed_precondition(format!(
                "this cluster runs the application {ours:?}, and the node that asks runs {:?}",
                request.application
            )));
        }
        let reply = self.host.probe(&request).await;
        reply.map(Response::new).map_err(Status::unavailable)
    }

    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinReply>, Status> {
        let caller = Spoken(self.host.parts.peers.versions()).check_call(request.metadata())?;
        let joined = self.host.join(request.into_inner(), caller).await;
        joined
            .map(Response::new)
            .map_err(Status::failed_precondition)
    }

    async fn leave(
        &self,
        request: Request<wire::LeaveRequest>,
    ) -> Result<Response<wire::LeaveReply>, Status> {
        self.node(request.metadata())?;
        Ok(Response::new(self.host.leave(request.get_ref()).await))
    }

    async fn vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteReply>, Status> {
        let node = self.node(request.metadata())?;
        let request = request.into_inner();
        let ballot = match request.pre_vote {
            true => Ballot::PreVote,
            false => Ballot::Vote,
        };
        let request = VoteRequest::try_from(request).map_err(|error| invalid(&error))?;
        check_sender(node.identity.node, &request.vote)?;
        let (response, refusal) = answer_vote(&node, ballot, &request).await?;
        let candidate = &request.vote.leader_id;
        node.elections.has_answered(
            ballot,
            candidate.term,
            candidate.voted_for,
            request.leadership_transfer,
            refusal,
        );
        let mut reply = wire::VoteReply::from(&response);
        if let Some(refusal) = refusal {
            reply.set_refusal(refusal.to_wire());
        }
        Ok(Response::new(reply))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderReply>, Status> {
        let node = self.node(request.metadata())?;
        let request = TransferLeaderRequest::try_from(request.into_inner());
        let request = request.map_err(|error| invalid(&error))?;
        check_sender(node.identity.node, request.from_leader())?;
        let leader = &request.from_leader().leader_id;
        node.elections
            .is_told_of_hand_over(leader.term, leader.voted_for, *request.to_node_id());
        let response = node
            .raft
            .handle_transfer_leader(request)
            .await
            .map_err(stopped)?;
        Ok(Response::new(response.into()))
    }

    type AppendStream = Replies<wire::AppendReply>;

    async fn append(
        &self,
        request: Request<Streaming<wire::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let node = self.node(request.metadata())?;
        let end = self.end_of(request.extensions());
        // What comes after a message that cannot be read is of no use. What comes before it is answered first.
        let unreadable = Arc::new(OnceLock::new());
        let refused = unreadable.clone();
        let own = node.identity.node;
        let elections = node.elections.clone();
        let requests = tokio_stream::StreamExt::map_while(request.into_inner(), move |request| {
            let request = request.and_then(|request| {
                let request =
                    AppendEntriesRequest::try_from(request).map_err(|error| invalid(&error))?;
                check_sender(own, &request.vote)?;
                elections.heard(&request.vote);
                Ok(request)
            });
            request.map_err(|status| refused.set(status)).ok()
        });
        let (requests, tie) = tie(requests);
        let results = node.raft.stream_append(requests);
        let replies = results
            .map(|result| result.map(Into::into).map_err(stopped))
            .chain(
                stream::once(async move { unreadable.get().cloned() })
                    .filter_map(|status: Option<Status>| ready(status.map(Err))),
            )
            .take_until(end);
        Ok(Response::new(Box::pin(tie.results(Box::pin(replies)))))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::SnapshotPiece>>,
    ) -> Result<Response<wire::InstallSnapshotReply>, Status> {
        let node = self.node(request.metadata())?;
        let map = self.host.parts.backend.map.clone();
        let revoked = Revocation::of(request.extensions());
        let pieces = request.into_inner();
        let (vote, snapshot) = tokio::select! {
            taken = self.snapshots.take_in(pieces, map) => taken?,
            () = revoked => {
                return Err(Status::unauthenticated("the cluster token of the call is no longer trusted"));
            }
        };
        check_sender(node.identity.node, &vote)?;
        check_not_contradicted(&node, snapshot.meta.last_log_id).await?;
        node.elections.heard(&vote);
        let installed = node.raft.install_full_snapshot(vote, snapshot).await;
        let installed = installed.map_err(stopped)?;
        self.host.parts.metrics.snapshot_installed();
        Ok(Response::new((&installed).into()))
    }

    type SubmitStream = Replies<wire::SubmitReply>;

    async fn submit(
        &self,
        request: Request<Streaming<wire::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let node = self.node(request.metadata())?;
        let end = self.end_of(request.extensions());
        let replies = request
            .into_inner()
            .map(move |request| {
                let node = node.clone();
                async move { Ok(leader_link::answer(&node, request?).await) }
            })
            .buffer_unordered(MAX_SUBMITTED)
            .take_until(end);
        Ok(Response::new(Box::pin(replies)))
    }

    async fn status(
        &self,
        request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        Ok(Response::new(self.host.status(request.into_inner()).await))
    }

    async fn recover(
        &self,
        request: Request<wire::RecoverRequest>,
    ) -> Result<Response<wire::RecoverReply>, Status> {
        let backend = &self.host.parts.backend;
        let snapshot = backend.map.snapshot();
        let mut reply = wire::RecoverReply {
            revision: snapshot.revision(),
            entries: snapshot.len() as u64,
            cluster: Bytes::new(),
            node: 0,
            others: self.host.other_survivors().await,
        };
        if request.get_ref().accept_data_loss {
            let node = self
                .host
                .recover()
                .await
                .map_err(Status::failed_precondition)?;
            reply.revision = backend.map.applied();
            reply.cluster = Bytes::copy_from_slice(&node.identity.cluster.to_bytes());
            reply.node = node.identity.node;
        }
        Ok(Response::new(reply))
    }
}
