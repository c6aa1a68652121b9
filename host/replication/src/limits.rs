//! What the stores may hold in all: the leader's duty to bring the least of the members' limits into force.
//!
//! A commit has to end the same on every node, so the limits that it is checked against are part of the state machine:
//! entries of the log set them, and snapshots carry them. Each node is configured with what it has memory for, and every node
//! holds everything. So the least of the members' limits is in force, whichever of them leads: it falls when a smaller node joins, and
//! rises when the smallest leaves. Nodes may be configured differently while they are updated one after the other, and at the
//! end of it the new limits are in force, whatever the order was.
//!
//! The leader asks each member once what it is configured with: a process never changes it. As long as a member has not said
//! it, no limit rises, since that member may be the smallest. A member of a version that does not say it counts for nothing.
//!
//! What a node has in force before the first entry that sets them is its own configuration. So a cluster begins with such
//! an entry, and no commit comes before it, see [`Node::found`](super::node::Node::found).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::async_runtime::WatchReceiver;
use spindrift_store::Map;
use tokio::sync::watch;
use tokio::time::sleep;

use super::command::Command;
use super::leadership::{Leadership, changed_from, led_term};
use super::network::Peers;
use super::overview::said_by;
use super::types::{Identity, Member, NodeId, Raft};

/// How often the leader compares, and asks again where there was no answer.
const INTERVAL: Duration = Duration::from_millis(200);

/// What the stores are configured with: what each may hold in all, in bytes, in their order.
#[must_use]
pub fn configured(map: &Map) -> Vec<u64> {
    let stores = map.stores().iter();
    stores
        .map(|(_, _, limits)| limits.max_total_bytes)
        .collect()
}

/// The limits in force, in the same form.
#[must_use]
pub fn in_force(map: &Map) -> Vec<u64> {
    let stores = map.stores().iter();
    stores.map(|(id, ..)| map.max_total_bytes(id)).collect()
}

/// Brings these into force.
pub fn bring_into_force(map: &Map, max_total_bytes: &[u64]) {
    for ((id, ..), bytes) in map.stores().iter().zip(max_total_bytes) {
        map.set_max_total_bytes(id, *bytes);
    }
}

/// Logs which of the limits that were in force `before` are not any more.
pub fn tell_changes(map: &Map, before: &[u64]) {
    for ((id, label, _), old) in map.stores().iter().zip(before) {
        let new = map.max_total_bytes(id);
        if new != *old {
            tracing::info!(
                "store {label:?} may hold {new} bytes from now on, instead of {old} (max_total_size)"
            );
        }
    }
}

/// The duty of one node, done while it leads.
pub struct LimitsDuty {
    /// The node.
    pub identity: Identity,
    /// Its part in the cluster.
    pub raft: Raft,
    /// The way to the members.
    pub peers: Peers,
    /// Its map, with the limits in force.
    pub map: Arc<Map>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
}

impl LimitsDuty {
    /// Brings the limits into force for the first time in a new cluster, which has this node alone, once it leads. Says
    /// whether it could, which it cannot where the node stops.
    pub async fn begin(mut self) -> bool {
        let own = configured(&self.map);
        while let Some(term) = led_term(&mut self.leadership, self.identity.node).await {
            if self.propose(own.clone(), term).await {
                return true;
            }
        }
        false
    }

    /// Does the duty whenever this node leads. Ends when the node stops.
    ///
    /// A node that has just begun to lead may not have applied all that its predecessors left it, and may find limits in
    /// force that are about to be replaced. So it goes on comparing for as long as it leads.
    pub async fn run(self) {
        let mut leadership = self.leadership.clone();
        let mut said = Said::default();
        let mut asking = FuturesUnordered::new();
        let mut asked = BTreeSet::new();
        while let Some(term) = led_term(&mut leadership, self.identity.node).await {
            let others = self.others();
            said.retain(&others);
            let missing = others.iter().filter(|(node, _)| !said.includes(**node));
            for (node, member) in missing {
                if asked.insert(*node) {
                    asking.push(self.ask(*node, member.clone()));
                }
            }
            let all_have_said = others.keys().all(|node| said.includes(*node));
            let in_force = in_force(&self.map);
            let wanted = said.least(
                &configured(&self.map),
                (!all_have_said).then_some(&in_force),
            );
            if wanted != in_force {
                self.propose(wanted, term).await;
                continue;
            }
            tokio::select! {
                Some((node, limits)) = asking.next() => {
                    asked.remove(&node);
                    if let Some(limits) = limits {
                        said.note(node, limits);
                    }
                }
                () = sleep(INTERVAL) => {}
            }
        }
    }

