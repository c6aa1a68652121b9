//! How a node stops being one: it hands leadership over, and has its successor take it out of the membership.

use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep, timeout};

use super::host::Host;
use super::leadership::changed_from;
use super::membership::Departure;
use super::node::Node;
use super::protocol as wire;
use super::types::{Identity, NodeId};

/// How long a successor may take to lead, before another one is asked.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long leaving may take in all. A node that cannot leave in that time is gone without having left, and is removed
/// for its silence.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before trying again.
const PAUSE: Duration = Duration::from_millis(50);

/// Hands leadership over, if this node leads and somebody else can.
pub async fn hand_over(node: &Node) {
    let deadline = Instant::now() + LEAVE_TIMEOUT;
    while node.leads() && Instant::now() < deadline {
        let Some(successor) = successor(node) else {
            if members(node).len() <= 1 {
                return;
            }
            // The duty finds a voter for a leader that goes.
            node.departures.add(node.identity.node, Departure::Leaves);
            sleep(PAUSE).await;
            continue;
        };
        let term = node.leadership.borrow().term;
        tracing::info!(node = successor, "handing leadership over");
        if node
            .raft
            .trigger()
            .transfer_leader(successor)
            .await
            .is_err()
        {
            return;
        }
        let mut leadership = node.leadership.clone();
        let changed = changed_from(&mut leadership, node.identity.node, term);
        timeout(HAND_OVER_TIMEOUT, changed).await.ok();
    }
}

/// The voter that has most of the log, among those that are alive and do not go themselves.
///
/// Where all others go as well, this node stays to see them off: it is the last one then.
fn successor(node: &Node) -> Option<NodeId> {
    let seen = node.raft.metrics().borrow_watched().clone();
    let (heard, replicated) = (seen.heartbeat.as_ref()?, seen.replication.as_ref()?);
    let alive = |voter: &NodeId| {
        let heard = heard.get(voter).copied().flatten();
        heard.is_some_and(|heard| heard.elapsed() < node.read_policy.wait * 2)
    };
    let voters = seen.membership_config.voter_ids();
    let departing = node.departures.current();
    let stays = |voter: &NodeId| *voter != node.identity.node && !departing.contains(voter);
    let others = voters.filter(|voter| stays(voter) && alive(voter));
    others.max_by_key(|voter| {
        let matched = replicated.get(voter).copied().flatten();
        matched.map(|log_id| log_id.index)
    })
}

fn members(node: &Node) -> Vec<NodeId> {
    let seen = node
        .raft
        .server_metrics()
        .borrow_watched()
        .membership_config
        .clone();
    seen.nodes().map(|(node, _)| *node).collect()
}

/// Leaves the membership. Says whether it did.
pub async fn leave(host: &Host, node: &Node) -> bool {
    let left = async {
        loop {
            if members(node).len() <= 1 {
                tracing::warn!("this was the cluster's only node; what it held is gone with it");
                return true;
            }
            hand_over(node).await;
            let leader = node.leadership.borrow().leader.clone();
            if let Some((leader, member)) = leader
                && leader != node.identity.node
            {
                let request = wire::LeaveRequest {
                    node: node.identity.node,
                };
                let target = Identity {
                    node: leader,
                    ..node.identity
                };
                match host.parts.peers.leave(&member.peer, target, request).await {
                    Ok(reply) if reply.not_leader.is_none() => return true,
                    Ok(_) => {}
                    Err(error) => tracing::debug!("leaving: {error}"),
                }
            }
            sleep(PAUSE).await;
        }
    };
    timeout(LEAVE_TIMEOUT, left).await.unwrap_or(false)
}
