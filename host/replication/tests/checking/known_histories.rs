//! Tests of the checker: it has to accept what one register did, and to object to what none can do.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::checker::{Report, check};
use super::history::{Answer, Operation, Outcome, Request};

use Answer::{Absent, Deleted, Found, Written};
use Request::{Delete, Get, Put};

/// An operation on the key `k` between two events.
fn answered(request: Request, answer: Answer, between: [u64; 2]) -> Operation {
    operation(request, Outcome::Answered(answer), between)
}

/// One that nobody knows the outcome of.
fn unknown(request: Request, invoked: u64) -> Operation {
    let outcome = Outcome::Unknown("no answer in time".to_owned());
    operation(request, outcome, [invoked, invoked + 1])
}

fn operation(request: Request, outcome: Outcome, [invoked, completed]: [u64; 2]) -> Operation {
    Operation {
        key: "k".to_owned(),
        client: 0,
        node: "n1".to_owned(),
        request,
        outcome,
        invoked,
        completed,
        invoked_us: invoked,
        completed_us: completed,
    }
}

fn accepted(operations: &[Operation]) {
    let report = check(operations);
    assert!(report.is_linearizable(), "{report}");
}

/// The operation that the checker objects to.
fn refused(operations: &[Operation]) -> Operation {
    let Report {
        mut violations,
        undecided,
        ..
    } = check(operations);
    assert!(undecided.is_empty(), "{undecided:?}");
    assert_eq!(violations.len(), 1, "it objects once: {operations:?}");
    violations.remove(0).culprit
}

#[test]
fn one_thing_after_another_is_linearizable() {
    accepted(&[]);
    accepted(&[
        answered(Get, Absent, [0, 1]),
        answered(Delete, Absent, [2, 3]),
        answered(Put(1), Written, [4, 5]),
        answered(Get, Found(1), [6, 7]),
        answered(Put(2), Written, [8, 9]),
        answered(Get, Found(2), [10, 11]),
        answered(Delete, Deleted, [12, 13]),
        answered(Delete, Absent, [14, 15]),
        answered(Get, Absent, [16, 17]),
    ]);
}

#[test]
fn what_overlaps_may_go_in_any_order() {
    accepted(&[
        answered(Put(1), Written, [0, 10]),
        answered(Put(2), Written, [1, 11]),
        answered(Get, Found(2), [2, 3]),
        answered(Get, Found(1), [4, 5]),
    ]);
    accepted(&[
        answered(Put(1), Written, [0, 10]),
        answered(Get, Absent, [1, 2]),
        answered(Get, Found(1), [3, 4]),
        answered(Delete, Deleted, [5, 20]),
        answered(Delete, Absent, [6, 21]),
    ]);
}

#[test]
fn a_read_of_the_past_is_refused() {
    let stale = answered(Get, Found(1), [4, 5]);
    let culprit = refused(&[
        answered(Put(1), Written, [0, 1]),
        answered(Put(2), Written, [2, 3]),
        stale.clone(),
    ]);
    assert_eq!(culprit, stale);

    // Time goes back between two reads, though the write is not acknowledged yet.
    let back = answered(Get, Absent, [4, 5]);
    let culprit = refused(&[
        answered(Put(1), Written, [0, 9]),
        answered(Get, Found(1), [2, 3]),
        back.clone(),
    ]);
    assert_eq!(culprit, back);
}

#[test]
fn a_lost_write_is_refused() {
    let lost = answered(Get, Absent, [4, 5]);
    let culprit = refused(&[answered(Put(1), Written, [0, 1]), lost.clone()]);
    assert_eq!(culprit, lost);

    let lost = answered(Delete, Absent, [4, 5]);
    let culprit = refused(&[answered(Put(1), Written, [0, 1]), lost.clone()]);
    assert_eq!(culprit, lost);
}

#[test]
fn a_write_applied_twice_is_refused() {
    let again = answered(Get, Found(1), [6, 7]);
    let culprit = refused(&[
        answered(Put(1), Written, [0, 1]),
        answered(Put(2), Written, [2, 3]),
        answered(Get, Found(2), [4, 5]),
        again.clone(),
    ]);
    assert_eq!(culprit, again);

    // It was removed, and is back.
    let again = answered(Get, Found(1), [4, 5]);
    let culprit = refused(&[
        answered(Put(1), Written, [0, 1]),
        answered(Delete, Deleted, [2, 3]),
        again.clone(),
    ]);
    assert_eq!(culprit, again);
}

