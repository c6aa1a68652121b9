//! The leader's duty in an update of the cluster: it brings the newest version of the protocol into force that all members
//! speak, and then asks the members for what could not be written down before.
//!
//! See `versions.rs` for what a version in force means. Two things could let a member in that does not speak it, and both are
//! kept apart from bringing one into force. A leader lets nobody in while it proposes a version ([`Admissions`]). And the state
//! machine brings no version into force that a member of its membership does not speak: a change of the membership that this
//! leader or an earlier one has begun may be in the log by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::Precondition;
use tokio::sync::{RwLock, watch};
use tokio::time::{sleep, timeout};

use super::command::Command;
use super::leadership::{Leadership, changed_from, led_term};
use super::network::Peers;
use super::overview::said_by;
use super::types::{Identity, Member, NodeId, Raft, StoredMembership};
use super::versions::Version;

/// How often the leader looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long it may take to put down the machines of members, until the leader looks again. It may yet come to pass.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Held for reading while a node is let in, and for writing while a version is brought into force.
pub type Admissions = Arc<RwLock<()>>;

/// The duty of one node, done while it leads.
pub struct UpgradeDuty {
    /// The node.
    pub identity: Identity,
    /// Its part in the cluster.
    pub raft: Raft,
    /// The way to the members.
    pub peers: Peers,
    /// The leader, as the node knows it.
    pub leadership: watch::Receiver<Leadership>,
    /// The version in force; `None` before the first one.
    pub in_force: watch::Receiver<Option<Version>>,
    /// Kept apart from bringing a version into force.
    pub admissions: Admissions,
}

impl UpgradeDuty {
    /// Brings the first version into force in a new cluster, which has this node alone, once it leads. Says whether it could,
    /// which it cannot where the node stops.
    pub async fn begin(mut self) -> bool {
        while let Some(term) = led_term(&mut self.leadership, self.identity.node).await {
            let seen = self.raft.server_metrics().borrow_watched().clone();
            match spoken_by_all(&seen.membership_config) {
                Some(version) => self.propose(version, term).await,
                None => sleep(INTERVAL).await,
            }
            if self.in_force.borrow().is_some() {
                return true;
            }
        }
        false
    }

    /// Does the duty whenever this node leads. Ends when the node stops.
    pub async fn run(mut self) {
        let mut answered = BTreeSet::new();
        while let Some(term) = led_term(&mut self.leadership, self.identity.node).await {
            let seen = self.raft.server_metrics().borrow_watched().clone();
            let membership = &seen.membership_config;
            let in_force = *self.in_force.borrow();
            match spoken_by_all(membership) {
                Some(version) if Some(version) > in_force => self.propose(version, term).await,
                _ if in_force >= Some(Version::MACHINES) => {
                    self.ask_for_machines(membership, &mut answered).await;
                }
                _ => {}
            }
            sleep(INTERVAL).await;
        }
    }

    /// Proposes a version once. A node that does not lead any more may never hear what becomes of it, and its successor looks
    /// for itself.
    async fn propose(&mut self, version: Version, term: u64) {
        let _nobody_comes = self.admissions.write().await;
        let command = Command::BringIntoForce { version };
        tokio::select! {
            written = self.raft.client_write(command) => if let Err(error) = written {
                tracing::debug!("version {version} of the protocol could not be proposed: {error}");
                sleep(INTERVAL).await;
            },
            () = changed_from(&mut self.leadership, self.identity.node, term) => {}
        }
    }

    /// Asks the members on which machines they run that the membership does not know it of, and puts down what they say. A
    /// member joins with it, unless an older version was in force by then.
    async fn ask_for_machines(
        &self,
        membership: &StoredMembership,
        answered: &mut BTreeSet<NodeId>,
    ) {
        let members: BTreeMap<NodeId, &Member> = membership
            .nodes()
            .map(|(node, member)| (*node, member))
            .collect();
        answered.retain(|node| members.contains_key(node));
        let unknown = members
            .iter()
            .filter(|(node, member)| member.machine.is_empty() && !answered.contains(node));
        let replies = unknown.map(|(node, member)| async {
            let machine = self.machine_of(*node, member).await?;
            Some((*node, machine))
        });
        let mut told = BTreeMap::new();
        for (node, machine) in join_all(replies).await.into_iter().flatten() {
            // It runs there for as long as it lives.
            answered.insert(node);
            if let Some(member) = members.get(&node).filter(|_| !machine.is_empty()) {
                let member = Member {
                    machine,
                    ..(*member).clone()
                };
                told.insert(node, member);
            }
        }
        if told.is_empty() {
            return;
        }
        let nodes: Vec<NodeId> = told.keys().copied().collect();
        if let Err(error) = self.put_down(membership, told).await {
            tracing::debug!("the machines of the members could not be put down: {error}");
            answered.retain(|node| !nodes.contains(node));
        }
    }

    /// Puts down what members have said of themselves, if the membership is still this one.
    ///
    /// # Errors
    ///
    /// It could not be done, or not in time: without a majority it is neither done nor refused, and there is more that this duty
    /// has to see to.
    pub(super) async fn put_down(
        &self,
        membership: &StoredMembership,
        told: BTreeMap<NodeId, Member>,
    ) -> Result<(), String> {
        // A member that has left meanwhile is not brought back.
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: *membership.log_id(),
        };
        let changed =
            self.raft
                .change_membership_if(ChangeMembers::SetNodes(told), true, [unchanged]);
        match timeout(CHANGE_TIMEOUT, changed).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it is not done within {CHANGE_TIMEOUT:?}")),
        }
    }

    /// The machine on which a member runs, as it says; empty where it does not know it. `None` if it does not answer.
    async fn machine_of(&self, node: NodeId, member: &Member) -> Option<String> {
        let node = Identity {
            node,
            ..self.identity
        };
        let status = said_by(&self.peers, node, member).await?;
        Some(Member::from(status.member?).machine)
    }
}

/// The newest version that all members speak; `None` without members.
#[must_use]
pub fn spoken_by_all(membership: &StoredMembership) -> Option<Version> {
    let members = membership.nodes();
    members.map(|(_, member)| member.newest_version()).min()
}
