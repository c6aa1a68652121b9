//! Calls to other nodes: one connection to each address, made when it is needed and made again when it breaks.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use spindrift_failures::WithCauses;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::connecting::Connector;
use super::connection::Transport;
use super::peer_error::PeerError;
use super::raft_network::{OwnNode, PeerNetwork};
use super::spoken::Spoken;
use super::tls::PeerTls;
use super::{Authentication, metadata};
use crate::protocol as wire;
use crate::protocol::peer_client::PeerClient;
use crate::types::Identity;
use crate::versions::Versions;

/// Addresses to which connections are kept. Beyond it all are dropped, and those that are needed are made anew.
const MAX_CONNECTIONS: usize = 256;

/// How long a node may take for an answer that needs no other node.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a node may take that asks others how the cluster is.
pub const STATUS_TIMEOUT: Duration = Duration::from_secs(6);

/// How long a node may take to let another one into the cluster, or to recover.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(12);

/// How long the leader may take to take a node out of the membership.
pub const LEAVE_TIMEOUT: Duration = Duration::from_secs(8);

/// A connection over which nothing was heard for so long is asked for a sign of life.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// A connection that gives no sign of life for so long is given up.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What may be on its way in one stream without having been read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// The same for all streams of one connection together: one that is not read must not keep the others waiting.
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;

/// The way to other nodes, and what this process says of itself with each call. Clones share their connections.
#[derive(Clone)]
pub struct Peers(Arc<Shared>, Spoken);

struct Shared {
    connector: Arc<Connector>,
    authentication: Authentication,
    max_message_bytes: usize,
    /// Where this process is reached, for those that it calls as a member of their cluster.
    own: Option<AsciiMetadataValue>,
    channels: Mutex<HashMap<String, Channel>>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers")
            .field("connector", &self.0.connector)
            .finish_non_exhaustive()
    }
}

