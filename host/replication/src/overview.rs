//! The cluster as this process sees it: for its admin port, and for whoever asks over the peers' port.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use tokio::time::timeout;

use super::host::Host;
use super::limits;
use super::metrics::ReplicationMetrics;
use super::network::{CALL_TIMEOUT, PeerError, Peers, STATUS_TIMEOUT};
use super::node::Node;
use super::protocol as wire;
use super::published::{Publish, Published};
use super::status::{HEALTHY, Role};
use super::types::{ClusterId, Identity, Member};

/// How long the leader may take to say how the cluster is. It asks all members, and where it does not answer, this node asks them
/// itself. The node that has asked this one is to hear of that in time.
const LEADER_TIMEOUT: Duration = Duration::from_secs(3);

const _: () = assert!(
    LEADER_TIMEOUT.as_secs() > CALL_TIMEOUT.as_secs()
        && LEADER_TIMEOUT.as_secs() + CALL_TIMEOUT.as_secs() < STATUS_TIMEOUT.as_secs()
);

impl Publish for Host {
    fn published(&self) -> Published {
        let backend = &self.parts.backend;
        let not_ready = (!backend.is_caught_up()).then(|| match self.node() {
            Some(_) => "this node has not caught up with the cluster yet".to_owned(),
            None => self.why_no_node(),
        });
        let Some(node) = self.node() else {
            return Published {
                cluster: None,
                node: None,
                role: Role::Joining,
                address: self.member.peer.clone(),
                term: 0,
                protocol: None,
                leader: None,
                leader_address: None,
                revision: backend.map.applied(),
                lag: 0,
                voters: 0,
                learners: 0,
                log_entries: 0,
                log_bytes: 0,
                not_ready,
            };
        };
        let seen = node.raft.server_metrics().borrow_watched().clone();
        let leadership = node.leadership.borrow().clone();
        Published {
            cluster: Some(node.identity.cluster.to_string()),
            node: Some(node.identity.node),
            role: node.role(),
            address: self.member.peer.clone(),
            term: leadership.term,
            protocol: node.in_force.borrow().map(|version| version.0),
            leader: leadership.leader.as_ref().map(|(node, _)| *node),
            leader_address: leadership.leader.map(|(_, member)| member.peer),
            revision: backend.map.applied(),
            lag: node.lag(),
            voters: seen.membership_config.voter_ids().count(),
            learners: seen.membership_config.membership().learner_ids().count(),
            log_entries: node.log.len() as u64,
            log_bytes: node.log.bytes() as u64,
            not_ready,
        }
    }

    fn metrics(&self) -> &ReplicationMetrics {
        &self.parts.metrics
    }
}

impl Node {
    /// What it is in its cluster.
    pub(super) fn role(&self) -> Role {
        let seen = self.raft.server_metrics().borrow_watched().clone();
        let mut voters = seen.membership_config.voter_ids();
        if self.leads() {
            Role::Leader
        } else if voters.any(|voter| voter == self.identity.node) {
            Role::Follower
        } else {
            Role::Learner
        }
    }

    /// Whether the node that gave this answer belongs to the same cluster.
    fn shares_cluster_with(&self, reply: &wire::StatusReply) -> bool {
        ClusterId::from_bytes(&reply.cluster) == Some(self.identity.cluster)
    }

    /// Entries that are committed and not applied, as far as this node knows.
    fn lag(&self) -> u64 {
        let seen = self.raft.data_metrics().borrow_watched().clone();
        let committed = seen.cluster_committed.map_or(0, |log_id| log_id.index + 1);
        committed.saturating_sub(*self.applied.borrow())
    }
}

impl Host {
    /// Why this process is no node yet.
    fn why_no_node(&self) -> String {
        let why = "this node has not joined a cluster yet";
        let caller = self.callers.recent().into_iter().next();
        caller.map_or_else(|| why.to_owned(), |caller| format!("{why}: {caller}"))
    }

    /// The cluster. A node that does not lead asks the leader, which asks all members for what only they know. Where a member
    /// is named there may be a node of another cluster by now, which counts as no answer.
    pub async fn status(self: &Arc<Self>, request: wire::StatusRequest) -> wire::StatusReply {
        let own = self.own_status();
        let Some(node) = self.node().filter(|_| !request.only_yourself) else {
            return own;
        };
        if !node.leads() {
            let leader = node.leadership.borrow().address();
            let asked = self.parts.peers.status(&leader, request);
            return match timeout(LEADER_TIMEOUT, asked).await {
                Ok(Ok(reply))
                    if node.shares_cluster_with(&reply)
                        && reply.leader == reply.node
                        && reply.leader != 0 =>
                {
                    wire::StatusReply {
                        node: node.identity.node,
                        ..reply
                    }
                }
                // Who led last is no leader while it does not answer.
                _ => {
                    self.gather(&node, wire::StatusReply { leader: 0, ..own })
                        .await
                }
            };
        }
        self.gather(&node, own).await
    }

