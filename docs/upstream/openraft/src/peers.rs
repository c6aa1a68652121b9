//! The nodes that node 1 speaks to. A test is in their place.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, VoteRequest,
    VoteResponse,
};
use openraft::storage::Snapshot;
use openraft::{OptionalSend, entry::RaftEntry};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{Leader, LogId, TypeConfig, Vote};

/// How long no request comes until the peer has all that there is to send.
const QUIET: Duration = Duration::from_millis(50);

/// How long a request may take. The clock of a test goes on as soon as nothing else does.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub type Failure = RPCError<TypeConfig>;
pub type Request = AppendEntriesRequest<TypeConfig>;
pub type Requests = BoxStream<'static, Request>;
pub type Replies = BoxStream<'static, Result<StreamAppendResult<TypeConfig>, Failure>>;

/// Opens a stream of entries to a peer.
type Open = dyn Fn(Requests) -> Result<Replies, Failure> + Send + Sync;

/// The way to the peers, all of which open streams alike.
#[derive(Clone)]
pub struct Peers(Arc<Open>);

impl Peers {
    /// `open` is called for each stream of entries.
    pub fn new(
        open: impl Fn(Requests) -> Result<Replies, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(open))
    }

    /// One peer, which a test plays.
    pub fn played() -> (Self, Played) {
        let (sender, streams) = mpsc::unbounded_channel();
        let peers = Self::new(move |requests| {
            let (replies, receiver) = mpsc::unbounded_channel();
            // The test may have looked at all that it wants to see.
            drop(sender.send((requests, replies)));
            let replies = futures::stream::unfold(receiver, |mut receiver| async {
                let reply: Option<LogId> = receiver.recv().await?;
                Some((Ok(Ok(reply)), receiver))
            });
            Ok(Box::pin(replies))
        });
        let played = Played {
            streams,
            open: None,
        };
        (peers, played)
    }
}

/// A peer that a test plays.
pub struct Played {
    streams: mpsc::UnboundedReceiver<Stream>,
    open: Option<Stream>,
}

/// What node 1 sends, and up to which entry the peer has the log.
type Stream = (Requests, mpsc::UnboundedSender<Option<LogId>>);

impl Played {
    /// The next request, of this stream or of one that is opened after it.
    pub async fn request(&mut self) -> Request {
        let next = timeout(PATIENCE, self.next()).await;
        next.expect("a request")
    }

    async fn next(&mut self) -> Request {
        loop {
            if self.open.is_none() {
                self.open = self.streams.recv().await;
            }
            match self.request_of_this_stream().await {
                Some(request) => return request,
                None => self.open = None,
            }
        }
    }

    /// The next request of this stream.
    pub async fn request_of_this_stream(&mut self) -> Option<Request> {
        let (requests, _) = self.open.as_mut().expect("a stream");
        requests.next().await
    }

    /// The peer has the log up to there.
    pub fn reply(&self, upto: Option<LogId>) {
        let (_, replies) = self.open.as_ref().expect("a stream");
        replies.send(upto).expect("a node that waits for replies");
    }

    /// Takes in all requests until none has come for a while. The leader's lease is longer than that.
    pub async fn follow(&mut self) {
        while let Ok(request) = timeout(QUIET, self.next()).await {
            self.reply(last_of(&request));
        }
    }
}

/// The last entry that a peer has once it has taken in a request.
pub fn last_of(request: &Request) -> Option<LogId> {
    let last = request.entries.last().map(RaftEntry::log_id);
    last.or(request.prev_log_id)
}

/// A peer that cannot be reached.
pub fn unreachable() -> Failure {
    RPCError::Unreachable(Unreachable::from_string("nobody is there"))
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Self;

    async fn new_client(&mut self, _target: u64, _node: &()) -> Self {
        self.clone()
    }
}

impl RaftNetworkV2<TypeConfig> for Peers {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        _request: Request,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, Failure> {
        Err(unreachable())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        _option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, Failure>>, Failure>,
    >
    where
        S: futures::Stream<Item = Request> + OptionalSend + Unpin + 'static,
    {
        let opened = (self.0)(Box::pin(requests));
        Box::pin(async { opened.map(|replies| replies as BoxStream<'s, _>) })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        Ok(VoteResponse::new(request.vote, None, true))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot<Leader, u64, (), ()>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(Unreachable::from_string(
            "no test sends a snapshot",
        )))
    }
}
