//! Which processes a cluster lets in: the leader checks that the one which asks fits, speaks the version of the protocol that is
//! in force, and is the one that answers at the address which it gives as its own.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::Precondition;
use tokio::time::{Instant, timeout_at};

use super::host::Host;
use super::membership::Departure;
use super::network::{CALL_TIMEOUT, CHANGE_TIMEOUT, PeerError};
use super::node::Node;
use super::protocol as wire;
use super::protocol::join_reply::Outcome;
use super::types::{ClusterId, Member};
use super::versions::{Version, Versions};

/// How long adding a member may take, once it has answered at its address. The node that joins waits for longer than for both,
/// so it hears what has become of it.
const ADD_TIMEOUT: Duration = Duration::from_secs(8);

const _: () = assert!(CALL_TIMEOUT.as_secs() + ADD_TIMEOUT.as_secs() < CHANGE_TIMEOUT.as_secs());

impl Host {
    /// Gives a new node an id and makes it a learner, if it asks for the cluster that this process leads. A node of another
    /// one, which has come to an address that was the leader's, knows nobody that could be asked instead, and has nothing to
    /// refuse. `caller` are the versions of the protocol that the new node speaks.
    ///
    /// # Errors
    ///
    /// Why it cannot become a member of this cluster, as a sentence.
    pub async fn join(
        &self,
        request: wire::JoinRequest,
        caller: Versions,
    ) -> Result<wire::JoinReply, String> {
        let outcome = |outcome| {
            Ok(wire::JoinReply {
                outcome: Some(outcome),
            })
        };
        let asked_for = ClusterId::from_bytes(&request.cluster);
        let node = self.node();
        let Some(node) = node.filter(|node| Some(node.identity.cluster) == asked_for) else {
            return outcome(Outcome::NotLeader(wire::NotLeader::default()));
        };
        self.check_fits(&request)?;
        let nonce = <[u8; 16]>::try_from(request.nonce.as_ref())
            .map_err(|_| "the nonce of a node that joins is not 16 bytes".to_owned())?;
        let member = request
            .member
            .ok_or("a node that joins did not say where it is")?;
        let member = Member {
            protocol: caller.newest().0,
            ..Member::from(member)
        };
        super::address::check(&member.peer).map_err(|error| error.to_string())?;
        if !node.leads() {
            return outcome(Outcome::NotLeader(self.not_leader()));
        }
        node.check_speaks_version_in_force(&member, caller)?;
        match self.ask_back(&node, &member.peer, &nonce).await {
            AskedBack::Itself => {}
            AskedBack::Another(who) => return Err(shared_address(&member.peer, &who)),
            // A token or a certificate may be about to change.
            AskedBack::Untrusted(reason) => {
                return outcome(Outcome::NotYet(wire::NotYet {
                    reason: format!(
                        "the leader has called {}, which this node gives as its own address, and the leader and the process \
                         there do not trust each other: {reason}",
                        member.peer
                    ),
                }));
            }
            // A paused process may be there, or the network or what stands before it fails, which refuses connections for a
            // process that lives. None of it lasts: a silent old member is removed.
            AskedBack::Unknown(reason) if node.knows_address(&member.peer) => {
                return outcome(Outcome::NotYet(wire::NotYet {
                    reason: format!(
                        "a member of the cluster is registered at {}, which this node gives as its own address, and the \
                         leader cannot find out which of the two is there: {reason}; if both run, give each an address \
                         of its own with --advertise",
                        member.peer
                    ),
                }));
            }
            AskedBack::Unknown(_) => {}
        }
        let joined = node.add(u128::from_be_bytes(nonce), member, caller).await?;
        outcome(joined.map_or_else(|| Outcome::NotLeader(self.not_leader()), Outcome::Joined))
    }

    /// Whether a node with this application, these stores and these messages can be a member.
    fn check_fits(&self, request: &wire::JoinRequest) -> Result<(), String> {
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
        Ok(())
    }

