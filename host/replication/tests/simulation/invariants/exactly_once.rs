//! Exactly once: a commit has at most one revision, none if its client was told that it was not applied; and counters
//! count what they should.

use std::collections::{BTreeMap, BTreeSet};

use spindrift_store::Revision;

use super::Violation;

const THEOREM: &str = "exactly once";

/// What was written and counted.
#[derive(Debug, Default)]
pub struct ExactlyOnce {
    /// Which revision each value has. No two writes write the same.
    revisions: BTreeMap<u64, Revision>,
    /// Values of which a client was told that they were not written.
    refused: BTreeSet<u64>,
    counters: BTreeMap<usize, Counter>,
}

#[derive(Debug, Default)]
struct Counter {
    /// What each acknowledged increment has made of it.
    acknowledged: BTreeSet<u64>,
    /// Increments that may have been applied, and are not acknowledged.
    open: u64,
}

impl ExactlyOnce {
    /// A value was seen with this revision.
    pub fn seen(&mut self, whence: &str, value: u64, revision: Revision) -> Result<(), Violation> {
        if self.refused.contains(&value) {
            let what = format!(
                "value {value} is there, as {whence} has it, and its client was told that it was not written"
            );
            return Err(Violation::new(THEOREM, what));
        }
        let known = *self.revisions.entry(value).or_insert(revision);
        if known == revision {
            return Ok(());
        }
        let what = format!(
            "value {value} was written once, and has revisions {known} and, as {whence} has it, {revision}"
        );
        Err(Violation::new(THEOREM, what))
    }

    /// A client was told that this value was not written and will not be.
    pub fn refused(&mut self, value: u64) -> Result<(), Violation> {
        self.refused.insert(value);
        match self.revisions.get(&value) {
            None => Ok(()),
            Some(revision) => {
                let what = format!(
                    "a client was told that value {value} was not written, and it has revision {revision}"
                );
                Err(Violation::new(THEOREM, what))
            }
        }
    }

    /// An increment is about to be committed.
    pub fn increment_begins(&mut self, key: usize) {
        self.counters.entry(key).or_default().open += 1;
    }

    /// An increment was certainly not applied.
    pub fn increment_refused(&mut self, key: usize) {
        let counter = self.counters.entry(key).or_default();
        counter.open = counter.open.saturating_sub(1);
    }

    /// An increment has made `value` of a counter.
    pub fn incremented(&mut self, key: usize, value: u64) -> Result<(), Violation> {
        let counter = self.counters.entry(key).or_default();
        counter.open = counter.open.saturating_sub(1);
        if counter.acknowledged.insert(value) {
            return Ok(());
        }
        let what = format!("two increments made {value} of the counter that is key {key}");
        Err(Violation::new(THEOREM, what))
    }

    /// Looks at the end what a counter has come to.
    pub fn counted(&self, process: &str, key: usize, value: u64) -> Result<(), Violation> {
        let none = Counter::default();
        let counter = self.counters.get(&key).unwrap_or(&none);
        let least = counter.acknowledged.len() as u64;
        let most = least + counter.open;
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let what = format!(
            "{process} counts {value} for key {key}; {least} increments were acknowledged, and {} may have been applied",
            counter.open
        );
        Err(Violation::new(THEOREM, what))
    }
}
