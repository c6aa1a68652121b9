//! A process that answers other nodes on loopback, as far as the network is concerned: without a life of its own.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use spindrift_discovery::StaticList;
use spindrift_store::{StoreLimits, Stores};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::soon;
use crate::Faults;
use crate::host::Host;
use crate::metrics::ReplicationMetrics;
use crate::network::{Authentication, Io, Listener, Peers, Tcp, Transport, serve};
use crate::node::{Node, Parts};
use crate::options::ReplicationOptions;
use crate::predecessors::Predecessors;
use crate::replicated::Replicated;
use crate::suspension::SuspendedFor;
use crate::types::{ClusterId, Identity, Member};

/// The cluster of these tests.
pub const CLUSTER: ClusterId = ClusterId(0xc1);

/// The longest message that a [`Peer`] takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Node `node` of the cluster.
pub const fn identity(node: u64) -> Identity {
    Identity {
        cluster: CLUSTER,
        node,
    }
}

/// The way to other nodes, for messages up to `max_message_bytes`.
pub fn peers(max_message_bytes: usize) -> Peers {
    let authentication = Authentication::default();
    Peers::new(Arc::new(Tcp), None, authentication, max_message_bytes, None)
}

/// The way to other nodes over another network.
pub fn peers_over(transport: impl Transport) -> Peers {
    let authentication = Authentication::default();
    let transport = Arc::new(transport);
    Peers::new(transport, None, authentication, MAX_MESSAGE_BYTES, None)
}

/// A network in which every connection is refused at once, as machines do whose process was killed.
#[derive(Debug)]
pub struct Nowhere;

impl Transport for Nowhere {
    fn connect(&self, _: &str) -> BoxFuture<'static, io::Result<Io>> {
        Box::pin(ready(Err(io::ErrorKind::ConnectionRefused.into())))
    }

    fn listen(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(ready(Err(io::ErrorKind::AddrNotAvailable.into())))
    }
}

/// A process that answers.
pub struct Peer {
    pub address: String,
    pub host: Arc<Host>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Peer {
    /// One that is the node `identity`, or none.
    pub async fn start(identity: Option<Identity>) -> Self {
        Self::start_at("127.0.0.1:0", identity).await
    }

    /// The same, which knows of processes at these addresses as well.
    pub async fn start_beside(
        others: impl IntoIterator<Item = String>,
        identity: Option<Identity>,
    ) -> Self {
        let (authentication, options) = Default::default();
        Self::start_with("127.0.0.1:0", others, authentication, options, identity).await
    }

    /// One with these options.
    pub async fn start_told(options: ReplicationOptions, identity: Option<Identity>) -> Self {
        let authentication = Authentication::default();
        Self::start_with("127.0.0.1:0", [], authentication, options, identity).await
    }

    /// One that wants calls to carry a token.
    pub async fn start_under(authentication: Authentication, identity: Option<Identity>) -> Self {
        let options = ReplicationOptions::default();
        Self::start_with("127.0.0.1:0", [], authentication, options, identity).await
    }

    /// The same, at a certain address.
    pub async fn start_at(address: &str, identity: Option<Identity>) -> Self {
        let (authentication, options) = Default::default();
        Self::start_with(address, [], authentication, options, identity).await
    }

    async fn start_with(
        address: &str,
        others: impl IntoIterator<Item = String>,
        authentication: Authentication,
        options: ReplicationOptions,
        identity: Option<Identity>,
    ) -> Self {
        let limits = StoreLimits::default();
        let stores = Stores::new([("default".to_owned(), limits)].into());
        let backend = Replicated::new(stores, options.leader_wait, Faults::default());
        let parts = Parts {
            options: Arc::new(options),
            discovery: Arc::new(StaticList::new(others, "127.0.0.1:7000", false)),
            application: "test".into(),
            backend: Arc::new(backend),
            peers: peers(MAX_MESSAGE_BYTES),
            refusals: crate::membership::Refusals::default(),
            metrics: ReplicationMetrics::default(),
            suspended_for: SuspendedFor::default(),
        };
        let (host, _) = Host::new(parts, Member::default());
        let host = Arc::new(host);
        if let Some(identity) = identity {
            let node = Node::start(&host.parts, identity, Predecessors::default())
                .await
                .expect("a node");
            host.set_node(Some(Arc::new(node)));
        }
        let address = address.parse().expect("an address");
        let listener = Tcp.listen(address).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(
            host.clone(),
            listener,
            None,
            authentication,
            MAX_MESSAGE_BYTES,
            stop.clone(),
        ));
        Self {
            address,
            host,
            stop,
            serving,
        }
    }

    /// The node that it is.
    pub fn node(&self) -> Arc<Node> {
        self.host.node().expect("a node")
    }

    /// Ends it, as a process does that has left: it answers no more, and waits for nobody.
    pub async fn end(self) {
        self.stop.cancel();
        soon("its end", self.serving).await.expect("no panic");
        if let Some(node) = self.host.node() {
            node.stop().await;
        }
    }
}