#[test]
fn two_deletes_of_one_value_are_refused() {
    let second = answered(Delete, Deleted, [3, 6]);
    let culprit = refused(&[
        answered(Put(1), Written, [0, 1]),
        answered(Delete, Deleted, [2, 5]),
        second.clone(),
    ]);
    assert_eq!(culprit, second);
}

#[test]
fn a_value_from_nowhere_is_refused() {
    let made_up = answered(Get, Found(7), [2, 3]);
    let culprit = refused(&[answered(Put(1), Written, [0, 1]), made_up.clone()]);
    assert_eq!(culprit, made_up);

    // Read before anybody had sent it, whatever became of the put.
    let early = answered(Get, Found(1), [0, 1]);
    assert_eq!(refused(&[early.clone(), unknown(Put(1), 2)]), early);
    let late = answered(Put(1), Written, [2, 3]);
    refused(&[early, late]);
}

#[test]
fn an_answer_to_another_question_is_refused() {
    for (request, answer) in [
        (Put(1), Absent),
        (Put(1), Deleted),
        (Get, Written),
        (Get, Deleted),
        (Delete, Written),
        (Delete, Found(1)),
    ] {
        refused(&[answered(request, answer, [0, 1])]);
    }
}

#[test]
fn an_unknown_write_may_come_late_or_never() {
    // Never.
    accepted(&[unknown(Put(1), 0), answered(Get, Absent, [10, 11])]);
    // At once.
    accepted(&[unknown(Put(1), 0), answered(Get, Found(1), [10, 11])]);
    // After others that began later.
    accepted(&[
        unknown(Put(1), 0),
        answered(Put(2), Written, [10, 11]),
        answered(Get, Found(2), [12, 13]),
        answered(Get, Found(1), [14, 15]),
    ]);
    accepted(&[
        answered(Put(1), Written, [0, 1]),
        unknown(Delete, 2),
        answered(Get, Found(1), [10, 11]),
        answered(Delete, Absent, [12, 13]),
    ]);
    // But once only.
    let again = answered(Get, Found(1), [16, 17]);
    let culprit = refused(&[
        unknown(Put(1), 0),
        answered(Get, Found(1), [10, 11]),
        answered(Put(2), Written, [12, 13]),
        again.clone(),
    ]);
    assert_eq!(culprit, again);
    let again = answered(Delete, Deleted, [14, 15]);
    let culprit = refused(&[
        unknown(Put(1), 0),
        answered(Delete, Deleted, [10, 11]),
        again.clone(),
    ]);
    assert_eq!(culprit, again);
}

#[test]
fn what_certainly_failed_is_left_out() {
    let failed = |request, between| operation(request, Outcome::Failed("503".into()), between);
    accepted(&[
        failed(Put(1), [0, 1]),
        answered(Get, Absent, [2, 3]),
        failed(Get, [4, 5]),
    ]);
    // It said that nothing was written, and lied.
    let lie = answered(Get, Found(1), [2, 3]);
    assert_eq!(refused(&[failed(Put(1), [0, 1]), lie.clone()]), lie);
}

#[test]
fn keys_are_told_apart() {
    let mut wrong = answered(Get, Found(1), [2, 3]);
    wrong.key = "other".to_owned();
    let operations = [answered(Put(1), Written, [0, 1]), wrong.clone()];
    let report = check(&operations);
    assert_eq!((report.keys, report.operations), (2, 2));
    assert_eq!(report.violations.len(), 1);
    assert_eq!(report.violations[0].culprit, wrong);
}

/// What clients of a true register see: at random, with so many of them at a time, and with operations that they do not
/// hear the outcome of.
struct Simulation {
    random: StdRng,
    clients: usize,
    unknown: f64,
    now: u64,
    state: Option<u64>,
    values: u64,
    history: Vec<Operation>,
}

/// An operation that is under way.
struct Started {
    request: Request,
    invoked: u64,
    effect: Option<Answer>,
    /// Whether the client still waits for it.
    awaited: bool,
}

