//! [`Tally`]: how many operations succeeded, and why others did not.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::workload::IMPATIENT;
use crate::checking::history::{Operation, Outcome};

/// How operations ended.
#[derive(Debug, Default)]
pub struct Tally {
    /// With an answer.
    pub answered: usize,
    /// Without effect.
    pub failed: usize,
    /// Nobody knows.
    pub unknown: usize,
    reasons: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts.
    pub fn of<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Self {
        let mut tally = Tally::default();
        for operation in operations {
            let (count, reason) = match &operation.outcome {
                Outcome::Answered(_) => {
                    tally.answered += 1;
                    continue;
                }
                Outcome::Failed(reason) => (&mut tally.failed, reason),
                Outcome::Unknown(reason) => (&mut tally.unknown, reason),
            };
            *count += 1;
            // Ids and addresses would make each reason its own.
            let (reason, _id) = reason.split_once(",\"request_id\"").unwrap_or((reason, ""));
            let reason: String = reason
                .chars()
                .filter(|c| !c.is_ascii_digit())
                .take(160)
                .collect();
            *tally.reasons.entry(reason).or_default() += 1;
        }
        tally
    }

    /// All operations.
    pub fn all(&self) -> usize {
        self.answered + self.failed + self.unknown
    }

    /// The part of them that was answered; all of none.
    pub fn availability(&self) -> f64 {
        match self.all() {
            0 => 1.0,
            all => self.answered as f64 / all as f64,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            answered,
            failed,
            unknown,
            reasons,
        } = self;
        write!(
            f,
            "{answered} answered, {failed} failed, {unknown} of unknown outcome"
        )?;
        let mut reasons: Vec<_> = reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons.into_iter().take(8) {
            write!(f, "\n  {count} × {reason}")?;
        }
        Ok(())
    }
}

/// What an operation may take where nothing is wrong, in microseconds: at the least, and as a multiple of what those take
/// on average that are answered. A busy machine is slow in all it does.
const SLOWEST_US: u64 = 250_000;
const SLOWEST_FACTOR: u64 = 10;

/// The operations that began within any of these times, and ended there or should have; without those whose clients lost
/// patience, of which nobody knows how they would have ended. The times are in microseconds since the history began.
pub fn within<'a>(
    operations: &'a [Operation],
    times: &[Range<u64>],
) -> impl Iterator<Item = &'a Operation> {
    let took = |operation: &Operation| operation.completed_us - operation.invoked_us;
    let inside = |operation: &&Operation| {
        let both = [operation.invoked_us, operation.completed_us];
        let answered = matches!(operation.outcome, Outcome::Answered(_));
        answered && times.iter().any(|t| both.iter().all(|at| t.contains(at)))
    };
    let inside: Vec<u64> = operations.iter().filter(inside).map(took).collect();
    let average = inside.iter().sum::<u64>() / (inside.len() as u64).max(1);
    let slowest = SLOWEST_US.max(average * SLOWEST_FACTOR);
    operations.iter().filter(move |operation| {
        let Operation {
            invoked_us,
            completed_us,
            ..
        } = operation;
        !gave_up(operation)
            && times.iter().any(|time| {
                let had_time = invoked_us + slowest < time.end;
                time.contains(invoked_us) && (time.contains(completed_us) || had_time)
            })
    })
}

/// Whether the client lost patience, which some of them have little of.
pub fn gave_up(operation: &Operation) -> bool {
    let said = format!("nothing within {IMPATIENT:?}");
    matches!(&operation.outcome, Outcome::Unknown(why) | Outcome::Failed(why) if *why == said)
}
