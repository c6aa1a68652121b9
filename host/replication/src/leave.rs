//! How a node stops being one: it hands leadership over, and has its successor take it out of the membership.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::host::Host;
use super::join::probe;
use super::leadership::changed_from;
use super::left_behind::{is_removed, whom_to_ask};
use super::membership::Departure;
use super::network;
use super::node::Node;
use super::protocol as wire;
use super::types::{ClusterId, Identity, NodeId};

/// How long a successor may take to lead, before another one is asked.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a leader stays so that a dead voter is taken out, without which its successor could not remove it.
///
/// The leader knows for how long the voter has been silent, and its successor would have to wait anew. It takes no longer
/// than [`Duty`](super::membership::Duty) is patient with the voter, and a few messages.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long leaving may take in all: first a leader for the cluster, then the time that a silent voter is given, then some
/// changes of the membership. A node that cannot leave in that time is gone without having left, and is removed for its
/// silence.
pub const LEAVE_TIMEOUT: Duration = Duration::from_secs(9);

const _: () = assert!(network::LEAVE_TIMEOUT.as_secs() < LEAVE_TIMEOUT.as_secs());

/// Pause before trying again.
const PAUSE: Duration = Duration::from_millis(50);

/// Hands leadership over, if this node leads and somebody else can.
pub async fn hand_over(node: &Node) {
    let began = Instant::now();
    // Of those that have died a moment ago there are still signs of life. None comes from now on.
    node.raft.trigger().heartbeat().await.ok();
    while node.leads() && began.elapsed() < LEAVE_TIMEOUT {
        // The duty finds a voter for a leader that goes, and takes out those that are in its way.
        node.departures.add(node.identity.node, Departure::Leaves);
        let others = Others::of(node, began);
        let ready = others.decide || began.elapsed() >= PREPARE_TIMEOUT;
        let Some(successor) = others.successor.filter(|_| ready) else {
            if members(node).len() <= 1 {
                return;
            }
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

/// What a leader sees of the other voters.
struct Others {
    /// Whether so many are alive that they decide without this node.
    decide: bool,
    /// The voter that has most of the log, among those that are alive and do not go themselves.
    ///
    /// If all others go too, there is no successor: this node stays to the last.
    successor: Option<NodeId>,
}

impl Others {
    /// Those are alive that have acknowledged something in this term that was sent lately, and since `since`.
    fn of(node: &Node, since: Instant) -> Self {
        let seen = node.raft.metrics().borrow_watched().clone();
        let recent = since.elapsed().min(node.read_policy.wait * 2);
        let alive = |voter: &NodeId| {
            let heard = seen.heartbeat.as_ref().and_then(|heard| heard.get(voter));
            heard
                .copied()
                .flatten()
                .is_some_and(|heard| heard.elapsed() <= recent)
        };
        let matched = |voter: &NodeId| {
            let matched = seen
                .replication
                .as_ref()
                .and_then(|matched| matched.get(voter));
            matched.copied().flatten().map(|log_id| log_id.index)
        };
        let departing = node.departures.current();
        let voters = seen.membership_config.voter_ids();
        let others: Vec<NodeId> = voters
            .filter(|voter| *voter != node.identity.node)
            .collect();
        let living: Vec<NodeId> = others
            .iter()
            .copied()
            .filter(|voter| alive(voter))
            .collect();
        let stay = living.iter().filter(|voter| !departing.contains(voter));
        Self {
            decide: living.len() > others.len() / 2,
            successor: stay.max_by_key(|voter| matched(voter)).copied(),
        }
    }
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

/// Leaves the membership.
///
/// # Errors
///
/// It could not in time. Says what is left of the cluster, for people.
pub async fn leave(host: &Host, node: &Node) -> Result<(), String> {
    let left = async {
        loop {
            if members(node) == [node.identity.node] {
                tracing::warn!("this was the cluster's only node; what it held is gone with it");
                return;
            }
            hand_over(node).await;
            if ask_to_leave(host, node).await {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    match timeout_at(host.leave_by(), left).await {
        Ok(()) => Ok(()),
        Err(_) => Err(what_is_left(host, node).await),
    }
}

/// Has the leader take this node out of the membership, for as long as that one leads. Says whether this node is out.
async fn ask_to_leave(host: &Host, node: &Node) -> bool {
    if members(node).is_empty() {
        return ask_leader_that_others_name(host, node).await;
    }
    let mut leadership = node.leadership.clone();
    let known = leadership.borrow_and_update().clone();
    if let Some((leader, member)) = known.leader {
        if leader == node.identity.node {
            return false;
        }
        let removed = tokio::select! {
            removed = ask(host, node, leader, &member.peer) => removed,
            // One that leads no more knows nothing to say, and one that has died says nothing.
            () = changed_from(&mut leadership, leader, known.term) => return false,
        };
        if removed {
            return true;
        }
    }
    // The one that led last may have taken this node out before it died or handed over, and no leader speaks to a node that is
    // no member.
    tokio::select! {
        removed = is_removed(host, node) => removed,
        _ = leadership.changed() => false,
    }
}

/// Asks the leader at `address` to take this node out. Says whether it is out.
async fn ask(host: &Host, node: &Node, leader: NodeId, address: &str) -> bool {
    let request = wire::LeaveRequest {
        node: node.identity.node,
    };
    let target = Identity {
        node: leader,
        ..node.identity
    };
    match host.parts.peers.leave(address, target, request).await {
        Ok(reply) => reply.not_leader.is_none(),
        Err(error) => {
            tracing::debug!("leaving: {error}");
            false
        }
    }
}

/// Has the leader that other nodes name take this node out. A node that has just joined is a member already, and knows of no
/// membership until the first entries or a snapshot arrive.
async fn ask_leader_that_others_name(host: &Host, node: &Node) -> bool {
    for other in whom_to_ask(host, node) {
        let Ok(named) = probe(host, &other).await else {
            continue;
        };
        let Ok(leader) = probe(host, &named.leader).await else {
            continue;
        };
        if ClusterId::from_bytes(&leader.cluster) == Some(node.identity.cluster)
            && ask(host, node, leader.node, &named.leader).await
        {
            return true;
        }
    }
    false
}

/// What is left of a cluster that this node could not leave, and what is to be done about it.
async fn what_is_left(host: &Host, node: &Node) -> String {
    let others = host.gather(node, wire::StatusReply::default()).await.nodes;
    let seen = node.raft.server_metrics().borrow_watched().clone();
    let voters: BTreeSet<NodeId> = seen.membership_config.voter_ids().collect();
    let remains = Remains {
        revision: host.parts.backend.map.applied(),
        voters: voters.len(),
        others: others
            .into_iter()
            .map(|other| Remaining {
                node: other.node,
                address: other.member.map(|member| member.peer).unwrap_or_default(),
                votes: voters.contains(&other.node),
                revision: other.revision.ok_or(other.health),
            })
            .collect(),
    };
    remains.to_string()
}

/// What is left of a cluster that a node goes from without having left it.
struct Remains {
    /// What the node that goes holds.
    revision: u64,
    /// How many nodes vote, the one that goes among them, if it does.
    voters: usize,
    others: Vec<Remaining>,
}

/// Another node of that cluster.
struct Remaining {
    node: NodeId,
    address: String,
    votes: bool,
    /// What it holds, or why it does not say.
    revision: Result<u64, String>,
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            revision,
            voters,
            others,
        } = self;
        write!(
            f,
            "this node could not leave its cluster within {LEAVE_TIMEOUT:?}, and ends as a member, with revision {revision}"
        )?;
        for (place, other) in others.iter().enumerate() {
            let Remaining { node, address, .. } = other;
            f.write_str(if place == 0 {
                ". Of the others, "
            } else {
                "; "
            })?;
            match &other.revision {
                Ok(revision) => write!(f, "node {node} at {address} has revision {revision}")?,
                Err(why) => write!(f, "node {node} at {address} does not answer: {why}")?,
            }
        }
        if *voters == 0 {
            return f.write_str(
                ". It had joined and had heard nothing of its cluster yet, which removes it once it has been silent for long \
                 enough; nothing has to be done",
            );
        }
        let alive = others.iter().filter(|other| other.revision.is_ok());
        let left = alive.clone().filter(|other| other.votes).count();
        let needed = voters / 2 + 1;
        write!(
            f,
            ". {left} of the cluster's {voters} voters are left, and {needed} are needed: "
        )?;
        let most = alive.max_by_key(|other| other.revision.as_ref().ok().copied());
        match most {
            Some(_) if left >= needed => f.write_str(
                "they go on, and remove this node once it has been silent for long enough; nothing has to be done",
            ),
            Some(most) => write!(
                f,
                "nothing can be written until others come back; if they are lost for good, `spindrift recover --from {}` \
                 has the cluster go on with what that node holds",
                most.address
            ),
            None => f.write_str(
                "what was written is lost unless they come back, since this node keeps nothing when it ends",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remains(revisions: &[Option<u64>]) -> String {
        let others = (2..).zip(revisions).map(|(node, revision)| Remaining {
            node,
            address: format!("n{node}:7000"),
            votes: true,
            revision: revision.ok_or_else(|| "connection refused".to_owned()),
        });
        Remains {
            revision: 9,
            voters: revisions.len() + 1,
            others: others.collect(),
        }
        .to_string()
    }

    #[test]
    fn a_node_that_cannot_leave_says_what_is_left_and_what_to_do() {
        let lost = remains(&[None, Some(7)]);
        assert!(lost.contains("with revision 9"), "{lost}");
        assert!(
            lost.contains("node 2 at n2:7000 does not answer: connection refused"),
            "{lost}"
        );
        assert!(lost.contains("node 3 at n3:7000 has revision 7"), "{lost}");
        assert!(
            lost.contains("1 of the cluster's 3 voters are left, and 2 are needed"),
            "{lost}"
        );
        assert!(
            lost.contains("`spindrift recover --from n3:7000`"),
            "{lost}"
        );
        // The one with the most is to recover from.
        let five = remains(&[Some(6), Some(8), None, None]);
        assert!(five.contains("recover --from n3:7000"), "{five}");

        let alive = remains(&[Some(9), Some(9)]);
        assert!(alive.contains("nothing has to be done"), "{alive}");
        assert!(!alive.contains("recover"), "{alive}");

        let alone = remains(&[None, None]);
        assert!(alone.contains("is lost unless they come back"), "{alone}");
    }
}
