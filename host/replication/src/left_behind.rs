//! Whether the cluster goes on without this node: it has removed it, or was recovered on another one.
//!
//! Nobody tells a node of that: the leader stops speaking to a node that it removes, a recovered node speaks to nobody of
//! before, and a node goes on naming the last leader that it heard of. So it asks, and believes only who leads and reaches a
//! majority at that moment. Whoever answers has proved to belong here, by TLS or the token, as for every call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep, timeout};

use super::host::Host;
use super::node::{Node, NodeError};
use super::protocol as wire;
use super::queue::Ended;
use super::types::ClusterId;

/// How often a node asks.
const INQUIRY_INTERVAL: Duration = Duration::from_secs(2);

/// How long a leader may take to answer, before the majority counts as lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long openraft may take to give a sign of life. One that takes longer is busy, and has not ended.
const SIGN_OF_LIFE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often it is said why a node does not follow a cluster that was recovered from its own.
const REMIND: Duration = Duration::from_secs(10);

/// What a node hears of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing that would change anything.
    Unknown,
    /// It has removed this node.
    Removed,
    /// It was recovered on another node, as this cluster.
    Succeeded(ClusterId),
}

/// Waits until the cluster goes on without this node. Gives the addresses at which its nodes may be.
///
/// A cluster that was recovered from this one while it has a majority is none that it goes on as: what this node holds was
/// acknowledged to clients. A person has to choose then, and is told so.
///
/// # Errors
///
/// Replication has failed.
pub async fn left_behind(host: &Host, node: &Node) -> Result<Vec<String>, NodeError> {
    let mut reminded: Option<Instant> = None;
    let mut seen = Vec::new();
    loop {
        sleep(INQUIRY_INTERVAL).await;
        check_alive(node).await?;
        if node.reaches_majority().await {
            continue;
        }
        let members = whom_to_ask(host, node);
        let fates = inquire(host, node, &members).await;
        if fates.values().any(|fate| *fate == Fate::Removed) {
            tracing::warn!("the cluster has removed this node, since it was silent for too long");
            return Ok(members);
        }
        let seen_before = std::mem::replace(&mut seen, successors(&fates));
        let obstacle = match seen.as_slice() {
            [] => continue,
            // Nobody can take back what is given up here. After a pause connections may be broken, and whoever did not answer
            // now may lead another one.
            one @ [_] if *one != *seen_before => continue,
            [(address, successor)] if !has_majority(host).await => {
                tracing::warn!(
                    "cluster {} has lost its majority, and was recovered as cluster {successor}, which the node at {address} \
                     leads: this node gives up what only it holds, and joins that one",
                    node.identity.cluster
                );
                return Ok(members);
            }
            [(address, successor)] => format!(
                "cluster {successor}, which the node at {address} leads, was recovered from this one, {}, though this one has a \
                 leader that reaches a majority: they hold different data and do not replicate to each other; stop the \
                 nodes of one of them, and start them again with --join and without --bootstrap, or delete their pods",
                node.identity.cluster
            ),
            several => {
                let several = several.iter();
                let several: Vec<String> = several
                    .map(|(address, successor)| {
                        format!("{successor}, led by the node at {address}")
                    })
                    .collect();
                format!(
                    "this node's cluster, {}, was recovered more than once, as {}: this node waits until all but one of them \
                     are gone; stop their nodes, or delete their pods",
                    node.identity.cluster,
                    several.join(", and as ")
                )
            }
        };
        if reminded.is_none_or(|at| at.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            tracing::error!("{obstacle}");
        }
    }
}

