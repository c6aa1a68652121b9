//! Which members are about to go, or have gone, as far as others have said.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::super::types::NodeId;

/// Members that the leader is to remove without waiting for their silence. Clones share it.
///
/// It is this node's alone: where the leader changes, those who want to leave ask again.
#[derive(Clone, Debug)]
pub struct Departures(watch::Sender<BTreeSet<NodeId>>);

impl Default for Departures {
    fn default() -> Self {
        Self(watch::channel(BTreeSet::new()).0)
    }
}

impl Departures {
    /// Says that a member is to be removed.
    pub fn add(&self, node: NodeId) {
        self.0.send_if_modified(|departing| departing.insert(node));
    }

    /// The members that are to be removed.
    #[must_use]
    pub fn current(&self) -> BTreeSet<NodeId> {
        self.0.borrow().clone()
    }

    /// Forgets those that are members no more.
    pub fn keep(&self, members: &BTreeSet<NodeId>) {
        self.0.send_if_modified(|departing| {
            let before = departing.len();
            departing.retain(|node| members.contains(node));
            departing.len() != before
        });
    }

    /// Hears of every change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<BTreeSet<NodeId>> {
        self.0.subscribe()
    }
}
