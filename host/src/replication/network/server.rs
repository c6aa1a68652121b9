//! Calls from other nodes.
//!
//! Whether a call may be made at all is settled before it comes here: by TLS, the token and the protocol's version. What
//! is checked here is whether it is meant for the node that this process is now.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use openraft::storage::Snapshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::connection::{Listener, incoming};
use super::tls::PeerTls;
use super::{Authentication, metadata};
use crate::replication::convert::{Malformed, snapshot_meta};
use crate::replication::host::Host;
use crate::replication::leader_link;
use crate::replication::node::Node;
use crate::replication::protocol as wire;
use crate::replication::protocol::peer_server::{Peer, PeerServer};
use crate::replication::protocol::snapshot_piece::Piece;
use crate::replication::snapshot::SnapshotReceiver;

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

/// What may be on its way in one stream and one connection without having been read, in bytes.
const WINDOW_BYTES: u32 = 4 << 20;

/// Answers other nodes' calls until it is told to stop.
pub async fn serve(
    host: Arc<Host>,
    listener: Box<dyn Listener>,
    tls: Option<PeerTls>,
    authentication: Authentication,
    max_message_bytes: usize,
    stop: CancellationToken,
) {
    let service = PeerServer::new(Answers { host })
        .max_decoding_message_size(max_message_bytes)
        .max_encoding_message_size(max_message_bytes);
    let service = InterceptedService::new(service, authentication);
    let server_tls = tls.as_ref().map(PeerTls::server);
    let served = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .add_service(service)
        .serve_with_incoming_shutdown(
            incoming(listener, server_tls, stop.clone()),
            stop.cancelled(),
        )
        .await;
    if let Err(error) = served {
        tracing::error!("other nodes are not answered any more: {error}");
    }
}

struct Answers {
    host: Arc<Host>,
}

impl Answers {
    /// The node that this process is, where the call is meant for it.
    fn node(&self, metadata: &MetadataMap) -> Result<Arc<Node>, Status> {
        let target = metadata::target(metadata)?;
        let Some(node) = self.host.node() else {
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
}

fn invalid(error: &Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("this node is stopping: {error}"))
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
        Ok(Response::new(self.host.probe(&request).await))
    }

    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinReply>, Status> {
        let joined = self.host.join(request.into_inner()).await;
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
        let pre_vote = request.pre_vote;
        let request = request.try_into().map_err(|error| invalid(&error))?;
        let response = if pre_vote {
            node.raft.pre_vote(request).await
        } else {
            node.raft.vote(request).await
        };
        let response = response.map_err(stopped)?;
        Ok(Response::new((&response).into()))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderReply>, Status> {
        let node = self.node(request.metadata())?;
        let request = request
            .into_inner()
            .try_into()
            .map_err(|error| invalid(&error))?;
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
        let requests = request.into_inner().map(|request| {
            let request = AppendEntriesRequest::try_from(request.ok()?);
            request.inspect_err(|error| tracing::warn!("{error}")).ok()
        });
        // What comes after a message that cannot be read is of no use.
        let requests = requests
            .take_while(|request| std::future::ready(request.is_some()))
            .filter_map(std::future::ready);
        let results = node.raft.stream_append(requests);
        let replies = results.map(|result| result.map(Into::into).map_err(stopped));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::SnapshotPiece>>,
    ) -> Result<Response<wire::InstallSnapshotReply>, Status> {
        let node = self.node(request.metadata())?;
        let mut pieces = request.into_inner();
        let mut next = async || -> Result<Option<Piece>, Status> {
            let piece = timeout(PIECE_TIMEOUT, pieces.message()).await;
            let piece =
                piece.map_err(|_| Status::deadline_exceeded("a snapshot does not go on"))??;
            Ok(piece.and_then(|piece| piece.piece))
        };
        let Some(Piece::Head(head)) = next().await? else {
            return Err(Status::invalid_argument(
                "a snapshot begins without its head",
            ));
        };
        let (vote, meta) = snapshot_meta(head).map_err(|error| invalid(&error))?;
        let mut receiver = SnapshotReceiver::new(self.host.parts.backend.map.clone());
        let damaged = |error| Status::invalid_argument(format!("{error}"));
        while let Some(piece) = next().await? {
            let Piece::Chunk(chunk) = piece else {
                return Err(Status::invalid_argument("a snapshot has two heads"));
            };
            receiver.push(chunk).map_err(damaged)?;
        }
        let snapshot = receiver.finish().map_err(damaged)?;
        let snapshot = Snapshot { meta, snapshot };
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
        let requests = request.into_inner();
        let replies = requests
            .take_while(|request| std::future::ready(request.is_ok()))
            .filter_map(|request| std::future::ready(request.ok()))
            .map(move |request| {
                let node = node.clone();
                async move { Ok(leader_link::answer(&node.raft, node.read_policy, request).await) }
            })
            .buffer_unordered(MAX_SUBMITTED);
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