    /// The other members.
    fn others(&self) -> BTreeMap<NodeId, Member> {
        let seen = self.raft.server_metrics().borrow_watched().clone();
        let members = seen.membership_config.nodes();
        let others = members.filter(|(node, _)| **node != self.identity.node);
        others
            .map(|(node, member)| (*node, member.clone()))
            .collect()
    }

    /// Asks a member for its limits. Where it does not answer, that takes a while.
    async fn ask(&self, node: NodeId, member: Member) -> (NodeId, Option<Vec<u64>>) {
        let target = Identity {
            node,
            ..self.identity
        };
        let status = said_by(&self.peers, target, &member).await;
        if status.is_none() {
            sleep(INTERVAL).await;
        }
        (node, status.map(|status| status.max_total_bytes))
    }

    /// Proposes limits once, and says whether they have been applied. A node that has ceased to lead may never hear of
    /// it, and its successor looks for itself.
    async fn propose(&self, max_total_bytes: Vec<u64>, term: u64) -> bool {
        let mut leadership = self.leadership.clone();
        let command = Command::SetLimits { max_total_bytes };
        tokio::select! {
            written = self.raft.client_write(command) => match written {
                Ok(_) => true,
                Err(error) => {
                    tracing::debug!("the limits of the stores could not be set: {error}");
                    sleep(INTERVAL).await;
                    false
                }
            },
            () = changed_from(&mut leadership, self.identity.node, term) => false,
        }
    }
}

/// What the other members have said that they are configured with.
#[derive(Debug, Default)]
struct Said(BTreeMap<NodeId, Vec<u64>>);

impl Said {
    fn includes(&self, node: NodeId) -> bool {
        self.0.contains_key(&node)
    }

    fn note(&mut self, node: NodeId, limits: Vec<u64>) {
        self.0.insert(node, limits);
    }

    /// Forgets those that are no members.
    fn retain(&mut self, members: &BTreeMap<NodeId, Member>) {
        self.0.retain(|node, _| members.contains_key(node));
    }

    /// The least of `own` limits, of those that were said, and of those that are `at_most` to be in force.
    fn least(&self, own: &[u64], at_most: Option<&Vec<u64>>) -> Vec<u64> {
        let mut least = own.to_vec();
        for limits in self.0.values().chain(at_most) {
            // One that has not said them, or has other stores, has none in common with them.
            if limits.len() != least.len() {
                continue;
            }
            for (least, limit) in least.iter_mut().zip(limits) {
                *least = (*least).min(*limit);
            }
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_the_members_is_in_force_store_by_store() {
        let mut said = Said::default();
        let own = [50, 60];
        assert_eq!(said.least(&own, None), own);
        said.note(2, vec![70, 40]);
        said.note(3, vec![45, 90]);
        assert_eq!(said.least(&own, None), [45, 40]);
        // The smaller of the two leaves.
        said.retain(&BTreeMap::from([(2, Member::default())]));
        assert_eq!(said.least(&own, None), [50, 40]);
    }

    #[test]
    fn nothing_rises_while_a_member_has_not_said_what_it_takes() {
        let mut said = Said::default();
        assert_eq!(said.least(&[50], Some(&vec![30])), [30]);
        assert_eq!(said.least(&[50], Some(&vec![90])), [50]);
        said.note(2, vec![20]);
        assert_eq!(said.least(&[50], Some(&vec![30])), [20]);
    }

    #[test]
    fn a_member_that_does_not_say_it_counts_for_nothing() {
        let mut said = Said::default();
        said.note(2, Vec::new());
        assert!(said.includes(2));
        assert_eq!(said.least(&[50], None), [50]);
    }
}
