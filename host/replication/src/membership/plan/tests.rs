//! Which change is made next, case by case. What holds for all of them is in `properties.rs`.

use spindrift_discovery::Place;

use super::*;

mod properties;

const SECOND: Duration = Duration::from_secs(1);

fn seen(node: NodeId, voter: bool) -> Seen {
    Seen {
        node,
        voter,
        heard: true,
        silent: Duration::ZERO,
        refusing: None,
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
        patience: 3 * SECOND,
        places: Places::default(),
    }
}

impl Seen {
    /// It has not been heard for so long.
    fn fall_silent(&mut self, silent: Duration) {
        self.heard = false;
        self.silent = silent;
    }
}

impl View {
    /// With members on these machines.
    fn on(mut self, machines: &[(NodeId, &str)]) -> Self {
        let places = machines.iter().map(|(node, machine)| {
            let (machine, zone) = ((*machine).to_owned(), None);
            (*node, Place { machine, zone })
        });
        self.places = places.collect();
        self
    }

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
    let silent = behind.of(5, |seen| seen.fall_silent(2 * SECOND));
    assert_eq!(next_change(&silent), None);
}

#[test]
fn a_free_seat_goes_to_a_learner_where_no_voter_is() {
    let free = view(&[1, 2], &[3, 4, 5]).on(&[(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "d")]);
    assert_eq!(next_change(&free), set_voters(&[1, 2, 4]));
    let behind = free.of(4, |seen| seen.caught_up = false);
    assert_eq!(next_change(&behind), set_voters(&[1, 2, 5]));
    let nowhere_else = behind.of(5, |seen| seen.fall_silent(2 * SECOND));
    assert_eq!(next_change(&nowhere_else), set_voters(&[1, 2, 3]));
    let leaving = view(&[1, 2, 3], &[4, 5])
        .on(&[(1, "a"), (2, "b"), (3, "c"), (4, "b"), (5, "c")])
        .of(3, |seen| seen.departing = true);
    assert_eq!(next_change(&leaving), set_voters(&[1, 2, 5]));
}

