//! A process as a node, from its start to its end: it becomes one, catches up, serves, and leaves, or is removed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::announce::{announce, watch_quorum};
use super::host::{Host, Recoveries};
use super::join::{Became, JoinError, become_node};
use super::leave::{hand_over, leave};
use super::left_behind::{has_majority, left_behind, successor};
use super::node::{Node, NodeError};
use super::protocol as wire;
use super::queue;
use super::types::ClusterId;

/// Pause before a node that has not caught up looks again whether it has.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(100);

/// How often it is said that there is another cluster.
const RIVAL_INTERVAL: Duration = Duration::from_secs(10);

/// Told by whoever stops the process, in this order.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// The process is about to stop: it hands leadership over, and goes on serving.
    pub hand_over: CancellationToken,
    /// Its requests are finished: it leaves.
    pub leave: CancellationToken,
}

/// How a process ceased to be a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has left, as it was told.
    Left,
    /// It was told to leave, and could not in time.
    Vanished {
        /// What is left of its cluster, and what is to be done about it, for people.
        why: String,
    },
    /// The cluster goes on without it: it has removed it, since it was silent for too long, or has lost its majority and
    /// was recovered on another node. The process can only begin anew: what it holds is of the past.
    Removed {
        /// Where the cluster's other nodes are.
        members: Vec<String>,
    },
}

