//! What this process is in its cluster, if anything: shared by those who answer other nodes' calls and by the lifecycle.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use spindrift_discovery::Pledge;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::callers::Callers;
use super::leave::LEAVE_TIMEOUT;
use super::node::{Node, Parts};
use super::types::Member;

/// What this process is at the moment.
pub struct Host {
    /// What its nodes are made with.
    pub parts: Parts,
    /// Chosen at random: tells this process from every other one, also from an earlier one at its address.
    pub nonce: u128,
    /// How other nodes are to know it.
    pub member: Member,
    /// The node that it is; nothing while it is none.
    current: watch::Sender<Option<Arc<Node>>>,
    /// That it may be forming a cluster, while it may.
    pub pledge: Pledge,
    /// Who takes it for a member of another cluster.
    pub callers: Callers,
    leave_by: OnceLock<Instant>,
    recoveries: mpsc::Sender<oneshot::Sender<Result<Arc<Node>, String>>>,
}

/// Who wants this process to recover, to be answered with the node that it has become or why it cannot.
pub type Recoveries = mpsc::Receiver<oneshot::Sender<Result<Arc<Node>, String>>>;

impl Host {
    /// A process that is no node yet.
    #[must_use]
    pub fn new(parts: Parts, member: Member) -> (Self, Recoveries) {
        let (recoveries, receiver) = mpsc::channel(1);
        let host = Self {
            parts,
            nonce: rand::random(),
            member,
            current: watch::channel(None).0,
            pledge: Pledge::default(),
            callers: Callers::default(),
            leave_by: OnceLock::new(),
            recoveries,
        };
        (host, receiver)
    }

    /// The node that this process is.
    #[must_use]
    pub fn node(&self) -> Option<Arc<Node>> {
        self.current.borrow().clone()
    }

    /// Says which node this process has become, or that it is none any more.
    pub fn set_node(&self, node: Option<Arc<Node>>) {
        self.current.send_replace(node);
    }

    /// Until when this process leaves its cluster, in a time that begins when this is asked first. To be asked once it is told to
    /// leave.
    #[must_use]
    pub fn leave_by(&self) -> Instant {
        *self.leave_by.get_or_init(|| Instant::now() + LEAVE_TIMEOUT)
    }

    /// Has the lifecycle recover.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence.
    pub async fn recover(&self) -> Result<Arc<Node>, String> {
        let stopping = || "this node is stopping".to_owned();
        let (answer, recovered) = oneshot::channel();
        self.recoveries.send(answer).await.map_err(|_| stopping())?;
        recovered.await.map_err(|_| stopping())?
    }

    /// Where other processes are, as far as is known now.
    #[must_use]
    pub fn other_peers(&self) -> BTreeSet<String> {
        let mut peers = self.parts.discovery.peers().borrow().present.clone();
        peers.remove(&self.member.peer);
        peers
    }

    /// The labels of this node's stores: a node that wants to join has to have the same.
    #[must_use]
    pub fn store_labels(&self) -> Vec<String> {
        let stores = self.parts.backend.map.stores().iter();
        stores.map(|(_, label, _)| label.to_owned()).collect()
    }

    /// What this process takes in one message, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        self.parts.peers.max_message_bytes() as u64
    }
}
