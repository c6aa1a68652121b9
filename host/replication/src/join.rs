//! How a process becomes a node: it finds a cluster and joins it, or forms one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use spindrift_discovery::{Claim, Verdict};
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::admission::shared_address;
use super::host::Host;
use super::network::PeerError;
use super::node::{Node, NodeError};
use super::predecessors::Predecessors;
use super::protocol as wire;
use super::protocol::join_reply;
use super::types::{ClusterId, Identity};

/// Pause between looking for a cluster and looking again. Nodes that start together find each other in a moment, so the pause is
/// short at first, and grows with the time that it takes.
const PAUSE: Duration = Duration::from_millis(250);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How often it is said that no cluster is found.
const REMIND: Duration = Duration::from_secs(10);

/// What a process that is to stop keeps of the time for leaving, for the case that it has become a member by then.
const TIME_TO_LEAVE: Duration = Duration::from_secs(4);

/// Why a process cannot become a node.
#[derive(Debug, Error)]
pub enum JoinError {
    /// A cluster was found, and refuses.
    #[error("the cluster at {address} refuses this node: {reason}")]
    Refused {
        /// Who was asked.
        address: String,
        /// What it said.
        reason: String,
    },
    /// Another process answers at this one's address.
    #[error("{0}")]
    SharedAddress(String),
    /// The node could not be started.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What has become of a process that wants to be a node.
pub enum Became {
    /// It is one.
    Node(Arc<Node>),
    /// It was told to stop before it became one.
    Nothing {
        /// The address of a leader that may have let it in all the same.
        asked: Option<String>,
    },
}

/// Becomes a node. Looks for a cluster until one is found, or until discovery has this process form one, or until it is told to
/// `stop`.
///
/// A leader that was asked may let this process in, whether this one waits for the answer or not. So where it is told to stop in
/// that moment it goes on until it has an answer, or has to give up: a member can leave, and a process that knows of no
/// membership would leave one behind.
///
/// # Errors
///
/// A cluster was found that refuses this process.
pub async fn become_node(host: &Host, stop: &CancellationToken) -> Result<Became, JoinError> {
    // Whoever keeps a record of claims knows this process by it.
    let new_cluster = ClusterId::random();
    let began = Instant::now();
    let mut reminded = began;
    let mut alone_at_address = false;
    let mut unanswered = None;
    loop {
        let mut found = tokio::select! {
            biased;
            () = given_up(host, stop, unanswered.is_some()) => {
                return Ok(Became::Nothing { asked: unanswered });
            }
            found = find(host) => found?,
        };
        let leaders = std::mem::take(&mut found.leaders);
        let nobody_leads = leaders.first().map(|lead| {
            format!(
                "no leader of cluster {} that reaches a majority has taken it in",
                lead.cluster
            )
        });
        match ask_to_join(host, leaders, stop, &mut unanswered).await? {
            Asked::Joined(identity, predecessors) => {
                let node = Node::start(&host.parts, identity, predecessors).await?;
                return Ok(Became::Node(Arc::new(node)));
            }
            Asked::NotYet(reason) => found.obstacles.push(reason),
            Asked::NoLeader => found.obstacles.extend(nobody_leads),
        }
        let without_leader = async {
            if !found.any {
                if !std::mem::replace(&mut alone_at_address, true) {
                    check_own_address(host).await?;
                }
                let claim = Claim {
                    cluster: new_cluster.to_string(),
                    looked_for: began.elapsed(),
                    without_cluster: std::mem::take(&mut found.without_cluster),
                    pledge: host.pledge.clone(),
                    callers: host.callers.recent(),
                };
                match host.parts.discovery.claim(claim).await {
                    Verdict::Form => return Ok(Some(form(host, new_cluster).await?)),
                    Verdict::Wait { reason } if reason.is_empty() => {}
                    Verdict::Wait { reason } => found.obstacles.push(reason),
                }
            }
            if reminded.elapsed() >= REMIND {
                reminded = Instant::now();
                let asked: Vec<String> = host.other_peers().into_iter().collect();
                tracing::warn!(
                    "no cluster has taken this node in yet; looking further at {}: {}",
                    asked.join(", "),
                    found.obstacles.join("; ")
                );
            }
            sleep((began.elapsed() / 4).clamp(FIRST_PAUSE, PAUSE)).await;
            Ok::<_, JoinError>(None)
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => sleep(FIRST_PAUSE).await,
            formed = without_leader => if let Some(formed) = formed? {
                return Ok(Became::Node(Arc::new(formed)));
            },
        }
    }
}

/// Waits until a process is to stop, and where it may be a member for as long as it can wait for the answer that says so.
async fn given_up(host: &Host, stop: &CancellationToken, may_be_member: bool) {
    stop.cancelled().await;
    if may_be_member {
        sleep_until(host.leave_by() - TIME_TO_LEAVE).await;
    }
}

/// Whether the process that answers at this one's address is this one. The addresses at which a cluster is looked for are taken to
/// be those of others, so a process with the address of another one does not see that one's cluster.
///
/// # Errors
///
/// Another process answers there.
async fn check_own_address(host: &Host) -> Result<(), JoinError> {
    let address = &host.member.peer;
    match probe(host, address).await {
        Ok(reply) if reply.nonce != host.nonce.to_be_bytes()[..] => {
            let who = match ClusterId::from_bytes(&reply.cluster) {
                Some(cluster) => format!("node {} of cluster {cluster}", reply.node),
                None => "another process".to_owned(),
            };
            Err(JoinError::SharedAddress(shared_address(address, &who)))
        }
        // This process may be unable to reach itself there.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What was found of a cluster.
#[derive(Default)]
struct Found {
    /// Whether any node of one answered.
    any: bool,
    /// Addresses at which its leader may be, the likeliest first.
    leaders: Vec<Lead>,
    /// Those that answered, and belong to no cluster either.
    without_cluster: BTreeSet<String>,
    /// Why no cluster can be joined yet: who did not answer, or which clusters there are.
    obstacles: Vec<String>,
}

/// Where the leader of a cluster may be. Addresses are taken anew, so another cluster may be there by now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lead {
    cluster: ClusterId,
    address: String,
}

/// Asks all peers that are known now, at once.
async fn find(host: &Host) -> Result<Found, JoinError> {
    let peers = host.other_peers();
    let replies = peers.iter();
    let replies = replies.map(|peer| async move { (peer, probe(host, peer).await) });
    let mut found = Found::default();
    let mut clusters: BTreeMap<ClusterId, &String> = BTreeMap::new();
    for (peer, reply) in join_all(replies).await {
        let reply = match reply {
            Ok(reply) => reply,
            Err(PeerError::Refused { reason, .. }) => {
                return Err(JoinError::Refused {
                    address: peer.clone(),
                    reason,
                });
            }
            Err(error) => {
                // A process is there, and nobody knows that it has no cluster.
                let there = matches!(error, PeerError::Distrusted { .. } | PeerError::Cut { .. });
                found.any |= there;
                tracing::debug!("looking for a cluster: {error}");
                found.obstacles.push(error.to_string());
                continue;
            }
        };
        let Some(cluster) = ClusterId::from_bytes(&reply.cluster) else {
            found
                .obstacles
                .push(format!("the node at {peer} has no cluster yet"));
            found.without_cluster.insert(peer.clone());
            continue;
        };
        clusters.entry(cluster).or_insert(peer);
        found.any = true;
        if !reply.leader.is_empty() {
            let address = reply.leader;
            found.leaders.insert(0, Lead { cluster, address });
        }
        let address = peer.clone();
        found.leaders.push(Lead { cluster, address });
    }
    if clusters.len() > 1 {
        // One of them may be about to end. To choose would be to choose between two sets of data.
        found.leaders.clear();
        let clusters = clusters.iter();
        let clusters = clusters
            .map(|(cluster, peer)| format!("the node at {peer} belongs to cluster {cluster}"));
        found.obstacles.extend(clusters);
        found
            .obstacles
            .push("give it the addresses of one cluster to join".into());
    }
    Ok(found)
}

pub(super) async fn probe(host: &Host, address: &str) -> Result<wire::ProbeReply, PeerError> {
    let request = wire::ProbeRequest {
        application: host.parts.application.clone(),
        ..wire::ProbeRequest::default()
    };
    host.parts.peers.probe(address, request).await
}

/// What came of asking to be let in.
enum Asked {
    /// The identity that was given, and what the cluster was recovered from.
    Joined(Identity, Predecessors),
    /// The leader has a reason to wait.
    NotYet(String),
    /// No leader was found.
    NoLeader,
}

/// Asks those that may lead to be let in. Once the process is to stop it asks again only where it may be a member already:
/// `unanswered` is the address of a leader that may have let it in.
async fn ask_to_join(
    host: &Host,
    leaders: Vec<Lead>,
    stop: &CancellationToken,
    unanswered: &mut Option<String>,
) -> Result<Asked, JoinError> {
    let mut asked: Vec<Lead> = Vec::new();
    let mut to_ask = leaders;
    to_ask.reverse();
    while let Some(lead) = to_ask.pop() {
        if stop.is_cancelled() && unanswered.is_none() {
            break;
        }
        if asked.contains(&lead) {
            continue;
        }
        asked.push(lead.clone());
        let Lead { cluster, address } = lead;
        let request = wire::JoinRequest {
            application: host.parts.application.clone(),
            nonce: Bytes::copy_from_slice(&host.nonce.to_be_bytes()),
            member: Some((&host.member).into()),
            stores: host.store_labels(),
            max_message_bytes: host.max_message_bytes(),
            cluster: Bytes::copy_from_slice(&cluster.to_bytes()),
        };
        let before = unanswered.replace(address.clone());
        let reply = tokio::select! {
            reply = host.parts.peers.join(&address, request) => reply,
            () = given_up(host, stop, true) => break,
        };
        match reply {
            Ok(reply) => match reply.outcome {
                Some(join_reply::Outcome::Joined(joined)) => {
                    if ClusterId::from_bytes(&joined.cluster) != Some(cluster) {
                        tracing::debug!("asking to join: {address} has another cluster's answer");
                        continue;
                    }
                    let predecessors = Predecessors::from_wire(&joined.predecessors);
                    let node = joined.node;
                    return Ok(Asked::Joined(Identity { cluster, node }, predecessors));
                }
                Some(join_reply::Outcome::NotYet(not_yet)) => {
                    *unanswered = before;
                    return Ok(Asked::NotYet(not_yet.reason));
                }
                // One that names itself leads, and could not do it in time. It may yet come to pass.
                Some(join_reply::Outcome::NotLeader(other)) if other.leader != address => {
                    *unanswered = before;
                    if !other.leader.is_empty() {
                        let address = other.leader;
                        to_ask.push(Lead { cluster, address });
                    }
                }
                _ => {}
            },
            Err(PeerError::Refused { reason, .. }) => {
                return Err(JoinError::Refused { address, reason });
            }
            Err(error) => {
                tracing::debug!("asking to join: {error}");
                // Nothing was said to them.
                if !matches!(error, PeerError::Unreachable { .. }) {
                    *unanswered = before;
                }
            }
        }
    }
    Ok(Asked::NoLeader)
}

/// Forms a cluster of one.
async fn form(host: &Host, cluster: ClusterId) -> Result<Node, NodeError> {
    let node = Node::found(&host.parts, cluster, host.member.clone()).await?;
    tracing::info!(%cluster, "formed a new cluster");
    Ok(node)
}
