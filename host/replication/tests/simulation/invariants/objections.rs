//! Tests of the theorems: each objects to what it is there for, and the oracle asks each. Some are also seen to object to
//! whole clusters that break them, in `scenarios.rs`: fresh reads, exactly once, linearizability and progress.

use spindrift_replication::{Published, Role};

use super::election_safety::ElectionSafety;
use super::exactly_once::ExactlyOnce;
use super::fresh_reads::FreshReads;
use super::leader_completeness::LeaderCompleteness;
use super::monotonic_state::MonotonicState;
use super::state_machine_safety::StateMachineSafety;
use super::{Asked, Contents, Observed, Oracle, linearizability};
use crate::checking::history::{Answer, History, Outcome, Request};
use crate::clients::COUNTERS;

fn seen(process: &str, node: u64, role: Role, term: u64, revision: u64) -> Observed<'_> {
    Observed {
        process,
        published: Published {
            cluster: Some("c".into()),
            node: Some(node),
            role,
            address: String::new(),
            term,
            protocol: Some(5),
            leader: None,
            leader_address: None,
            revision,
            lag: 0,
            voters: 3,
            learners: 0,
            log_entries: 0,
            log_bytes: 0,
            not_ready: None,
        },
        contents: None,
    }
}

fn contents(revision: u64, entries: &[Option<(u64, u64)>]) -> Contents {
    Contents {
        revision,
        entries: entries.to_vec(),
        count: entries.iter().flatten().count() as u64,
    }
}

#[test]
fn two_leaders_of_one_term() {
    let mut theorem = ElectionSafety::default();
    assert!(theorem.observe(&seen("a", 1, Role::Leader, 1, 0)).is_ok());
    assert!(theorem.observe(&seen("a", 1, Role::Leader, 1, 0)).is_ok());
    assert!(theorem.observe(&seen("b", 2, Role::Follower, 1, 0)).is_ok());
    assert!(theorem.observe(&seen("b", 2, Role::Leader, 2, 0)).is_ok());
    assert!(theorem.observe(&seen("b", 2, Role::Leader, 1, 0)).is_err());
}

#[test]
fn state_that_goes_back_or_changes_its_owner() {
    let follower =
        |process, node, term, revision| seen(process, node, Role::Follower, term, revision);
    let mut theorem = MonotonicState::default();
    assert!(theorem.observe(&follower("a", 1, 2, 5)).is_ok());
    assert!(theorem.observe(&follower("b", 2, 1, 4)).is_ok());
    assert!(
        theorem.observe(&follower("a", 1, 2, 4)).is_err(),
        "revision"
    );
    assert!(theorem.observe(&follower("a", 1, 1, 5)).is_err(), "term");
    assert!(theorem.observe(&follower("c", 1, 2, 5)).is_err(), "id");
    let mut other = follower("d", 4, 1, 1);
    other.published.cluster = Some("another".into());
    assert!(theorem.observe(&other).is_err(), "cluster");
}

#[test]
fn states_that_differ_at_one_revision() {
    let mut theorem = StateMachineSafety::default();
    assert!(
        theorem
            .observe("a", &contents(7, &[Some((7, 1)), None]))
            .is_ok()
    );
    assert!(
        theorem
            .observe("b", &contents(7, &[Some((7, 1)), None]))
            .is_ok()
    );
    assert!(
        theorem.observe("c", &contents(7, &[None, None])).is_err(),
        "one lacks an entry"
    );
    assert!(
        theorem
            .observe("d", &contents(8, &[Some((7, 2)), None]))
            .is_err(),
        "another value"
    );
    assert!(
        theorem
            .observe("e", &contents(8, &[None, Some((7, 1))]))
            .is_err(),
        "another key"
    );
    assert!(
        theorem
            .observe("f", &contents(6, &[Some((7, 1)), None]))
            .is_err(),
        "of the future"
    );
}

#[test]
fn what_was_acknowledged_is_missing() {
    let mut theorem = LeaderCompleteness::default();
    theorem.acknowledged(0, 5, Some(50));
    let observe = |theorem: &LeaderCompleteness, revision, entry| {
        theorem.observe("a", &contents(revision, &[entry]))
    };
    assert!(observe(&theorem, 5, Some((5, 50))).is_ok());
    assert!(observe(&theorem, 4, None).is_ok(), "it is not there yet");
    assert!(
        observe(&theorem, 6, Some((6, 60))).is_ok(),
        "another one came later"
    );
    assert!(observe(&theorem, 5, None).is_err());
    assert!(observe(&theorem, 5, Some((5, 51))).is_err());
    assert!(observe(&theorem, 9, Some((4, 40))).is_err());
    assert!(
        theorem.complete("a", &contents(4, &[None])).is_err(),
        "it ends before"
    );

    theorem.delete_begins(0);
    assert!(
        observe(&theorem, 6, None).is_ok(),
        "the delete may have been applied"
    );
    theorem.acknowledged(0, 7, None);
    theorem.delete_ended(0);
    assert!(observe(&theorem, 6, None).is_err(), "it was applied later");
    assert!(observe(&theorem, 7, None).is_ok());
    assert!(observe(&theorem, 7, Some((5, 50))).is_err(), "it is back");
}