/// Why a process cannot be a node, or not any more.
#[derive(Debug, Error)]
pub enum LifecycleError {
    /// It could not become one.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// It could not go on.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Lives the life of a node.
///
/// # Errors
///
/// A cluster refuses this process, or replication cannot go on.
pub async fn live(
    host: Arc<Host>,
    mut recoveries: Recoveries,
    stop: Stop,
) -> Result<Ended, LifecycleError> {
    let mut node = match become_node(&host, &stop.leave).await? {
        Became::Node(node) => node,
        Became::Nothing { asked: None } => return Ok(Ended::Left),
        Became::Nothing {
            asked: Some(leader),
        } => {
            return Ok(Ended::Vanished {
                why: format!(
                    "this node has asked the leader at {leader} to be let in, and was told to stop before it had an answer: if \
                     it was let in, the cluster removes it once it has been silent for long enough; nothing has to be done"
                ),
            });
        }
    };
    tracing::info!(cluster = %node.identity.cluster, node = node.identity.node, "is a node of the cluster");
    host.set_node(Some(node.clone()));
    let ended = loop {
        tokio::select! {
            () = serve(&host, &node, &stop) => {}
            ended = end(&host, &node, &stop) => break ended,
            Some(answer) = recoveries.recv() => {
                match recover(&host, &node).await {
                    Ok(recovered) => {
                        node = recovered.clone();
                        answer.send(Ok(recovered)).ok();
                    }
                    Err(reason) => {
                        answer.send(Err(reason)).ok();
                    }
                }
            }
        }
    };
    host.set_node(None);
    host.parts.backend.caught_up.store(false, Ordering::Release);
    node.stop().await;
    Ok(ended?)
}

/// What a node does beside serving: it says when it has caught up, hands leadership over when it is told to, looks out for
/// another cluster, and has people see how it is. Never ends.
async fn serve(host: &Host, node: &Node, stop: &Stop) {
    let duties = async {
        catch_up(host).await;
        stop.hand_over.cancelled().await;
        tokio::select! {
            () = hand_over(node) => {}
            // It hands over itself then.
            () = stop.leave.cancelled() => {}
        }
    };
    tokio::join!(
        duties,
        warn_of_rivals(host, node),
        announce(host, node),
        watch_quorum(host)
    );
    std::future::pending::<()>().await;
}

/// A node has caught up once a linearizable read could be answered from its map.
async fn catch_up(host: &Host) {
    let backend = &host.parts.backend;
    while !backend.is_caught_up() {
        let read = backend.reads.add((), Instant::now() + backend.leader_wait);
        if read.answer().await == queue::Ended::Answered(Ok(())) {
            backend.caught_up.store(true, Ordering::Release);
            tracing::info!("has caught up with the cluster");
        } else {
            sleep(CATCH_UP_PAUSE).await;
        }
    }
}

/// Waits for the end: the node is told to leave, or the cluster goes on without it, or replication has failed.
async fn end(host: &Host, node: &Node, stop: &Stop) -> Result<Ended, NodeError> {
    tokio::select! {
        () = stop.leave.cancelled() => {
            let left = leave(host, node).await;
            Ok(left.map_or_else(|why| Ended::Vanished { why }, |()| Ended::Left))
        }
        members = left_behind(host, node) => Ok(Ended::Removed { members: members? }),
        outdated = node.outdated(host.parts.peers.versions()) => Err(outdated),
    }
}

/// Looks for another cluster where this node might have formed its own: nodes that were all told to form one do not find
/// together, and one that has formed one anew may be looked for by those that it has left behind. Never ends.
async fn warn_of_rivals(host: &Host, node: &Node) {
    if !host.parts.discovery.may_form() {
        return std::future::pending().await;
    }
    let mut told = BTreeSet::new();
    loop {
        for (other, caller) in host.callers.of_each_cluster() {
            let own = other == node.identity.cluster || node.predecessors.include(other);
            if !own && told.insert(other) {
                tracing::error!(
                    "{caller}, and this node belongs to cluster {}: they hold different data and do not replicate to each \
                     other; stop this node, and start it again with --join {} and without --bootstrap, or stop those",
                    node.identity.cluster,
                    caller.address
                );
            }
        }
        for peer in &host.other_peers() {
            let request = wire::ProbeRequest {
                application: host.parts.application.clone(),
                ..wire::ProbeRequest::default()
            };
            if let Ok(reply) = host.parts.peers.probe(peer, request).await
                && let Some(other) = ClusterId::from_bytes(&reply.cluster)
                && other != node.identity.cluster
            {
                if node.predecessors.include(other) {
                    tracing::warn!(
                        "the node at {peer} still belongs to cluster {other}, which this one, {}, was recovered from: it \
                         begins anew by itself, unless {other} has a majority again; if it does not within a minute, stop \
                         it, and start it again with --join and without --bootstrap, or delete its pod",
                        node.identity.cluster
                    );
                    continue;
                }
                tracing::error!(
                    "the node at {peer} belongs to cluster {other}, and this one to {}: they hold different data and do \
                     not replicate to each other; stop one of them, and start it again with --join and without \
                     --bootstrap, or delete its pod",
                    node.identity.cluster
                );
            }
        }
        sleep(RIVAL_INTERVAL).await;
    }
}

/// Makes this node the only one of a new cluster.
pub(super) async fn recover(host: &Host, node: &Node) -> Result<Arc<Node>, String> {
    let old = node.identity.cluster;
    if *node.applied.borrow() == 0 && node.log.len() == 0 {
        return Err(format!(
            "this node has joined cluster {old} and holds nothing of it yet; recover on a node that holds data"
        ));
    }
    if let Some((address, successor)) = successor(host, node).await {
        return Err(format!(
            "its cluster, {old}, was recovered already, as cluster {successor}, which the node at {address} leads; this node \
             joins that one by itself. To keep what this one holds instead, stop the nodes of {successor} first"
        ));
    }
    // The last thing that is asked: other nodes are asked for seconds, and the majority may have come back meanwhile.
    if has_majority(host).await {
        return Err(
            "the cluster has a leader that reaches a majority; there is nothing to recover from"
                .into(),
        );
    }
    let log = node.log.clone();
    let remains = node.raft.with_state_machine(move |machine| {
        let remains = machine.retire(&log);
        Box::pin(async move { remains })
    });
    let remains = remains.await.map_err(|error| error.to_string())?;
    // It is no node for a moment, and nobody may hear then that it belongs to no cluster: another one could be formed.
    host.pledge.give().keep();
    host.set_node(None);
    node.stop().await;
    let cluster = ClusterId::random();
    let predecessors = node.predecessors.and(old);
    let recovered = Node::recover(
        &host.parts,
        cluster,
        predecessors,
        host.member.clone(),
        remains,
    );
    let recovered = Arc::new(recovered.await.map_err(|error| error.to_string())?);
    tracing::warn!(
        cluster = %cluster,
        node = recovered.identity.node,
        "recovered from cluster {old}: this node is a new cluster's only voter; what only other nodes held is lost, and those \
         that are left begin anew and join"
    );
    host.set_node(Some(recovered.clone()));
    Ok(recovered)
}
