//! What holds for every membership.

use proptest::prelude::*;

use super::*;

/// Members that are heard, silent for any time, or not heard in this term, which may have just begun.
fn any_view() -> impl Strategy<Value = View> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let silent = prop_oneof![Just(None), (0u32..60).prop_map(Some)];
    let refusing = prop_oneof![Just(None), (0u32..60).prop_map(Some)];
    let member = ((silent, refusing), flags, any::<bool>());
    let place = proptest::option::of((0u8..4, proptest::option::of(0u8..3)));
    let places = proptest::collection::vec(place, 9);
    let members = proptest::collection::vec(member, 1..9);
    (members, 0usize..4, places).prop_map(|(members, half, places)| {
        let places = (1..).zip(places).filter_map(|(node, place)| {
            let (machine, zone) = place?;
            let (machine, zone) = (machine.to_string(), zone.map(|zone| zone.to_string()));
            Some((node, Place { machine, zone }))
        });
        let members = (1..).zip(members).map(
            |(node, ((silent, refusing), (voter, caught_up, gone), departing))| Seen {
                node,
                voter: voter || node == 1,
                heard: silent.is_none(),
                silent: silent.unwrap_or_default() * SECOND,
                refusing: refusing.map(|refusing| refusing * SECOND),
                caught_up,
                gone,
                departing,
            },
        );
        View {
            members: members.collect(),
            wanted_voters: 2 * half + 1,
            places: places.collect(),
            ..view(&[], &[])
        }
    })
}

impl View {
    fn voter_ids(&self) -> BTreeSet<NodeId> {
        self.voters().map(|seen| seen.node).collect()
    }

    /// Those of whom the leader has a sign of life, counted without the code under test.
    fn heard_among(&self, voters: &BTreeSet<NodeId>) -> usize {
        let heard = |seen: &&Seen| seen.heard || seen.node == self.leader;
        let heard = self.members.iter().filter(heard);
        heard.filter(|seen| voters.contains(&seen.node)).count()
    }

    /// What the membership is once a change is made.
    fn changed(mut self, change: Change) -> Self {
        match change {
            Change::Finish => self.changing = false,
            Change::SetVoters(voters) => {
                self.members
                    .retain(|seen| !seen.voter || voters.contains(&seen.node));
                for seen in &mut self.members {
                    seen.voter = voters.contains(&seen.node);
                }
            }
            Change::MoveSeat(voters) => {
                for seen in &mut self.members {
                    seen.voter = voters.contains(&seen.node);
                }
            }
            Change::Demote(node) => self = self.of(node, |seen| seen.voter = false),
            Change::RemoveLearner(node) => self.members.retain(|seen| seen.node != node),
        }
        self
    }

    /// What comes of it once there is nothing left to change.
    fn settled(mut self) -> Result<Self, Self> {
        for _ in 0..32 {
            match next_change(&self) {
                Some(change) => self = self.changed(change),
                None => return Ok(self),
            }
        }
        Err(self)
    }
}

proptest! {
    #[test]
    fn no_change_is_made_without_a_sign_of_life_from_both_majorities(view in any_view()) {
        let Some(change) = next_change(&view) else { return Ok(()) };
        let before = view.voter_ids();
        let after = view.clone().changed(change.clone()).voter_ids();
        for voters in [&before, &after] {
            prop_assert!(2 * view.heard_among(voters) > voters.len(), "{change:?}");
        }
        prop_assert!(after.contains(&view.leader));
        prop_assert!(before.difference(&after).count() <= 1);
        prop_assert!(after.difference(&before).count() <= 1);
        for voter in after.difference(&before) {
            let seen = view.members.iter().find(|seen| seen.node == *voter);
            prop_assert!(seen.is_some_and(|seen| seen.heard && seen.caught_up));
        }
    }

    #[test]
    fn only_those_leave_that_depart_or_have_been_silent_for_a_while(view in any_view()) {
        let Some(change) = next_change(&view) else { return Ok(()) };
        let after = view.clone().changed(change);
        for seen in &view.members {
            let stays = after.members.iter().any(|kept| kept.node == seen.node);
            let refuses = seen.refusing.is_some_and(|refusing| refusing >= view.alive_within);
            let silent = !seen.heard && (seen.silent >= view.patience || refuses);
            let gone = seen.gone && !seen.heard && seen.silent > view.alive_within;
            prop_assert!(stays || seen.departing || silent || gone, "{seen:?}");
        }
    }

    /// Where a majority is alive and the others have been silent for a while, all can leave, and the leader after them.
    #[test]
    fn all_that_leave_come_to_be_out(view in any_view(), extra in 0u32..60) {
        let mut view = view;
        for seen in &mut view.members {
            if !seen.heard {
                seen.silent = view.patience + extra * SECOND;
            }
        }
        prop_assume!(view.decide(&view.voter_ids()));
        let settled = view.settled();
        prop_assert!(settled.is_ok(), "it goes on and on: {settled:?}");
        let settled = settled.unwrap_or_else(|view| view);
        for seen in &settled.members {
            prop_assert!(seen.node == settled.leader || !seen.departing, "{settled:?}");
        }
        let others = without(&settled.voter_ids(), settled.leader);
        let alone = others.is_empty();
        prop_assert!(!settled.leader_goes() || alone || settled.decide(&others), "{settled:?}");
    }

    #[test]
    fn changes_come_to_an_end(view in any_view()) {
        prop_assert!(view.settled().is_ok());
    }

    /// In the end no seat of another than the leader would be better on another node, where all is well.
    #[test]
    fn voters_come_to_be_where_the_fewest_are(view in any_view()) {
        let mut view = view;
        for seen in &mut view.members {
            (seen.heard, seen.silent, seen.departing) = (true, Duration::ZERO, false);
        }
        let settled = view.settled();
        prop_assert!(settled.is_ok(), "it goes on and on: {settled:?}");
        let settled = settled.unwrap_or_else(|view| view);
        let voters = settled.voter_ids();
        let crowding = settled.places.crowding(&voters);
        for from in voters.iter().filter(|voter| **voter != settled.leader) {
            for to in settled.members.iter().filter(|seen| !seen.voter && seen.caught_up) {
                let moved = with(&without(&voters, *from), to.node);
                prop_assert!(settled.places.crowding(&moved) >= crowding, "{from} to {to:?}");
            }
        }
    }
}