#[test]
fn a_seat_is_moved_to_a_machine_without_voters_from_one_that_has_several() {
    let moved = |voters: &[NodeId]| Some(Change::MoveSeat(voters.iter().copied().collect()));
    let machines = [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b"), (6, "c")];
    // As after all other machines were drained and are back.
    let drained = view(&[1, 2, 3], &[4, 5, 6]).on(&machines);
    assert_eq!(next_change(&drained), moved(&[1, 2, 4]));
    let behind = drained.clone().of(4, |seen| seen.caught_up = false);
    assert_eq!(next_change(&behind), moved(&[1, 2, 5]));
    let once = view(&[1, 2, 4], &[3, 5, 6]).on(&machines);
    assert_eq!(next_change(&once), moved(&[1, 4, 6]));
    let twice = view(&[1, 4, 6], &[2, 3, 5]).on(&machines);
    assert_eq!(next_change(&twice), None);
    // A machine with one more learner is no reason, and neither are places that nobody knows.
    let unknown = view(&[1, 2, 3], &[4, 5, 6]).on(&[(1, "a"), (4, "b")]);
    assert_eq!(next_change(&unknown), None);
}

#[test]
fn no_seat_is_moved_while_a_voter_is_in_trouble() {
    let machines = [(1, "a"), (2, "a"), (3, "b"), (4, "c")];
    let crowded = view(&[1, 2, 3], &[4]).on(&machines);
    assert!(matches!(next_change(&crowded), Some(Change::MoveSeat(_))));
    for silent in [2, 3] {
        let trouble = crowded.clone().of(silent, |seen| seen.fall_silent(SECOND));
        assert_eq!(next_change(&trouble), None);
    }
    let leader_goes = crowded.of(1, |seen| seen.departing = true);
    assert_eq!(next_change(&leader_goes), None);
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
    let leaving = |silent| {
        view(&[1, 2, 3], &[])
            .of(2, |seen| seen.departing = true)
            .of(3, |seen| seen.fall_silent(silent))
    };
    // A paused node gets time to come back.
    assert_eq!(next_change(&leaving(Duration::ZERO)), None);
    assert_eq!(next_change(&leaving(2 * SECOND)), None);
    assert_eq!(next_change(&leaving(3 * SECOND)), set_voters(&[1, 2]));
    let two = view(&[1, 2], &[]).of(2, |seen| seen.departing = true);
    assert_eq!(next_change(&two), set_voters(&[1]));
}

/// What was true of the old leader is not true of the new one: it has heard from nobody.
#[test]
fn a_leader_that_has_just_been_elected_takes_nobody_for_alive() {
    let elected = view(&[1, 2, 3], &[4])
        .of(2, |seen| {
            seen.departing = true;
            seen.heard = false;
        })
        .of(3, |seen| seen.heard = false)
        .of(4, |seen| seen.heard = false);
    assert_eq!(next_change(&elected), None);
    let heard = elected.of(2, |seen| seen.heard = true);
    assert_eq!(next_change(&heard), None, "2 and 3 would not decide");
    let learner = heard.clone().of(4, |seen| seen.heard = true);
    assert_eq!(next_change(&learner), set_voters(&[1, 3, 4]));
    let third = heard.of(3, |seen| seen.heard = true);
    assert_eq!(next_change(&third), set_voters(&[1, 3]));
}

#[test]
fn of_two_that_leave_the_dead_one_goes_first() {
    let leaving = view(&[1, 2, 3], &[])
        .of(2, |seen| seen.departing = true)
        .of(3, |seen| {
            seen.departing = true;
            seen.fall_silent(Duration::ZERO);
        });
    assert_eq!(next_change(&leaving), set_voters(&[1, 2]));
}

#[test]
fn a_leader_that_leaves_takes_out_the_dead_voter_that_its_successor_could_not_do_without() {
    let leaving = |silent| {
        view(&[1, 2, 3], &[])
            .of(1, |seen| seen.departing = true)
            .of(2, |seen| seen.fall_silent(silent))
    };
    assert_eq!(next_change(&leaving(2 * SECOND)), None);
    assert_eq!(next_change(&leaving(3 * SECOND)), set_voters(&[1, 3]));
    // Of five, the others decide with one of them dead.
    let five = view(&[1, 2, 3, 4, 5], &[])
        .of(1, |seen| seen.departing = true)
        .of(2, |seen| seen.fall_silent(3 * SECOND));
    let five = View {
        wanted_voters: 5,
        ..five
    };
    assert_eq!(next_change(&five), None);
    let two = five.of(3, |seen| seen.fall_silent(4 * SECOND));
    assert_eq!(next_change(&two), set_voters(&[1, 2, 4, 5]));
}

#[test]
fn a_silent_voter_is_evicted_after_its_time_and_not_before() {
    let silent = |secs| view(&[1, 2, 3], &[4]).of(3, |seen| seen.fall_silent(secs * SECOND));
    assert_eq!(next_change(&silent(29)), None);
    assert_eq!(next_change(&silent(30)), set_voters(&[1, 2, 4]));
}

/// Nothing listens where it was.
#[test]
fn a_voter_whose_address_refuses_connections_is_waited_for_less_long() {
    let refusing = |millis| {
        view(&[1, 2, 3], &[]).of(3, |seen| {
            seen.fall_silent(Duration::ZERO);
            seen.refusing = Some(Duration::from_millis(millis));
        })
    };
    // A process that is started again there finds the others for as long as any.
    assert_eq!(next_change(&refusing(60_000)), None);
    let leaving = |millis| refusing(millis).of(2, |seen| seen.departing = true);
    assert_eq!(next_change(&leaving(999)), None);
    assert_eq!(next_change(&leaving(1_000)), set_voters(&[1, 2]));
    // One that is heard lives, whatever its address does.
    let heard = leaving(60_000).of(3, |seen| seen.heard = true);
    assert_eq!(next_change(&heard), set_voters(&[1, 3]));
}

#[test]
fn a_voter_that_is_gone_is_evicted_as_soon_as_it_is_silent() {
    let gone = |silent| {
        view(&[1, 2, 3], &[4]).of(3, |seen| {
            seen.gone = true;
            seen.fall_silent(silent);
        })
    };
    assert_eq!(next_change(&gone(SECOND)), None);
    let moment = Duration::from_millis(1);
    assert_eq!(next_change(&gone(SECOND + moment)), set_voters(&[1, 2, 4]));
    let learner = view(&[1, 2, 3], &[4]).of(4, |seen| {
        seen.gone = true;
        seen.fall_silent(2 * SECOND);
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
            seen.fall_silent(2 * SECOND);
        })
    };
    assert_eq!(next_change(&gone(gone(view(&[1, 2, 3], &[4]), 2), 3)), None);
    let five = gone(gone(view(&[1, 2, 3, 4, 5], &[]), 4), 5);
    assert_eq!(next_change(&five), set_voters(&[1, 2, 3, 5]));
}

#[test]
fn without_a_majority_nothing_is_changed() {
    let lost = view(&[1, 2, 3], &[4])
        .of(2, |seen| seen.fall_silent(40 * SECOND))
        .of(3, |seen| seen.fall_silent(40 * SECOND));
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
