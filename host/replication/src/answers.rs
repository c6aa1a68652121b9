//! What this process answers to other nodes beside Raft's own calls: which node it is, and that one has left. The answer to one
//! that wants to join is in `admission.rs`, and how the cluster is in `overview.rs`.

use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use tokio::time::timeout;

use super::host::Host;
use super::leader_link::{Attempt, read_index};
use super::membership::Departure;
use super::network::LEAVE_TIMEOUT;
use super::node::Node;
use super::protocol as wire;
use super::types::{ClusterId, NodeId, StoredMembership};

/// How long removing a member may take. The member waits for longer, so it hears if it is not done.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(7);

const _: () = assert!(CHANGE_TIMEOUT.as_secs() < LEAVE_TIMEOUT.as_secs());

impl Host {
    /// Who this process is.
    ///
    /// # Errors
    ///
    /// It may be forming a cluster at this moment. Whoever heard that it has none could form another one.
    pub async fn probe(&self, request: &wire::ProbeRequest) -> Result<wire::ProbeReply, String> {
        let application = self.parts.application.clone();
        let nonce = Bytes::copy_from_slice(&self.nonce.to_be_bytes());
        let Some(node) = self.node() else {
            if self.pledge.is_given() {
                return Err("this node may be forming a cluster now; ask it again".to_owned());
            }
            return Ok(wire::ProbeReply {
                application,
                nonce,
                ..wire::ProbeReply::default()
            });
        };
        let leader = node.leadership.borrow().address();
        let theirs = ClusterId::from_bytes(&request.cluster);
        let same = theirs == Some(node.identity.cluster);
        let recovered = theirs.is_some_and(|theirs| node.predecessors.include(theirs));
        Ok(wire::ProbeReply {
            application,
            cluster: Bytes::copy_from_slice(&node.identity.cluster.to_bytes()),
            node: node.identity.node,
            leader,
            caught_up: self.parts.backend.is_caught_up(),
            removed: same && node.has_removed(request.node).await,
            succeeded: recovered && node.reaches_majority().await,
            nonce,
        })
    }

    /// Takes a node out of the membership.
    pub async fn leave(&self, request: &wire::LeaveRequest) -> wire::LeaveReply {
        let done = match self.node() {
            Some(node) if node.leads() => node.remove(request.node).await,
            _ => false,
        };
        wire::LeaveReply {
            not_leader: (!done).then(|| self.not_leader()),
        }
    }

    pub(super) fn not_leader(&self) -> wire::NotLeader {
        let leader = self.node().map(|node| node.leadership.borrow().address());
        wire::NotLeader {
            leader: leader.unwrap_or_default(),
            no_memory: false,
        }
    }
}

impl Node {
    /// Whether this node leads, and a majority follows it at this moment: one that is cut off goes on naming itself.
    pub(super) async fn reaches_majority(&self) -> bool {
        self.leads()
            && matches!(
                read_index(&self.raft, &self.read_policy).await,
                Attempt::Done(_)
            )
    }

    /// Whether this node leads, and `node` was a member and is none any more.
    async fn has_removed(&self, node: NodeId) -> bool {
        // A leader that was cut off knows of no change since.
        if node == 0 || !self.reaches_majority().await {
            return false;
        }
        let next = self.raft.with_state_machine(|machine| {
            let next = machine.next_node();
            Box::pin(async move { next })
        });
        let seen = self.raft.metrics().borrow_watched().clone();
        let is_member = |membership: &StoredMembership| membership.get_node(&node).is_some();
        next.await.is_ok_and(|next| node < next)
            && !is_member(&seen.membership_config)
            && !is_member(&seen.committed_membership_config)
    }

    /// Takes a node out of the membership, and says whether it is out: the entry that says so is committed. One that is only in
    /// the leader's log may need the very node that asks to be committed.
    async fn remove(&self, node: NodeId) -> bool {
        self.departures.add(node, Departure::Leaves);
        let mut metrics = self.raft.metrics();
        let gone = async {
            loop {
                let seen = metrics.borrow_watched().clone();
                // A new leader may have entries in its log of which it does not know yet that they are committed.
                let in_log = seen.membership_config.get_node(&node).is_some();
                if !in_log && is_out(node, &seen.committed_membership_config) {
                    return true;
                }
                if metrics.changed().await.is_err() {
                    return false;
                }
            }
        };
        timeout(CHANGE_TIMEOUT, gone).await.unwrap_or(false)
    }
}

/// Whether a node has ceased to be a member. A node that knows of no membership cannot say so.
fn is_out(node: NodeId, committed: &StoredMembership) -> bool {
    committed.log_id().is_some()
        && committed.get_joint_config().len() == 1
        && committed.get_node(&node).is_none()
}
