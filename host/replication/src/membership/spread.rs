//! [`Places`]: on which machines and in which zones members are, and how crowded a set of voters is there.
//!
//! Voters on one machine are lost together. How crowded they are is a number that each change for their sake makes smaller, so
//! such changes come to an end.

use std::collections::{BTreeMap, BTreeSet};

use spindrift_discovery::Place;

use crate::types::NodeId;

/// Where the members are, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<NodeId, Place>);

/// How many pairs of voters share a zone, and how many a machine. The first counts for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crowding {
    zones: usize,
    machines: usize,
}

impl FromIterator<(NodeId, Place)> for Places {
    fn from_iter<T: IntoIterator<Item = (NodeId, Place)>>(places: T) -> Self {
        Self(places.into_iter().collect())
    }
}

impl Places {
    /// How crowded these nodes are. One whose place is not known shares it with none.
    pub fn crowding(&self, nodes: &BTreeSet<NodeId>) -> Crowding {
        let places = || nodes.iter().filter_map(|node| self.0.get(node));
        Crowding {
            zones: pairs(places().filter_map(|place| place.zone.as_deref())),
            machines: pairs(places().map(|place| place.machine.as_str())),
        }
    }
}

/// How many pairs are of the same.
fn pairs<'a>(all: impl Iterator<Item = &'a str>) -> usize {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut pairs = 0;
    for one in all {
        let count = counts.entry(one).or_default();
        pairs += *count;
        *count += 1;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(machine: &str, zone: Option<&str>) -> Place {
        Place {
            machine: machine.to_owned(),
            zone: zone.map(str::to_owned),
        }
    }

    #[test]
    fn pairs_of_one_zone_count_for_more_than_those_of_one_machine() {
        let places: Places = [
            (1, place("a", Some("x"))),
            (2, place("a", Some("x"))),
            (3, place("b", Some("x"))),
            (4, place("c", Some("y"))),
            (5, place("a", None)),
        ]
        .into_iter()
        .collect();
        let crowding = |nodes: &[NodeId]| places.crowding(&nodes.iter().copied().collect());
        assert_eq!(crowding(&[1, 4]), Crowding::default());
        assert_eq!(crowding(&[1, 9, 10]), Crowding::default(), "unknown");
        assert_eq!(
            crowding(&[1, 2, 3, 4, 5]),
            Crowding {
                zones: 3,
                machines: 3
            }
        );
        assert!(crowding(&[1, 3]) > crowding(&[1, 5]));
        assert!(crowding(&[1, 2]) > crowding(&[1, 3]));
    }
}
