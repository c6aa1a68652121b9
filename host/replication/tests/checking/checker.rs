//! [`check`]: whether a history is linearizable, key by key.
//!
//! The search is the crate `todc-utils`': the algorithm of Wing and Gong with Lowe's memory of what was tried, as Horn and
//! Kroening describe it (<https://arxiv.org/abs/1504.00204>). What is left to do here is to say what a key is
//! (`register.rs`), to give operations of unknown outcome a form that the search copes with, and to bound it.
//! The tester of `stateright`, the other crate there is, remembers nothing of what it has tried and copies the rest of the
//! history at each step: it is for the few operations of a model, not for the hundreds of a run.
//!
//! Keys are independent of each other, and a linearizable history is one whose every key's is (Herlihy and Wing), so each
//! key is searched alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};

use super::history::{Answer, Operation, Outcome, Request};
use super::register::{Register, Step};

/// Steps of the search of one key, at most. A key with hundreds of operations and a few unknown ones takes some thousands.
const MAX_STEPS: u64 = 4_000_000;
/// What the search of one key may remember, about: each step remembers a byte for each event.
const MAX_MEMORY_BYTES: u64 = 1 << 30;

/// What a history comes to.
#[derive(Debug, Default)]
pub struct Report {
    /// Keys that were searched.
    pub keys: usize,
    /// Operations on them, those without effect aside.
    pub operations: usize,
    /// Operations whose outcome is unknown.
    pub unknown: usize,
    /// Keys that no one store could have answered so.
    pub violations: Vec<Violation>,
    /// Keys whose search was given up.
    pub undecided: Vec<String>,
}

impl Report {
    /// Whether every key was searched to the end, and found right.
    pub fn is_linearizable(&self) -> bool {
        self.violations.is_empty() && self.undecided.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            keys,
            operations,
            unknown,
            ..
        } = self;
        write!(
            f,
            "{operations} operations on {keys} keys, {unknown} of unknown outcome: "
        )?;
        if self.is_linearizable() {
            return write!(f, "linearizable");
        }
        write!(f, "{} keys are not linearizable", self.violations.len())?;
        if !self.undecided.is_empty() {
            write!(f, ", the search was given up for {:?}", self.undecided)?;
        }
        for violation in self.violations.iter().take(3) {
            write!(f, "\n{violation}")?;
        }
        Ok(())
    }
}

/// A key that no one store could have answered so.
#[derive(Debug)]
pub struct Violation {
    /// The key.
    pub key: String,
    /// The operation whose answer cannot be: all that ended before it fits together.
    pub culprit: Operation,
    /// The last operations that began before the culprit ended, itself among them.
    pub before: Vec<Operation>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "key {:?}; the answer that cannot be is marked:",
            self.key
        )?;
        for operation in &self.before {
            let mark = if *operation == self.culprit { '>' } else { ' ' };
            let Operation {
                client,
                node,
                request,
                outcome,
                invoked,
                completed,
                invoked_us,
                completed_us,
                ..
            } = operation;
            writeln!(
                f,
                "{mark} {invoked:>8}..{completed:<8} {:>9.3}..{:<9.3} s  client {client:<3} {node:<6} {request:?} -> {outcome:?}",
                *invoked_us as f64 / 1e6,
                *completed_us as f64 / 1e6,
            )?;
        }
        Ok(())
    }
}

/// Searches every key of `operations`.
pub fn check(operations: &[Operation]) -> Report {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| tells(operation)) {
        keys.entry(&operation.key).or_default().push(operation);
    }
    let mut report = Report {
        keys: keys.len(),
        ..Report::default()
    };
    for (key, mut operations) in keys {
        operations.sort_by_key(|operation| operation.completed);
        report.operations += operations.len();
        report.unknown += operations.iter().filter(|o| is_unknown(o)).count();
        match search(&operations, u64::MAX) {
            Finding::Linearizable => {}
            Finding::Undecided => report.undecided.push(key.to_owned()),
            Finding::NotLinearizable => report.violations.push(first_violation(key, &operations)),
        }
    }
    report
}

/// Whether an operation can make a difference: one that certainly changed nothing and told nothing cannot.
fn tells(operation: &Operation) -> bool {
    match &operation.outcome {
        Outcome::Answered(_) => true,
        Outcome::Failed(_) => false,
        Outcome::Unknown(_) => operation.request != Request::Get,
    }
}

fn is_unknown(operation: &Operation) -> bool {
    matches!(operation.outcome, Outcome::Unknown(_))
}