    /// Finds out which process answers at `address`: the one that has chosen `nonce`, or another one.
    async fn ask_back(&self, node: &Node, address: &str, nonce: &[u8]) -> AskedBack {
        let peers = &self.parts.peers;
        let request = wire::ProbeRequest {
            application: self.parts.application.clone(),
            ..wire::ProbeRequest::default()
        };
        match peers.probe_anew(address, request).await {
            Ok(reply) if reply.nonce == nonce => AskedBack::Itself,
            Ok(reply) => AskedBack::Another(match ClusterId::from_bytes(&reply.cluster) {
                Some(cluster) if cluster == node.identity.cluster => {
                    format!("node {} of this cluster", reply.node)
                }
                Some(cluster) => format!("node {} of cluster {cluster}", reply.node),
                None => "another process, which belongs to no cluster yet,".to_owned(),
            }),
            Err(PeerError::Refused { reason, .. }) => {
                AskedBack::Another(format!("another process, which says {reason:?},"))
            }
            Err(PeerError::Distrusted { reason, .. }) => AskedBack::Untrusted(reason),
            Err(PeerError::Unreachable { reason, .. } | PeerError::Cut { reason, .. }) => {
                AskedBack::Unknown(reason)
            }
        }
    }
}

/// What is found at the address of a node that wants to join.
enum AskedBack {
    /// The node itself.
    Itself,
    /// Another process, as a subject for a sentence.
    Another(String),
    /// A process that the leader does not trust, or that does not trust the leader, for this reason.
    Untrusted(String),
    /// There was no answer, for this reason.
    Unknown(String),
}

/// The refusal of a node at whose address another process answers.
#[must_use]
pub fn shared_address(address: &str, who: &str) -> String {
    format!(
        "{who} answers at {address}, which the node that wants to join gives as its own address: give each node an address of \
         its own with --advertise, or stop the other one first"
    )
}

impl Node {
    /// Whether a member is registered at `address`.
    fn knows_address(&self, address: &str) -> bool {
        let seen = self.raft.server_metrics().borrow_watched().clone();
        seen.membership_config
            .nodes()
            .any(|(_, known)| known.peer == address)
    }

    /// Refuses a node that could not read what the members of this cluster write.
    fn check_speaks_version_in_force(
        &self,
        member: &Member,
        caller: Versions,
    ) -> Result<(), String> {
        match *self.in_force.borrow() {
            Some(version) if !caller.include(version) => Err(format!(
                "this cluster uses version {version} of the peers' protocol, and the node that wants to join, spindrift {}, \
                 speaks {caller}; a cluster does not go back to an older version: run a spindrift that speaks version \
                 {version}",
                member.version
            )),
            _ => Ok(()),
        }
    }

    /// Gives a new node an id and makes it a learner; nothing where this node cannot.
    ///
    /// # Errors
    ///
    /// It does not speak the version in force, as a sentence.
    async fn add(
        &self,
        nonce: u128,
        member: Member,
        caller: Versions,
    ) -> Result<Option<wire::Joined>, String> {
        let deadline = Instant::now() + ADD_TIMEOUT;
        // No version is brought into force meanwhile.
        let Ok(_admission) = timeout_at(deadline, self.admissions.read()).await else {
            return Ok(None);
        };
        let Ok(Ok((id, led))) = timeout_at(deadline, self.allocate(nonce)).await else {
            return Ok(None);
        };
        // The entry with the id is applied, and with it what earlier leaders have brought into force.
        self.check_speaks_version_in_force(&member, caller)?;
        let member = member.in_version(self.in_force.borrow().unwrap_or(Version::RANGES));
        // The node that was at that address before is there no more.
        let seen = self.raft.metrics().borrow_watched().clone();
        for (old, known) in seen.membership_config.nodes() {
            if known.peer == member.peer && *old != id {
                tracing::info!(node = old, "its address {} has a new node", member.peer);
                self.departures.add(*old, Departure::Replaced);
            }
        }
        loop {
            // Another leader may have brought another version into force, if there was one.
            let still_leads = Precondition::CommittedLeaderId {
                committed_leader_id: led,
            };
            let nodes = BTreeMap::from([(id, member.clone())]);
            let added =
                self.raft
                    .change_membership_if(ChangeMembers::AddNodes(nodes), true, [still_leads]);
            match timeout_at(deadline, added).await {
                Ok(Ok(_)) => break,
                Ok(Err(RaftError::APIError(ClientWriteError::PreconditionFailed(_)))) => {
                    return Ok(None);
                }
                // Another change is under way.
                Ok(Err(_)) if self.leads() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => return Ok(None),
            }
        }
        tracing::info!(node = id, "{member} has joined");
        Ok(Some(wire::Joined {
            cluster: Bytes::copy_from_slice(&self.identity.cluster.to_bytes()),
            node: id,
            predecessors: self.predecessors.to_wire(),
        }))
    }
}

fn describe(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
    labels.join(", ")
}
