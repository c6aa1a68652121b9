//! Which change of the membership to make next, as a function of what the leader sees.
//!
//! One change at a time, and none that could cost the majority: the voters that are alive must be a majority before the
//! change and after it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::types::NodeId;

/// What the leader sees of the membership.
#[derive(Clone, Debug)]
pub struct View {
    /// The leader itself.
    pub leader: NodeId,
    /// All members, the leader among them.
    pub members: Vec<Seen>,
    /// Whether a change that somebody began is still under way (joint consensus).
    pub changing: bool,
    /// How many voters there should be.
    pub wanted_voters: usize,
    /// A member that is silent for so long is removed.
    pub evict_after: Duration,
    /// A member that is silent for no longer than this counts as alive.
    pub alive_within: Duration,
}

/// What the leader sees of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id. Ids are given in ascending order, so the lowest has stood longest.
    pub node: NodeId,
    /// Whether it votes.
    pub voter: bool,
    /// How long the leader has not heard of it.
    pub silent: Duration,
    /// Whether it has almost all of the leader's log.
    pub caught_up: bool,
    /// Whether discovery says that no process of before is at its address any more.
    pub gone: bool,
    /// Whether it has said that it goes, or another node is where it was.
    pub departing: bool,
}

/// A change to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Bring the change that is under way to its end.
    Finish,
    /// Have these nodes vote and no others; a voter that is not among them leaves the membership.
    SetVoters(BTreeSet<NodeId>),
    /// Have a voter vote no more, and stay as a learner.
    Demote(NodeId),
    /// Take a learner out of the membership.
    RemoveLearner(NodeId),
}

/// The next change to make; nothing where all is as it should be, or cannot be bettered safely now.
pub fn next_change(view: &View) -> Option<Change> {
    if view.changing {
        return Some(Change::Finish);
    }
    let voters: BTreeSet<NodeId> = view.voters().map(|seen| seen.node).collect();
    // Whoever leads without a majority that it hears of can change nothing.
    if !view.safe(&voters) {
        return None;
    }
    let candidate = view
        .members
        .iter()
        .filter(|seen| !seen.voter && seen.caught_up && view.alive(seen) && !view.departing(seen))
        .map(|seen| seen.node)
        .min();
    let without = |gone: NodeId| voters.iter().copied().filter(move |voter| *voter != gone);
    let departing_voter = view
        .voters()
        // The leader hands leadership over before it leaves, and is removed by its successor.
        .find(|seen| seen.node != view.leader && view.departing(seen));
    if let Some(departing) = departing_voter {
        let replaced: BTreeSet<NodeId> = without(departing.node).chain(candidate).collect();
        let removed: BTreeSet<NodeId> = without(departing.node).collect();
        // Where going would cost the majority, a voter that is silent, though not for long, goes before it.
        let silent = view
            .voters()
            .find(|seen| !view.alive(seen) && seen.node != departing.node);
        let first = silent.map(|silent| without(silent.node).chain(candidate).collect());
        let alone = silent.map(|silent| without(silent.node).collect());
        let choices = [Some(replaced), Some(removed), first, alone];
        let mut choices = choices.into_iter().flatten();
        if let Some(voters) = choices.find(|voters| view.safe(voters)) {
            return Some(Change::SetVoters(voters));
        }
    }
    let departing_learner = view.members.iter();
    let departing_learner = departing_learner
        .filter(|seen| !seen.voter && view.departing(seen))
        .map(|seen| seen.node)
        .min();
    if let Some(departing) = departing_learner {
        return Some(Change::RemoveLearner(departing));
    }
    // A leader that wants to go needs somebody to hand over to.
    let leader_goes = view
        .members
        .iter()
        .any(|seen| seen.node == view.leader && seen.departing);
    let wanted_voters = view.wanted_voters.max(if leader_goes { 2 } else { 1 });
    if voters.len() > wanted_voters {
        let youngest = without(view.leader).max()?;
        let fewer: BTreeSet<NodeId> = without(youngest).collect();
        return view.safe(&fewer).then_some(Change::Demote(youngest));
    }
    if voters.len() < wanted_voters {
        let more: BTreeSet<NodeId> = voters.iter().copied().chain([candidate?]).collect();
        return view.safe(&more).then_some(Change::SetVoters(more));
    }
    None
}

impl View {
    fn voters(&self) -> impl Iterator<Item = &Seen> {
        self.members.iter().filter(|seen| seen.voter)
    }

    fn alive(&self, seen: &Seen) -> bool {
        seen.node == self.leader || seen.silent <= self.alive_within
    }

