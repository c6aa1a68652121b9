//! [`Predecessors`]: the clusters that one was recovered from.
//!
//! They never change in the life of a cluster, so they are kept where its id is: the node that recovers knows them, and
//! whoever leads tells them to whom it lets in, together with the id. So every node that can ever lead knows them, from before
//! it is a member, and neither the log nor a snapshot has to carry them.

use std::sync::Arc;

use bytes::Bytes;

use super::types::ClusterId;

/// How many are remembered. It takes a person to recover, and the earliest clusters are long gone.
const REMEMBERED: usize = 16;

/// The clusters that one was recovered from, the last one last. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predecessors(Arc<[ClusterId]>);

impl Predecessors {
    /// Those of a cluster that is recovered from `cluster`, whose own these are.
    #[must_use]
    pub fn and(&self, cluster: ClusterId) -> Self {
        let forgotten = (self.0.len() + 1).saturating_sub(REMEMBERED);
        let remembered = self.0.iter().skip(forgotten).copied();
        Self(remembered.chain([cluster]).collect())
    }

    /// Whether `cluster` is one of them.
    #[must_use]
    pub fn include(&self, cluster: ClusterId) -> bool {
        self.0.contains(&cluster)
    }

    /// The last one last.
    pub fn iter(&self) -> impl Iterator<Item = ClusterId> {
        self.0.iter().copied()
    }

    /// As they travel.
    #[must_use]
    pub fn to_wire(&self) -> Vec<Bytes> {
        let bytes = |cluster: ClusterId| Bytes::copy_from_slice(&cluster.to_bytes());
        self.iter().map(bytes).collect()
    }

    /// From the form in which they travel. What is no id is left out: no cluster has it.
    #[must_use]
    pub fn from_wire(predecessors: &[Bytes]) -> Self {
        let ids = predecessors.iter();
        Self(ids.filter_map(|id| ClusterId::from_bytes(id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_and_travel() {
        let recovered = |until: u128| {
            let clusters = (1..=until).map(ClusterId);
            clusters.fold(Predecessors::default(), |all, cluster| all.and(cluster))
        };
        assert_eq!(recovered(0), Predecessors::default());
        for count in [1, 2, 16, 17, 40] {
            let predecessors = recovered(count);
            let remembered: Vec<u128> = predecessors.iter().map(|cluster| cluster.0).collect();
            let first = count.saturating_sub(16) + 1;
            assert_eq!(remembered, (first..=count).collect::<Vec<_>>());
            assert!(predecessors.include(ClusterId(count)));
            assert!(!predecessors.include(ClusterId(count + 1)));
            let travelled = Predecessors::from_wire(&predecessors.to_wire());
            assert_eq!(travelled, predecessors);
        }
        let damaged = [Bytes::from_static(b"no id"), Bytes::from_static(&[7; 16])];
        assert_eq!(Predecessors::from_wire(&damaged).iter().count(), 1);
    }
}