impl Simulation {
    fn new(seed: u64, clients: usize, unknown: f64) -> Self {
        Simulation {
            random: StdRng::seed_from_u64(seed),
            clients,
            unknown,
            now: 0,
            state: None,
            values: 0,
            history: Vec::new(),
        }
    }

    fn run(mut self, operations: usize) -> Vec<Operation> {
        let mut under_way: Vec<Started> = Vec::new();
        for _ in 0..operations * 64 {
            let awaited = under_way.iter().filter(|o| o.awaited).count();
            if self.history.len() >= operations {
                break;
            }
            self.now += 1;
            let coin = self.random.random_range(0..3);
            if awaited < self.clients && (coin == 0 || under_way.is_empty()) {
                let request = self.request();
                under_way.push(Started {
                    request,
                    invoked: self.now,
                    effect: None,
                    awaited: true,
                });
                continue;
            }
            let chosen = self.random.random_range(0..under_way.len());
            let started = &mut under_way[chosen];
            match started.effect {
                None if started.awaited && self.random.random_bool(self.unknown) => {
                    started.awaited = false;
                    let mut lost = unknown(started.request, started.invoked);
                    lost.completed = self.now;
                    self.history.push(lost);
                }
                // What nobody waits for takes effect at some time, or never.
                None if started.awaited || self.random.random_bool(0.02) => {
                    let (answer, state) = apply(started.request, self.state);
                    self.state = state;
                    started.effect = Some(answer);
                }
                None => {}
                Some(answer) => {
                    if started.awaited {
                        let between = [started.invoked, self.now];
                        self.history
                            .push(answered(started.request, answer, between));
                    }
                    under_way.swap_remove(chosen);
                }
            }
        }
        for started in under_way.iter().filter(|o| o.awaited) {
            self.history.push(unknown(started.request, started.invoked));
        }
        self.history
    }

    fn request(&mut self) -> Request {
        match self.random.random_range(0..10) {
            0..=4 => Get,
            5..=7 => {
                self.values += 1;
                Put(self.values)
            }
            _ => Delete,
        }
    }
}

fn apply(request: Request, state: Option<u64>) -> (Answer, Option<u64>) {
    match (request, state) {
        (Put(value), _) => (Written, Some(value)),
        (Get, Some(value)) => (Found(value), state),
        (Delete, Some(_)) => (Deleted, None),
        (Get | Delete, None) => (Absent, None),
    }
}

#[test]
fn a_true_register_is_accepted() {
    for seed in 0..200 {
        let unknown = [0.0, 0.02, 0.1][seed as usize % 3];
        let history = Simulation::new(seed, 2 + seed as usize % 7, unknown).run(120);
        let report = check(&history);
        assert!(report.is_linearizable(), "seed {seed}: {report}");
    }
}

#[test]
fn a_register_that_forgets_or_repeats_is_refused() {
    for seed in 0..200 {
        let mut history = Simulation::new(seed, 4, 0.02).run(120);
        let end = history.iter().map(|o| o.completed).max().expect("events");
        // All is quiet. A first read tells the state, whatever the unknown operations did; the second contradicts it,
        // with a value that was overwritten long ago.
        let Some(old) = history.iter().find_map(|o| match (o.request, &o.outcome) {
            (Put(value), Outcome::Answered(_)) => Some(value),
            _ => None,
        }) else {
            continue;
        };
        history.push(answered(Put(u64::MAX), Written, [end + 1, end + 2]));
        history.push(answered(Get, Found(u64::MAX), [end + 3, end + 4]));
        accepted(&history);
        let again = answered(Get, Found(old), [end + 5, end + 6]);
        history.push(again.clone());
        assert_eq!(refused(&history), again, "seed {seed}");
    }
}

/// Longer than what a run of the suite makes of one key, with more unknown operations. They are decided within the steps
/// that a search has; how long those take is the machine's business.
#[test]
fn long_histories_are_decided() {
    for (operations, clients, unknown) in [(1500, 4, 0.0), (600, 8, 0.01), (300, 10, 0.04)] {
        for seed in 0..4 {
            let history = Simulation::new(seed, clients, unknown).run(operations);
            let report = check(&history);
            assert!(report.is_linearizable(), "seed {seed}: {report}");
        }
    }
}