    fn departing(&self, seen: &Seen) -> bool {
        // Discovery may be behind: who is heard of is not gone, but has just come to an address that another one had.
        let gone = seen.gone && !self.alive(seen);
        seen.departing || gone || (seen.node != self.leader && seen.silent >= self.evict_after)
    }

    /// Whether so many of `voters` are alive that they decide without the others.
    fn safe(&self, voters: &BTreeSet<NodeId>) -> bool {
        let alive = self.members.iter();
        let alive = alive.filter(|seen| voters.contains(&seen.node) && self.alive(seen));
        alive.count() > voters.len() / 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(node: NodeId, voter: bool) -> Seen {
        Seen {
            node,
            voter,
            silent: Duration::ZERO,
            caught_up: true,
            gone: false,
            departing: false,
        }
    }

    /// Node 1 leads.
    fn view(voters: &[NodeId], learners: &[NodeId]) -> View {
        let voters = voters.iter().map(|node| seen(*node, true));
        let learners = learners.iter().map(|node| seen(*node, false));
        View {
            leader: 1,
            members: voters.chain(learners).collect(),
            changing: false,
            wanted_voters: 3,
            evict_after: 30 * SECOND,
            alive_within: SECOND,
        }
    }

    impl View {
        fn of(mut self, node: NodeId, change: impl FnOnce(&mut Seen)) -> Self {
            let found = self.members.iter_mut().find(|seen| seen.node == node);
            change(found.unwrap());
            self
        }
    }

    fn set_voters(voters: &[NodeId]) -> Option<Change> {
        Some(Change::SetVoters(voters.iter().copied().collect()))
    }

    #[test]
    fn a_cluster_as_it_should_be_stays_as_it_is() {
        assert_eq!(next_change(&view(&[1, 2, 3], &[4, 5])), None);
    }

    #[test]
    fn a_free_seat_goes_to_the_longest_standing_learner_that_has_caught_up() {
        assert_eq!(next_change(&view(&[1, 2], &[5, 4])), set_voters(&[1, 2, 4]));
        let behind = view(&[1, 2], &[5, 4]).of(4, |seen| seen.caught_up = false);
        assert_eq!(next_change(&behind), set_voters(&[1, 2, 5]));
        let silent = behind.of(5, |seen| seen.silent = 2 * SECOND);
        assert_eq!(next_change(&silent), None);
    }

    #[test]
    fn a_voter_that_leaves_is_replaced_in_one_change() {
        let leaving = view(&[1, 2, 3], &[4]).of(2, |seen| seen.departing = true);
        assert_eq!(next_change(&leaving), set_voters(&[1, 3, 4]));
        let alone = view(&[1, 2, 3], &[]).of(2, |seen| seen.departing = true);
        assert_eq!(next_change(&alone), set_voters(&[1, 3]));
        let last = view(&[1, 2], &[]).of(2, |seen| seen.departing = true);
        assert_eq!(next_change(&last), set_voters(&[1]));
    }

    #[test]
    fn a_voter_that_leaves_takes_no_majority_with_it() {
        let leaving = view(&[1, 2, 3], &[])
            .of(2, |seen| seen.departing = true)
            .of(3, |seen| seen.silent = 2 * SECOND);
        assert_eq!(next_change(&leaving), set_voters(&[1, 2]));
    }

    #[test]
    fn a_silent_voter_is_evicted_after_its_time_and_not_before() {
        let silent = |secs| view(&[1, 2, 3], &[4]).of(3, |seen| seen.silent = secs * SECOND);
        assert_eq!(next_change(&silent(29)), None);
        assert_eq!(next_change(&silent(30)), set_voters(&[1, 2, 4]));
    }

    #[test]
    fn a_voter_that_is_gone_is_evicted_as_soon_as_it_is_silent() {
        let gone = |silent| {
            view(&[1, 2, 3], &[4]).of(3, |seen| {
                seen.gone = true;
                seen.silent = silent;
            })
        };
        assert_eq!(next_change(&gone(SECOND)), None);
        let moment = Duration::from_millis(1);
        assert_eq!(next_change(&gone(SECOND + moment)), set_voters(&[1, 2, 4]));
        let learner = view(&[1, 2, 3], &[4]).of(4, |seen| {
            seen.gone = true;
            seen.silent = 2 * SECOND;
        });
        assert_eq!(next_change(&learner), Some(Change::RemoveLearner(4)));
    }

    /// A pod may get the address of one that is gone, and join before discovery has heard of it.
    #[test]
    fn a_member_that_is_heard_of_is_not_gone() {
        let heard = view(&[1, 2, 3], &[4])
            .of(1, |seen| seen.gone = true)
            .of(2, |seen| seen.gone = true)
            .of(4, |seen| seen.gone = true);
        assert_eq!(next_change(&heard), None);
    }

    #[test]
    fn all_that_are_gone_take_no_majority_with_them() {
        let gone = |view: View, node| {
            view.of(node, |seen| {
                seen.gone = true;
                seen.silent = 2 * SECOND;
            })
        };
        assert_eq!(next_change(&gone(gone(view(&[1, 2, 3], &[4]), 2), 3)), None);
        let five = gone(gone(view(&[1, 2, 3, 4, 5], &[]), 4), 5);
        assert_eq!(next_change(&five), set_voters(&[1, 2, 3, 5]));
    }

    #[test]
    fn without_a_majority_nothing_is_changed() {
        let lost = view(&[1, 2, 3], &[4])
            .of(2, |seen| seen.silent = 40 * SECOND)
            .of(3, |seen| seen.silent = 40 * SECOND);
        assert_eq!(next_change(&lost), None);
    }

    #[test]
    fn the_leader_is_not_removed_by_itself() {
        let leaving = view(&[1, 2, 3], &[]).of(1, |seen| seen.departing = true);
        assert_eq!(next_change(&leaving), None);
    }

    #[test]
    fn a_lone_leader_that_leaves_gets_a_successor() {
        let mut leaving = view(&[1], &[2]).of(1, |seen| seen.departing = true);
        leaving.wanted_voters = 1;
        assert_eq!(next_change(&leaving), set_voters(&[1, 2]));
    }

    #[test]
    fn more_voters_than_wanted_lose_the_youngest() {
        assert_eq!(
            next_change(&view(&[1, 2, 3, 4, 5], &[])),
            Some(Change::Demote(5))
        );
    }

    #[test]
    fn a_learner_that_goes_is_removed() {
        let leaving = view(&[1, 2, 3], &[4]).of(4, |seen| seen.departing = true);
        assert_eq!(next_change(&leaving), Some(Change::RemoveLearner(4)));
    }

    fn any_view() -> impl Strategy<Value = View> {
        let flags = (any::<bool>(), any::<bool>());
        let member = (any::<bool>(), 0u32..60, any::<bool>(), flags);
        (proptest::collection::vec(member, 1..9), 0usize..4).prop_map(|(members, half)| {
            let members =
                (1..)
                    .zip(members)
                    .map(
                        |(node, (voter, silent, caught_up, (gone, departing)))| Seen {
                            node,
                            voter: voter || node == 1,
                            silent: silent * SECOND,
                            caught_up,
                            gone,
                            departing,
                        },
                    );
            View {
                members: members.collect(),
                wanted_voters: 2 * half + 1,
                ..view(&[], &[])
            }
        })
    }

    proptest! {
        #[test]
        fn no_change_costs_the_majority_or_moves_more_than_one_seat(view in any_view()) {
            let before: BTreeSet<NodeId> = view.voters().map(|seen| seen.node).collect();
            let after = match next_change(&view) {
                Some(Change::SetVoters(voters)) => voters,
                Some(Change::Demote(node)) => before.iter().copied().filter(|voter| *voter != node).collect(),
                Some(Change::RemoveLearner(node)) => {
                    prop_assert!(!before.contains(&node));
                    return Ok(());
                }
                Some(Change::Finish) | None => return Ok(()),
            };
            prop_assert!(after.contains(&view.leader));
            prop_assert!(view.safe(&before) && view.safe(&after));
            prop_assert!(before.difference(&after).count() <= 1);
            prop_assert!(after.difference(&before).count() <= 1);
        }

        #[test]
        fn changes_come_to_an_end(mut view in any_view()) {
            for _ in 0..32 {
                let Some(change) = next_change(&view) else { return Ok(()) };
                match change {
                    Change::Finish => view.changing = false,
                    Change::SetVoters(voters) => {
                        view.members.retain(|seen| !seen.voter || voters.contains(&seen.node));
                        for seen in &mut view.members {
                            seen.voter = voters.contains(&seen.node);
                        }
                    }
                    Change::Demote(node) => {
                        let seen = view.members.iter_mut().find(|seen| seen.node == node);
                        seen.unwrap().voter = false;
                    }
                    Change::RemoveLearner(node) => view.members.retain(|seen| seen.node != node),
                }
            }
            prop_assert!(false, "it goes on and on: {view:?}");
        }
    }
}