    fn own_status(&self) -> wire::StatusReply {
        let seen = self.published();
        let cluster = self.node().map(|node| node.identity.cluster.to_bytes());
        wire::StatusReply {
            application: self.parts.application.clone(),
            cluster: cluster.map_or_else(Bytes::new, |cluster| Bytes::copy_from_slice(&cluster)),
            node: seen.node.unwrap_or(0),
            leader: seen.leader.unwrap_or(0),
            term: seen.term,
            nodes: vec![wire::NodeStatus {
                node: seen.node.unwrap_or(0),
                member: Some((&self.member).into()),
                role: seen.role.to_string(),
                revision: Some(seen.revision),
                lag: Some(seen.lag),
                silent_ms: None,
                health: seen.not_ready.unwrap_or_else(|| HEALTHY.to_owned()),
                term: Some(seen.term),
                max_total_bytes: limits::configured(&self.parts.backend.map),
            }],
        }
    }

    /// The other members of the cluster that answer, with what each of them holds.
    pub async fn other_survivors(&self) -> Vec<wire::NodeStatus> {
        let Some(node) = self.node() else {
            return Vec::new();
        };
        let mut members = self.gather(&node, wire::StatusReply::default()).await.nodes;
        members.retain(|member| member.revision.is_some());
        members
    }

    /// Asks every member for its own part.
    pub(super) async fn gather(
        &self,
        node: &Node,
        mut own: wire::StatusReply,
    ) -> wire::StatusReply {
        let seen = node.raft.metrics().borrow_watched().clone();
        let members = seen.membership_config.nodes();
        let others = members.filter(|(other, _)| **other != node.identity.node);
        let others = others.map(|(other, member)| async {
            let request = wire::StatusRequest {
                only_yourself: true,
            };
            let asked = self.parts.peers.status(&member.peer, request).await;
            let answered = asked.map(|mut reply| {
                let status = reply.nodes.pop();
                status.filter(|_| node.shares_cluster_with(&reply))
            });
            match answered {
                Ok(Some(status)) if status.node == *other => status,
                Ok(_) => unanswered(*other, member, "its address has another node".into()),
                Err(
                    PeerError::Unreachable { reason, .. }
                    | PeerError::Cut { reason, .. }
                    | PeerError::Distrusted { reason, .. }
                    | PeerError::Refused { reason, .. },
                ) => unanswered(*other, member, reason),
            }
        });
        own.nodes.extend(join_all(others).await);
        own.nodes.sort_by_key(|status| status.node);
        let voters: Vec<u64> = seen.membership_config.voter_ids().collect();
        for status in &mut own.nodes {
            // As all members know it.
            if let Some(member) = seen.membership_config.get_node(&status.node) {
                status.member = Some(member.into());
            }
            if status.role.is_empty() {
                let votes = voters.contains(&status.node);
                let role = if votes { Role::Follower } else { Role::Learner };
                status.role = role.to_string();
            }
            let heard = seen
                .heartbeat
                .as_ref()
                .and_then(|heard| heard.get(&status.node));
            status.silent_ms = heard
                .copied()
                .flatten()
                .map(|heard| u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX));
            let matched = seen.replication.as_ref();
            let matched = matched.and_then(|matched| matched.get(&status.node).copied().flatten());
            if let (Some(matched), Some(last)) = (matched, seen.last_log_index) {
                status.lag = Some(last.saturating_sub(matched.index));
            }
        }
        own
    }
}

/// What the member `node` says of itself. Nothing if it does not answer, or a node of another cluster or with another id does.
pub(super) async fn said_by(
    peers: &Peers,
    node: Identity,
    member: &Member,
) -> Option<wire::NodeStatus> {
    let request = wire::StatusRequest {
        only_yourself: true,
    };
    let reply = peers.status(&member.peer, request).await.ok()?;
    let same =
        ClusterId::from_bytes(&reply.cluster) == Some(node.cluster) && reply.node == node.node;
    reply.nodes.into_iter().next().filter(|_| same)
}

fn unanswered(node: u64, member: &Member, health: String) -> wire::NodeStatus {
    wire::NodeStatus {
        node,
        member: Some(member.into()),
        health,
        ..wire::NodeStatus::default()
    }
}
