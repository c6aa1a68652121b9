//! What the stores may hold in all: the leader's duty to bring the limits into force that it is configured with.
//!
//! A commit has to end the same on every node, so the limits that it is checked against are part of the state machine:
//! entries of the log set them, and snapshots carry them. They follow whoever leads: nodes may be configured differently
//! while they are updated one after the other, and at the end of it the new limits are in force, whatever the order was.
//!
//! What a node has in force before the first entry that sets them is its own configuration. So a cluster begins with such
//! an entry, and no commit comes before it, see [`Node::found`](super::node::Node::found).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::command::Command;
use super::leadership::{Leadership, changed_from, led_term};
use super::types::{NodeId, Raft};
use crate::store::Map;

/// How often the leader compares.
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
    /// The node's id.
    pub node: NodeId,
    /// Its part in the cluster.
    pub raft: Raft,
    /// Its map, with the limits in force.
    pub map: Arc<Map>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
}

impl LimitsDuty {
    /// Brings the limits into force for the first time, once this node leads. Says whether it could, which it cannot where
    /// the node stops.
    pub async fn begin(mut self) -> bool {
        while let Some(term) = led_term(&mut self.leadership, self.node).await {
            if self.propose(term).await {
                return true;
            }
        }
        false
    }

    /// Does the duty whenever this node leads. Ends when the node stops.
    ///
    /// A node that has just begun to lead may not have applied all that its predecessors left it, and may find limits in
    /// force that are about to be replaced. So it goes on comparing for as long as it leads.
    pub async fn run(mut self) {
        while let Some(term) = led_term(&mut self.leadership, self.node).await {
            if in_force(&self.map) == configured(&self.map) {
                sleep(INTERVAL).await;
            } else {
                self.propose(term).await;
            }
        }
    }

    /// Proposes the limits once, and says whether they have been applied. One that does not lead any more may never hear of
    /// it, and its successor looks for itself.
    async fn propose(&mut self, term: u64) -> bool {
        let command = Command::SetLimits {
            max_total_bytes: configured(&self.map),
        };
        tokio::select! {
            written = self.raft.client_write(command) => match written {
                Ok(_) => true,
                Err(error) => {
                    tracing::debug!("the limits of the stores could not be set: {error}");
                    sleep(INTERVAL).await;
                    false
                }
            },
            () = changed_from(&mut self.leadership, self.node, term) => false,
        }
    }
}
