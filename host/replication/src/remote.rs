//! What is asked of a node from outside its cluster, for the command line: its [`Status`], and to recover.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::network::{ClusterToken, Peers, Tcp, Trust};
use super::options::PeerTlsFiles;
use super::protocol as wire;
use super::status::{NodeStatus, Role, Status};
use super::types::{ClusterId, NodeId};

/// How long a node may take to say how its cluster is: it asks others.
const STATUS_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a node may take to recover.
const RECOVER_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest answer that is read, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// What the asker proves itself to the node with, and the node to the asker.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The secret that all nodes of the cluster know.
    pub token: Option<ClusterToken>,
    /// The files for mutual TLS.
    pub tls: Option<PeerTlsFiles>,
}

/// What a node holds that is asked to recover, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The revision of its map.
    pub revision: u64,
    /// The keys in its map.
    pub entries: u64,
    /// The other nodes of the cluster that it was in, those of them that answer.
    pub others: Vec<NodeStatus>,
    /// The new cluster and the node's id in it; `None` where nothing was changed.
    pub formed: Option<Formed>,
}

/// A cluster that was formed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formed {
    /// Its id, 32 hexadecimal digits.
    pub cluster: String,
    /// The id that its only node has in it.
    pub node: NodeId,
}

/// Why a node gave no answer that could be used.
pub use super::network::PeerError as RemoteError;

/// Asks the node at `address` for the state of its cluster.
///
/// # Errors
///
/// Where the node cannot be reached in a few seconds, or refuses.
pub async fn status(address: &str, credentials: &Credentials) -> Result<Status, RemoteError> {
    let peers = credentials.peers(address)?;
    let request = wire::StatusRequest::default();
    let asked = timeout(STATUS_TIMEOUT, peers.status(address, request)).await;
    let reply = asked.map_err(|_| unanswered(address))??;
    let cluster = ClusterId::from_bytes(&reply.cluster);
    let nodes = reply.nodes.into_iter().map(node_status);
    Ok(Status {
        application: reply.application,
        cluster: cluster.map(|cluster| cluster.to_string()),
        node: (reply.node != 0).then_some(reply.node),
        leader: (reply.leader != 0).then_some(reply.leader),
        term: reply.term,
        nodes: nodes.collect(),
    })
}

fn node_status(node: wire::NodeStatus) -> NodeStatus {
    let member = node.member.unwrap_or_default();
    NodeStatus {
        node: (node.node != 0).then_some(node.node),
        // A role of a newer version: that it holds what the leader sends is what all have in common.
        role: node.role.parse().unwrap_or(Role::Learner),
        address: member.peer,
        version: member.version,
        protocol: (member.protocol != 0).then_some(member.protocol),
        machine: Some(member.machine).filter(|machine| !machine.is_empty()),
        term: node.term,
        revision: node.revision,
        lag: node.lag,
        heard: node.silent_ms.map(Duration::from_millis),
        health: node.health,
    }
}

/// Asks the node at `address` what it holds, and with `accept_data_loss` to become the only voter of a new cluster.
///
/// # Errors
///
/// Where the node cannot be reached in a few seconds, or refuses.
pub async fn recover(
    address: &str,
    credentials: &Credentials,
    accept_data_loss: bool,
) -> Result<Recovery, RemoteError> {
    let peers = credentials.peers(address)?;
    let request = wire::RecoverRequest { accept_data_loss };
    let asked = timeout(RECOVER_TIMEOUT, peers.recover(address, request)).await;
    let reply = asked.map_err(|_| unanswered(address))??;
    let cluster = ClusterId::from_bytes(&reply.cluster);
    Ok(Recovery {
        revision: reply.revision,
        entries: reply.entries,
        others: reply.others.into_iter().map(node_status).collect(),
        formed: cluster.map(|cluster| Formed {
            cluster: cluster.to_string(),
            node: reply.node,
        }),
    })
}

impl Credentials {
    /// The way to the node at `address`.
    fn peers(&self, address: &str) -> Result<Peers, RemoteError> {
        let trust = Trust::establish(self.token.as_ref(), self.tls.as_ref());
        let trust = trust.map_err(|error| RemoteError::Unreachable {
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Peers::new(
            Arc::new(Tcp),
            trust.tls,
            trust.authentication,
            MAX_MESSAGE_BYTES,
            None,
        ))
    }
}

fn unanswered(address: &str) -> RemoteError {
    RemoteError::Unreachable {
        address: address.to_owned(),
        reason: "it does not answer in time".into(),
    }
}