impl Peers {
    /// Connects over `transport`, under TLS where it is given, with the token where there is one. `own` is where other nodes
    /// reach this process, if it may become one.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        tls: Option<PeerTls>,
        authentication: Authentication,
        max_message_bytes: usize,
        own: Option<&str>,
    ) -> Self {
        let shared = Shared {
            connector: Arc::new(Connector::new(transport, tls)),
            authentication,
            max_message_bytes,
            own: own.and_then(|own| own.parse().ok()),
            channels: Mutex::default(),
        };
        Self(Arc::new(shared), Spoken(Versions::OWN))
    }

    /// The same for a process that speaks these versions of the protocol, instead of all that this program knows.
    #[must_use]
    pub fn speaking(self, versions: Versions) -> Self {
        Self(self.0, Spoken(versions))
    }

    /// The versions of the protocol that this process speaks.
    #[must_use]
    pub fn versions(&self) -> Versions {
        self.1.0
    }

    /// What this process takes in one message, and sends at most, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        self.0.max_message_bytes
    }

    /// How many addresses there are connections to.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.0.channels.lock().len()
    }

    /// The calls that openraft makes on the node `own`.
    #[must_use]
    pub fn network(&self, own: OwnNode) -> PeerNetwork {
        PeerNetwork::new(self.clone(), own)
    }

    /// Who the node at `address` is.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn probe(
        &self,
        address: &str,
        request: wire::ProbeRequest,
    ) -> Result<wire::ProbeReply, PeerError> {
        let (mut client, request) = self.unary(address, request, None, CALL_TIMEOUT)?;
        self.answer(address, CALL_TIMEOUT, client.probe(request))
            .await
    }

    /// As [`Self::probe`], over a connection of its own: one that was made before may go to a process that has the address no
    /// more.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn probe_anew(
        &self,
        address: &str,
        request: wire::ProbeRequest,
    ) -> Result<wire::ProbeReply, PeerError> {
        let (_, request) = self.unary(address, request, None, CALL_TIMEOUT)?;
        let mut client = self.client_on(self.channel(address)?);
        self.answer(address, CALL_TIMEOUT, client.probe(request))
            .await
    }

    /// Asks the leader for an id and a place among the learners.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn join(
        &self,
        address: &str,
        request: wire::JoinRequest,
    ) -> Result<wire::JoinReply, PeerError> {
        let (mut client, request) = self.unary(address, request, None, CHANGE_TIMEOUT)?;
        self.answer(address, CHANGE_TIMEOUT, client.join(request))
            .await
    }

    /// Asks the leader, who is `target`, to take a node out of the membership.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn leave(
        &self,
        address: &str,
        target: Identity,
        request: wire::LeaveRequest,
    ) -> Result<wire::LeaveReply, PeerError> {
        let (mut client, request) = self.unary(address, request, Some(target), LEAVE_TIMEOUT)?;
        self.answer(address, LEAVE_TIMEOUT, client.leave(request))
            .await
    }

    /// The cluster as the node at `address` sees it.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn status(
        &self,
        address: &str,
        request: wire::StatusRequest,
    ) -> Result<wire::StatusReply, PeerError> {
        let timeout = match request.only_yourself {
            true => CALL_TIMEOUT,
            false => STATUS_TIMEOUT,
        };
        let (mut client, request) = self.unary(address, request, None, timeout)?;
        self.answer(address, timeout, client.status(request)).await
    }

    /// Has the node at `address` recover.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn recover(
        &self,
        address: &str,
        request: wire::RecoverRequest,
    ) -> Result<wire::RecoverReply, PeerError> {
        let (mut client, request) = self.unary(address, request, None, CHANGE_TIMEOUT)?;
        self.answer(address, CHANGE_TIMEOUT, client.recover(request))
            .await
    }

    /// Opens a stream for commits and reads to the leader, who is `target`.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn submit(
        &self,
        address: &str,
        target: Identity,
        requests: mpsc::Receiver<wire::SubmitRequest>,
    ) -> Result<Streaming<wire::SubmitReply>, PeerError> {
        let requests = ReceiverStream::new(requests);
        let request = self.streaming(requests, target);
        let mut client = self.client(address)?;
        self.answer(address, CALL_TIMEOUT, client.submit(request))
            .await
    }

    /// Opens a stream for entries to a follower, who is `target`. Replies come in the order of the requests.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub(super) async fn append(
        &self,
        address: &str,
        target: Identity,
        requests: impl Stream<Item = wire::AppendRequest> + Send + 'static,
    ) -> Result<Streaming<wire::AppendReply>, PeerError> {
        let request = self.streaming(requests, target);
        let mut client = self.client(address)?;
        self.answer(address, CALL_TIMEOUT, client.append(request))
            .await
    }

    /// Sends a snapshot to a follower, who is `target`, and waits until it is installed. It goes over a connection of its
    /// own, so that nothing waits behind it.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub(super) async fn install_snapshot(
        &self,
        address: &str,
        target: Identity,
        pieces: impl Stream<Item = wire::SnapshotPiece> + Send + 'static,
        timeout: Duration,
    ) -> Result<wire::InstallSnapshotReply, PeerError> {
        let mut request = self.streaming(pieces, target);
        request.set_timeout(timeout);
        let mut client = self.client_on(self.channel(address)?);
        self.answer(address, timeout, client.install_snapshot(request))
            .await
    }

    /// A client and a request that has to be answered in time.
    pub(super) fn unary<T>(
        &self,
        address: &str,
        message: T,
        target: Option<Identity>,
        timeout: Duration,
    ) -> Result<(PeerClient<Channel>, Request<T>), PeerError> {
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        self.sign(request.metadata_mut(), target);
        Ok((self.client(address)?, request))
    }

    /// A stream of requests, which may go on for ever.
    fn streaming<S>(&self, messages: S, target: Identity) -> Request<S> {
        let mut request = Request::new(messages);
        self.sign(request.metadata_mut(), Some(target));
        request
    }

    fn sign(&self, signed: &mut MetadataMap, target: Option<Identity>) {
        self.1.sign(signed);
        if let Some(token) = self.0.authentication.metadata() {
            signed.insert(metadata::AUTHORIZATION, token);
        }
        if let Some(target) = target {
            metadata::insert_target(signed, target);
            if let Some(own) = &self.0.own {
                signed.insert(metadata::FROM, own.clone());
            }
        }
    }

    fn client(&self, address: &str) -> Result<PeerClient<Channel>, PeerError> {
        let mut channels = self.0.channels.lock();
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let channel = self.channel(address)?;
                if channels.len() >= MAX_CONNECTIONS {
                    channels.clear();
                }
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        drop(channels);
        Ok(self.client_on(channel))
    }

    fn client_on(&self, channel: Channel) -> PeerClient<Channel> {
        let limit = self.0.max_message_bytes;
        PeerClient::new(channel)
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit)
    }

    fn channel(&self, address: &str) -> Result<Channel, PeerError> {
        let unusable = |error| PeerError::Unreachable {
            address: address.to_owned(),
            reason: format!("it is no address: {}", WithCauses(&error)),
        };
        // Encryption is this project's own business, below HTTP, so HTTP sees a plain connection.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(unusable)?
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (connector, address) = (self.0.connector.clone(), address.to_owned());
        let connect = tower::service_fn(move |_| {
            let (connector, address) = (connector.clone(), address.clone());
            async move { connector.connect(&address).await.map(TokioIo::new) }
        });
        Ok(endpoint.connect_with_connector_lazy(connect))
    }

    /// The answer to a call, in a time that includes that of connecting.
    async fn answer<T>(
        &self,
        address: &str,
        timeout: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, PeerError> {
        let address = address.to_owned();
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(response)) => match self.1.check_answer(response.metadata()) {
                Ok(()) => Ok(response.into_inner()),
                Err(reason) => Err(PeerError::Refused { address, reason }),
            },
            Ok(Err(status)) => Err(PeerError::of(address, &status)),
            Err(_) => Err(PeerError::Unreachable {
                address,
                reason: format!("no answer within {timeout:?}"),
            }),
        }
    }
}