#[test]
fn what_is_applied_twice_or_though_it_was_refused() {
    let mut theorem = ExactlyOnce::default();
    assert!(theorem.seen("a", 1, 5).is_ok());
    assert!(theorem.seen("b", 1, 5).is_ok());
    assert!(theorem.seen("b", 1, 6).is_err());
    assert!(theorem.refused(2).is_ok());
    assert!(theorem.seen("a", 2, 7).is_err());
    assert!(theorem.refused(1).is_err());

    for _ in 0..3 {
        theorem.increment_begins(4);
    }
    assert!(theorem.incremented(4, 1).is_ok());
    theorem.increment_refused(4);
    assert!(theorem.counted("a", 4, 0).is_err(), "one is lost");
    assert!(theorem.counted("a", 4, 1).is_ok());
    assert!(theorem.counted("a", 4, 2).is_ok(), "one is open");
    assert!(theorem.counted("a", 4, 3).is_err(), "one is too many");
    assert!(
        theorem.incremented(4, 1).is_err(),
        "two made the same of it"
    );
}

#[test]
fn a_read_of_the_past() {
    let mut theorem = FreshReads::default();
    theorem.acknowledged(5);
    let floor = theorem.floor();
    assert!(theorem.read("a", floor, 4).is_err());
    assert!(theorem.read("a", floor, 8).is_ok());
    assert!(theorem.read("b", floor, 6).is_ok(), "both began together");
    let floor = theorem.floor();
    assert!(theorem.read("b", floor, 7).is_err(), "somebody has read 8");
}

#[test]
fn a_history_of_more_than_one_store() {
    let history = History::default();
    let put = |value| {
        let put = history.begin(0, "a", "k", Request::Put(value));
        put.end(Outcome::Answered(Answer::Written));
    };
    let get = |answer| {
        let get = history.begin(1, "b", "k", Request::Get);
        get.end(Outcome::Answered(answer));
    };
    put(1);
    get(Answer::Found(1));
    put(2);
    assert!(linearizability::judge(&history).is_ok());
    get(Answer::Found(1));
    assert!(linearizability::judge(&history).is_err(), "2 was there");
}

/// Tells an oracle what it is to object to.
type Tell = fn(&mut Oracle);

/// What an oracle can be told, by the theorem that is to object.
const TOLD: [(&str, Tell); 11] = [
    ("election safety", |oracle| {
        oracle.observe(&seen("a", 1, Role::Leader, 1, 0));
        oracle.observe(&seen("b", 2, Role::Leader, 1, 0));
    }),
    ("monotonic state", |oracle| {
        oracle.observe(&seen("a", 1, Role::Follower, 1, 5));
        oracle.observe(&seen("a", 1, Role::Follower, 1, 4));
    }),
    ("state machine safety", |oracle| {
        oracle.observe(&holding("a", contents(7, &[Some((7, 1))])));
        oracle.observe(&holding("b", contents(7, &[None])));
    }),
    ("state machine safety", |oracle| {
        oracle.acknowledged("a", COUNTERS.start, Asked::Increment(1), 7);
        oracle.acknowledged("b", COUNTERS.start, Asked::Increment(2), 7);
    }),
    ("leader completeness", |oracle| {
        oracle.acknowledged("a", 0, Asked::Put(1), 7);
        oracle.observe(&holding("b", contents(8, &[None])));
    }),
    ("leader completeness", |oracle| {
        oracle.acknowledged("a", 0, Asked::Put(1), 7);
        oracle.end("b", &contents(6, &[None]));
    }),
    ("exactly once", |oracle| {
        oracle.observe(&holding("a", contents(7, &[Some((7, 1))])));
        oracle.observe(&holding("a", contents(8, &[Some((8, 1))])));
    }),
    ("exactly once", |oracle| {
        oracle.refused(0, Asked::Put(1));
        oracle.observe(&holding("a", contents(7, &[Some((7, 1))])));
    }),
    ("exactly once", |oracle| {
        let mut entries = [None; COUNTERS.end];
        entries[COUNTERS.start] = Some((7, 1));
        oracle.end("a", &contents(7, &entries));
    }),
    ("fresh reads", |oracle| {
        oracle.acknowledged("a", 0, Asked::Delete, 7);
        oracle.read("b", 0, oracle.floor(), 6, None);
    }),
    ("linearizability", |oracle| {
        let get = oracle.history.begin(0, "a", "k", Request::Get);
        get.end(Outcome::Answered(Answer::Found(1)));
        oracle.judge_history();
    }),
];

fn holding(process: &str, contents: Contents) -> Observed<'_> {
    Observed {
        contents: Some(contents),
        ..seen(
            process,
            u64::from(process.as_bytes()[0]),
            Role::Follower,
            1,
            0,
        )
    }
}

#[test]
fn the_oracle_asks_every_theorem() {
    for (theorem, tell) in TOLD {
        let mut oracle = Oracle::default();
        tell(&mut oracle);
        let violation = oracle.violation().map(|violation| violation.theorem);
        assert_eq!(violation.as_deref(), Some(theorem));
    }
}
