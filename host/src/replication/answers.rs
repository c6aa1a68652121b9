//! What this process answers to other nodes, and to people, beside Raft's own calls: who it is, who may join, who
//! leaves, how the cluster is.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, timeout, timeout_at};

use super::host::Host;
use super::leader_link::{Attempt, read_index};
use super::membership::Departure;
use super::node::Node;
use super::protocol as wire;
use super::protocol::join_reply;
use super::types::{ClusterId, Member, NodeId};

/// How long adding or removing a member may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

impl Host {
    /// Who this process is.
    ///
    /// # Errors
    ///
    /// It may be forming a cluster at this moment. Whoever heard that it has none could form another one.
    pub async fn probe(&self, request: &wire::ProbeRequest) -> Result<wire::ProbeReply, String> {
        let application = self.parts.application.clone();
        let Some(node) = self.node() else {
            if self.pledge.is_given() {
                return Err("this node may be forming a cluster now; ask it again".to_owned());
            }
            return Ok(wire::ProbeReply {
                application,
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
        })
    }

    /// Gives a new node an id and makes it a learner, if it asks for the cluster that this process leads. A node of another
    /// one, which has come to an address that was the leader's, knows nobody that could be asked instead, and has nothing to
    /// refuse.
    ///
    /// # Errors
    ///
    /// Why it cannot become a member of this cluster, as a sentence.
    pub async fn join(&self, request: wire::JoinRequest) -> Result<wire::JoinReply, String> {
        let asked_for = ClusterId::from_bytes(&request.cluster);
        let node = self.node();
        let Some(node) = node.filter(|node| Some(node.identity.cluster) == asked_for) else {
            return Ok(wire::JoinReply {
                outcome: Some(join_reply::Outcome::NotLeader(wire::NotLeader::default())),
            });
        };
        let ours = &self.parts.application;
        if request.application != *ours {
            return Err(format!(
                "this cluster runs the application {ours:?}, and the node that wants to join runs {:?}; give them \
                 different addresses to join, or run the same application on both",
                request.application
            ));
        }
        if request.stores != self.store_labels() {
            return Err(format!(
                "this cluster has the key-value stores {}, and the node that wants to join has {}; configure the same \
                 labels on both",
                describe(&self.store_labels()),
                describe(&request.stores)
            ));
        }
        if request.max_message_bytes != self.max_message_bytes() {
            return Err(format!(
                "the nodes of this cluster take messages of {} bytes from each other, and the node that wants to join \
                 takes {} bytes, which follows from the largest value that it allows; above 29 MiB, configure the same \
                 max_key_size and max_value_size on both",
                self.max_message_bytes(),
                request.max_message_bytes
            ));
        }
        let nonce = <[u8; 16]>::try_from(request.nonce.as_ref())
            .map_err(|_| "the nonce of a node that joins is not 16 bytes".to_owned())?;
        let member = request
            .member
            .ok_or("a node that joins did not say where it is")?;
        let member = Member::from(member);
        super::address::check(&member.peer).map_err(|error| error.to_string())?;
        let outcome = if node.leads() {
            node.add(u128::from_be_bytes(nonce), member).await
        } else {
            None
        };
        let outcome = outcome.map_or_else(
            || join_reply::Outcome::NotLeader(self.not_leader()),
            join_reply::Outcome::Joined,
        );
        Ok(wire::JoinReply {
            outcome: Some(outcome),
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

    fn not_leader(&self) -> wire::NotLeader {
        let leader = self.node().map(|node| node.leadership.borrow().address());
        wire::NotLeader {
            leader: leader.unwrap_or_default(),
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
        let is_member =
            |membership: &super::types::StoredMembership| membership.get_node(&node).is_some();
        next.await.is_ok_and(|next| node < next)
            && !is_member(&seen.membership_config)
            && !is_member(&seen.committed_membership_config)
    }

    /// Gives a new node an id and makes it a learner; nothing where this node cannot.
    async fn add(&self, nonce: u128, member: Member) -> Option<wire::Joined> {
        let id = self.allocate(nonce).await.ok()?;
        // Whoever was at that address before is there no more.
        let seen = self.raft.metrics().borrow_watched().clone();
        for (old, known) in seen.membership_config.nodes() {
            if known.peer == member.peer && *old != id {
                tracing::info!(node = old, "its address {} has a new node", member.peer);
                self.departures.add(*old, Departure::Replaced);
            }
        }
        let deadline = Instant::now() + CHANGE_TIMEOUT;
        loop {
            let added = self.raft.add_learner(id, member.clone(), false);
            match timeout_at(deadline, added).await {
                Ok(Ok(_)) => break,
                // Another change is under way.
                Ok(Err(_)) if self.leads() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => return None,
            }
        }
        tracing::info!(node = id, "{member} has joined");
        Some(wire::Joined {
            cluster: Bytes::copy_from_slice(&self.identity.cluster.to_bytes()),
            node: id,
            predecessors: self.predecessors.to_wire(),
        })
    }

    /// Takes a node out of the membership, and says whether it is out.
    async fn remove(&self, node: NodeId) -> bool {
        self.departures.add(node, Departure::Leaves);
        let mut metrics = self.raft.server_metrics();
        let gone = async {
            loop {
                let seen = metrics.borrow_watched().membership_config.clone();
                let members: BTreeSet<NodeId> = seen.nodes().map(|(node, _)| *node).collect();
                if !members.contains(&node) && seen.get_joint_config().len() == 1 {
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

fn describe(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
    labels.join(", ")
}