/// Whether openraft still runs. Its metrics would tell of an error, and not of a panic: whoever asks it hears of both.
async fn check_alive(node: &Node) -> Result<(), NodeError> {
    let alive = node.raft.with_raft_state(|_| ());
    match timeout(SIGN_OF_LIFE_TIMEOUT, alive).await {
        Ok(Err(fatal)) => Err(NodeError::Stopped(fatal.to_string())),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

/// A cluster that this node's own was recovered as already, if one can be reached, and where its leader is.
pub async fn successor(host: &Host, node: &Node) -> Option<(String, ClusterId)> {
    let fates = inquire(host, node, &whom_to_ask(host, node)).await;
    successors(&fates).pop()
}

/// Whether the cluster says that this node has ceased to be a member.
pub async fn is_removed(host: &Host, node: &Node) -> bool {
    let fates = inquire(host, node, &whom_to_ask(host, node)).await;
    fates.values().any(|fate| *fate == Fate::Removed)
}

/// Whether a leader answers that reaches a majority.
pub async fn has_majority(host: &Host) -> bool {
    // A node names the last leader that it heard of, so only an answer tells whether there is one.
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let read = host.parts.backend.reads.add((), deadline);
    read.answer().await == Ended::Answered(Ok(()))
}

/// The clusters that the own one was recovered as, each with an address of its leader.
fn successors(fates: &BTreeMap<String, Fate>) -> Vec<(String, ClusterId)> {
    let mut successors = BTreeMap::new();
    for (address, fate) in fates {
        if let Fate::Succeeded(cluster) = fate {
            successors.insert(*cluster, address.clone());
        }
    }
    let successors = successors.into_iter();
    successors
        .map(|(cluster, address)| (address, cluster))
        .collect()
}

/// Where the leader may be: where it was last, and where nodes are that may know.
pub(super) fn whom_to_ask(host: &Host, node: &Node) -> Vec<String> {
    let seen = node
        .raft
        .server_metrics()
        .borrow_watched()
        .membership_config
        .clone();
    let members = seen
        .nodes()
        .filter(|(other, _)| **other != node.identity.node);
    let mut addresses = vec![node.leadership.borrow().address()];
    addresses.extend(members.map(|(_, member)| member.peer.clone()));
    addresses.extend(host.other_peers());
    let mut asked = BTreeSet::new();
    addresses.retain(|address| {
        !address.is_empty() && *address != host.member.peer && asked.insert(address.clone())
    });
    addresses
}

/// Asks all of them at once. Gives what was heard, and from whom.
async fn inquire(host: &Host, node: &Node, addresses: &[String]) -> BTreeMap<String, Fate> {
    let asked = addresses
        .iter()
        .map(|address| ask(host, node, address.clone()));
    join_all(asked).await.into_iter().collect()
}

async fn ask(host: &Host, node: &Node, mut address: String) -> (String, Fate) {
    let request = wire::ProbeRequest {
        application: host.parts.application.clone(),
        cluster: node.identity.cluster.to_bytes().to_vec().into(),
        node: node.identity.node,
    };
    // Whoever is asked may know who leads.
    for _ in 0..2 {
        match host.parts.peers.probe(&address, request.clone()).await {
            Ok(reply) if reply.removed => return (address, Fate::Removed),
            Ok(reply) if reply.succeeded => {
                let successor = ClusterId::from_bytes(&reply.cluster);
                return (address, successor.map_or(Fate::Unknown, Fate::Succeeded));
            }
            Ok(reply) if !reply.leader.is_empty() && reply.leader != address => {
                address = reply.leader;
            }
            _ => break,
        }
    }
    (address, Fate::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_successor_is_named_once() {
        let fates = [
            ("a:1", Fate::Unknown),
            ("b:1", Fate::Succeeded(ClusterId(2))),
            ("c:1", Fate::Succeeded(ClusterId(1))),
            ("d:1", Fate::Succeeded(ClusterId(2))),
            ("e:1", Fate::Removed),
        ];
        let fates = fates.map(|(address, fate)| (address.to_owned(), fate));
        let named = successors(&fates.into_iter().collect());
        let clusters: Vec<ClusterId> = named.iter().map(|(_, cluster)| *cluster).collect();
        assert_eq!(clusters, [ClusterId(1), ClusterId(2)]);
        assert_eq!(
            named.first().map(|(address, _)| address.as_str()),
            Some("c:1")
        );
        assert_eq!(successors(&BTreeMap::new()), []);
    }
}
