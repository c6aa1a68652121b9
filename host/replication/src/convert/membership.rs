//! Members and memberships.

use std::collections::{BTreeMap, BTreeSet};

use super::{Malformed, from_wire, to_wire, wire};
use crate::types::{Member, Membership, StoredMembership};

impl From<&Member> for wire::Member {
    fn from(member: &Member) -> Self {
        Self {
            peer: member.peer.clone(),
            version: member.version.clone(),
            vote_lease_ms: member.vote_lease_ms,
            protocol: member.protocol,
            machine: member.machine.clone(),
        }
    }
}

impl From<wire::Member> for Member {
    fn from(member: wire::Member) -> Self {
        Self {
            peer: member.peer,
            version: member.version,
            vote_lease_ms: member.vote_lease_ms,
            protocol: member.protocol,
            machine: member.machine,
        }
    }
}

impl From<&Membership> for wire::Membership {
    fn from(membership: &Membership) -> Self {
        let configs = membership.get_joint_config().iter();
        Self {
            configs: configs
                .map(|voters| wire::VoterSet {
                    nodes: voters.iter().copied().collect(),
                })
                .collect(),
            nodes: membership
                .nodes()
                .map(|(node, member)| (*node, member.into()))
                .collect(),
        }
    }
}

impl TryFrom<wire::Membership> for Membership {
    type Error = Malformed;

    fn try_from(membership: wire::Membership) -> Result<Self, Malformed> {
        let configs = membership.configs.into_iter();
        let configs: Vec<BTreeSet<u64>> = configs
            .map(|voters| voters.nodes.into_iter().collect())
            .collect();
        let nodes = membership.nodes.into_iter();
        let nodes: BTreeMap<u64, Member> =
            nodes.map(|(node, member)| (node, member.into())).collect();
        if configs.is_empty() {
            // Where there are no voters, nobody would be a majority, and so everybody.
            return match nodes.is_empty() {
                true => Ok(Self::default()),
                false => Err(Malformed("a membership has no voters")),
            };
        }
        Self::new(configs, nodes)
            .map_err(|_| Malformed("a set of voters is empty, or has one that is no member"))
    }
}

impl From<&StoredMembership> for wire::StoredMembership {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: to_wire(stored.log_id().as_ref()),
            membership: Some(stored.membership().into()),
        }
    }
}

impl TryFrom<wire::StoredMembership> for StoredMembership {
    type Error = Malformed;

    fn try_from(stored: wire::StoredMembership) -> Result<Self, Malformed> {
        let membership = stored.membership.ok_or(Malformed("it has no membership"))?;
        Ok(Self::new(from_wire(stored.log_id)?, membership.try_into()?))
    }
}
