//! Which members are about to go, or have gone, as far as others have said.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::super::types::NodeId;

/// Members that the leader is to remove without waiting for their silence. Clones share it.
///
/// It is this node's alone: where the leader changes, those who want to leave ask again.
#[derive(Clone, Debug)]
pub struct Departures(watch::Sender<BTreeMap<NodeId, Departure>>);

/// Why a member is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It has said that it goes.
    Leaves,
    /// Another process is where it was.
    Replaced,
}

impl Default for Departures {
    fn default() -> Self {
        Self(watch::channel(BTreeMap::new()).0)
    }
}

impl Departures {
    /// Says that a member is to be removed.
    pub fn add(&self, node: NodeId, why: Departure) {
        self.0
            .send_if_modified(|departing| departing.insert(node, why) != Some(why));
    }

    /// The members that are to be removed.
    #[must_use]
    pub fn current(&self) -> BTreeSet<NodeId> {
        self.0.borrow().keys().copied().collect()
    }

    /// Why a member is to be removed, if it is.
    #[must_use]
    pub fn why(&self, node: NodeId) -> Option<Departure> {
        self.0.borrow().get(&node).copied()
    }

    /// Forgets those that are members no more.
    pub fn keep(&self, members: &BTreeSet<NodeId>) {
        self.0.send_if_modified(|departing| {
            let before = departing.len();
            departing.retain(|node, _| members.contains(node));
            departing.len() != before
        });
    }

    /// Hears of every change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<BTreeMap<NodeId, Departure>> {
        self.0.subscribe()
    }
}