/// Finds the first answer that cannot be. What is linearizable is so at each of its moments, so the last moment at which
/// it still was is found by halving.
fn first_violation(key: &str, operations: &[&Operation]) -> Violation {
    let answered: Vec<&Operation> = operations
        .iter()
        .filter(|operation| !is_unknown(operation))
        .copied()
        .collect();
    let fits = |last: &&Operation| search(operations, last.completed) != Finding::NotLinearizable;
    let first = answered.partition_point(fits);
    let culprit = answered[first.min(answered.len() - 1)];
    let mut before: Vec<Operation> = operations
        .iter()
        .filter(|operation| operation.invoked < culprit.completed)
        .map(|operation| (*operation).clone())
        .collect();
    before.sort_by_key(|operation| operation.invoked);
    // Unknown writes of long ago may still be the point.
    let recent = before.len().saturating_sub(24);
    let mut index = 0;
    before.retain(|operation| {
        index += 1;
        index > recent || is_unknown(operation)
    });
    Violation {
        key: key.to_owned(),
        culprit: culprit.clone(),
        before,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Linearizable,
    NotLinearizable,
    Undecided,
}

/// Searches what happened to one key up to the event `until`. `operations` are in the order of their ends.
fn search(operations: &[&Operation], until: u64) -> Finding {
    let events = events(operations, until);
    if events.is_empty() {
        return Finding::Linearizable;
    }
    Register::allow((MAX_MEMORY_BYTES / events.len() as u64).min(MAX_STEPS));
    let actions = events
        .into_iter()
        .map(|(_, edge, process, step)| match edge {
            Edge::Call => (process, Action::Call(step)),
            Edge::Response => (process, Action::Response(step)),
        })
        .collect();
    let found = WGLChecker::<Register>::is_linearizable(History::from_actions(actions));
    match found {
        true => Finding::Linearizable,
        false if Register::is_exhausted() => Finding::Undecided,
        false => Finding::NotLinearizable,
    }
}

/// The starts and the ends, in their order.
type Events = BTreeSet<(u64, Edge, usize, Step)>;

/// What goes first of two that have one number. Only ends share one, and which of those goes first makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Response,
    Call,
}

/// Says what each operation is for the search, up to the event `until`, and by when it has happened.
fn events(operations: &[&Operation], until: u64) -> Events {
    let mut read = BTreeMap::new();
    for operation in operations.iter().filter(|o| o.completed <= until) {
        if let Outcome::Answered(Answer::Found(value)) = operation.outcome {
            read.entry(value).or_insert(operation.completed);
        }
    }
    let mut begun: Vec<&Operation> = operations
        .iter()
        .filter(|o| o.invoked <= until)
        .copied()
        .collect();
    begun.sort_by_key(|operation| operation.invoked);

    let (mut spare_writes, mut spare_removals) = (0, 0);
    let mut events = Events::new();
    for (process, operation) in begun.into_iter().enumerate() {
        let invoked = operation.invoked;
        let answer = match &operation.outcome {
            Outcome::Answered(answer) if operation.completed <= until => Some(*answer),
            _ => None,
        };
        let (step, end) = match (operation.request, answer) {
            (Request::Put(value), Some(Answer::Written) | None) => {
                match (read.get(&value), answer) {
                    // The put was done by the end of the first get that read it, whatever its client heard.
                    (Some(&end), None) if end > invoked => (Step::WriteThatIsRead(value), end),
                    (Some(_), _) => (Step::WriteThatIsRead(value), operation.completed),
                    (None, Some(_)) => (Step::Write(value), operation.completed),
                    (None, None) => {
                        spare_writes += 1;
                        (Step::SpareWrite(spare_writes), FOREVER)
                    }
                }
            }
            (Request::Get, Some(Answer::Found(value))) => {
                (Step::Read(Some(value)), operation.completed)
            }
            (Request::Get | Request::Delete, Some(Answer::Absent)) => {
                (Step::Read(None), operation.completed)
            }
            (Request::Get, None) => continue,
            (Request::Delete, Some(Answer::Deleted)) => (Step::Remove, operation.completed),
            (Request::Delete, None) => {
                spare_removals += 1;
                (Step::SpareRemoval(spare_removals), FOREVER)
            }
            // An answer to another question is no behaviour of a register at all.
            (_, Some(_)) => (Step::Never, operation.completed),
        };
        events.insert((invoked, Edge::Call, process, step));
        events.insert((end, Edge::Response, process, step));
    }
    if spare_writes + spare_removals > 0 {
        let end = operations.len();
        events.insert((FOREVER - 1, Edge::Call, end, Step::End));
        events.insert((FOREVER, Edge::Response, end, Step::End));
    }
    events
}

/// The number of an event after all others.
const FOREVER: u64 = u64::MAX;
