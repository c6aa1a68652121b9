//! [`Comings`]: who has become a member and who is none any more, for people to read.
//!
//! The membership itself tells it, as it is committed while this node leads: whatever brought a change about, and whoever
//! began it, it is told once. What happened while nobody led is told by nobody.

use std::collections::BTreeMap;

use spindrift_discovery::{ClusterEvent, Discovery};

use super::departures::{Departure, Departures};
use crate::types::NodeId;

/// The members and their addresses, as they were told last.
#[derive(Debug, Default)]
pub struct Comings(Option<BTreeMap<NodeId, String>>);

impl Comings {
    /// Forgets what it knows: this node does not lead.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// Tells `discovery` what has changed since the last time.
    pub fn tell(
        &mut self,
        members: BTreeMap<NodeId, String>,
        departures: &Departures,
        discovery: &dyn Discovery,
    ) {
        if members.is_empty() {
            // Nothing is committed yet, not even that this node is a member.
            return;
        }
        if let Some(before) = &self.0 {
            for (node, address) in before
                .iter()
                .filter(|(node, _)| !members.contains_key(node))
            {
                let (node, address) = (*node, address.clone());
                discovery.notify(match departures.why(node) {
                    Some(Departure::Leaves) => ClusterEvent::Left { node, address },
                    Some(Departure::Replaced) | None => ClusterEvent::Evicted { node, address },
                });
            }
            for (node, address) in members
                .iter()
                .filter(|(node, _)| !before.contains_key(node))
            {
                let (node, address) = (*node, address.clone());
                discovery.notify(ClusterEvent::Joined { node, address });
            }
        }
        self.0 = Some(members);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use parking_lot::Mutex;
    use spindrift_discovery::{Claim, MemberState, PeerSet, StaticList, Verdict};
    use tokio::sync::watch;

    use super::*;

    /// Keeps what it is told.
    #[derive(Debug)]
    struct Told {
        list: StaticList,
        notices: Mutex<Vec<ClusterEvent>>,
    }

    impl Discovery for Told {
        fn peers(&self) -> watch::Receiver<PeerSet> {
            self.list.peers()
        }

        fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict> {
            self.list.claim(claim)
        }

        fn announce(&self, _: Option<MemberState>) {}

        fn notify(&self, notice: ClusterEvent) {
            self.notices.lock().push(notice);
        }

        fn close(&self) -> BoxFuture<'_, ()> {
            self.list.close()
        }
    }

    fn members(nodes: &[NodeId]) -> BTreeMap<NodeId, String> {
        let members = nodes
            .iter()
            .map(|node| (*node, format!("node-{node}:7000")));
        members.collect()
    }

    #[test]
    fn each_member_that_comes_or_goes_is_told_once() {
        let told = Told {
            list: StaticList::new([], "node-1:7000", true),
            notices: Mutex::default(),
        };
        let departures = Departures::default();
        let mut comings = Comings::default();
        let mut tell = |nodes: &[NodeId]| {
            comings.tell(members(nodes), &departures, &told);
            std::mem::take(&mut *told.notices.lock())
        };
        let address = |node| format!("node-{node}:7000");
        // Those that were there when this node began to lead have not just come.
        assert_eq!(tell(&[]), []);
        assert_eq!(tell(&[1, 2]), []);
        assert_eq!(
            tell(&[1, 2, 3, 4]),
            [3, 4].map(|node| ClusterEvent::Joined {
                node,
                address: address(node)
            })
        );
        assert_eq!(tell(&[1, 2, 3, 4]), []);
        departures.add(3, Departure::Leaves);
        departures.add(4, Departure::Replaced);
        assert_eq!(tell(&[1, 2, 3, 4]), []);
        let left = ClusterEvent::Left {
            node: 3,
            address: address(3),
        };
        let evicted = |node| ClusterEvent::Evicted {
            node,
            address: address(node),
        };
        assert_eq!(tell(&[1]), [evicted(2), left, evicted(4)]);
        comings.forget();
        comings.tell(members(&[1, 9]), &departures, &told);
        assert_eq!(*told.notices.lock(), []);
    }
}
