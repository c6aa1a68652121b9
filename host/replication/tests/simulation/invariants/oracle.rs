//! [`Oracle`]: hears of everything that happens in a run, hands it to the theorems, and keeps the first violation.

use std::mem;

use spindrift_store::{Entry, Revision};

use super::election_safety::ElectionSafety;
use super::exactly_once::ExactlyOnce;
use super::fresh_reads::FreshReads;
use super::leader_completeness::LeaderCompleteness;
use super::monotonic_state::MonotonicState;
use super::state_machine_safety::StateMachineSafety;
use super::{Contents, Observed, Progress, Violation, linearizability};
use crate::checking::history::History;
use crate::clients::{COUNTERS, is_counter, number_of};
use crate::sabotage::Sabotage;
use crate::trace::Trace;

/// All that is known of a run.
#[derive(Default)]
pub struct Oracle {
    /// A fingerprint of the run.
    pub trace: Trace,
    sabotage: Sabotage,
    election_safety: ElectionSafety,
    state_machine_safety: StateMachineSafety,
    leader_completeness: LeaderCompleteness,
    exactly_once: ExactlyOnce,
    monotonic_state: MonotonicState,
    fresh_reads: FreshReads,
    /// Who has committed something since all was healed.
    pub progress: Progress,
    /// What clients did to keys that are no counters.
    pub history: History,
    violation: Option<Violation>,
}

/// What a client is about to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// This value, which no other commit writes.
    Put(u64),
    /// That there is nothing.
    Delete,
    /// One more, which makes this.
    Increment(u64),
}

impl Oracle {
    /// Of a run in which this is broken.
    pub fn new(sabotage: Sabotage) -> Self {
        Self {
            sabotage,
            ..Self::default()
        }
    }

    /// The first thing that must not be.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.clone()
    }

    /// Keeps what must not be, if it is the first.
    pub fn note(&mut self, judged: Result<(), Violation>) {
        if let Err(violation) = judged {
            self.violation.get_or_insert(violation);
        }
    }

    /// A process was looked at.
    pub fn observe(&mut self, seen: &Observed<'_>) {
        let published = &seen.published;
        let (role, term) = (mem::discriminant(&published.role), published.term);
        let (leader, revision, lag) = (published.leader, published.revision, published.lag);
        let (voters, learners) = (published.voters, published.learners);
        self.trace.note((
            seen.process,
            role,
            term,
            leader,
            revision,
            lag,
            voters,
            learners,
        ));
        self.trace.note(&seen.contents);
        let judged = self.judge(seen);
        self.note(judged);
    }

    fn judge(&mut self, seen: &Observed<'_>) -> Result<(), Violation> {
        self.election_safety.observe(seen)?;
        self.monotonic_state.observe(seen)?;
        let Some(contents) = &seen.contents else {
            return Ok(());
        };
        for (key, entry) in contents.entries.iter().enumerate() {
            if let Some((revision, value)) = *entry
                && !is_counter(key)
            {
                self.exactly_once.seen(seen.process, value, revision)?;
            }
        }
        self.state_machine_safety.observe(seen.process, contents)?;
        self.leader_completeness.observe(seen.process, contents)
    }

    /// What a linearizable read that begins now has to see.
    pub fn floor(&self) -> Revision {
        self.fresh_reads.floor()
    }

    /// A linearizable read of a key, which began when `floor` was known, was answered from a map at `revision`.
    pub fn read(
        &mut self,
        process: &str,
        key: usize,
        floor: Revision,
        revision: Revision,
        found: Option<&Entry>,
    ) {
        self.trace.note((process, key, floor, revision));
        if self.sabotage != Sabotage::ReadIndexUnseen {
            let judged = self.fresh_reads.read(process, floor, revision);
            self.note(judged);
        }
        if let Some(entry) = found {
            let judged = self.found(process, key, entry.revision(), number_of(entry));
            self.note(judged);
        }
    }

    /// A stale read found this.
    pub fn read_stale(&mut self, process: &str, key: usize, entry: &Entry) {
        let judged = self.found(process, key, entry.revision(), number_of(entry));
        self.note(judged);
    }

    fn found(
        &mut self,
        whence: &str,
        key: usize,
        revision: Revision,
        value: u64,
    ) -> Result<(), Violation> {
        self.state_machine_safety
            .commit(whence, revision, key, value)?;
        if is_counter(key) {
            return Ok(());
        }
        self.exactly_once.seen(whence, value, revision)
    }

    /// A client is about to commit something.
    pub fn begins(&mut self, key: usize, asked: Asked) {
        self.trace.note(("begins", key, asked));
        match asked {
            Asked::Put(_) => {}
            Asked::Delete => self.leader_completeness.delete_begins(key),
            Asked::Increment(_) => self.exactly_once.increment_begins(key),
        }
    }

    /// A client was told that its commit was applied.
    pub fn acknowledged(&mut self, process: &str, key: usize, asked: Asked, revision: Revision) {
        self.trace.note((process, key, asked, revision));
        self.fresh_reads.acknowledged(revision);
        let value = match asked {
            Asked::Put(value) | Asked::Increment(value) => Some(value),
            Asked::Delete => {
                self.leader_completeness.delete_ended(key);
                None
            }
        };
        self.leader_completeness.acknowledged(key, revision, value);
        let whence = format!("a client of {process}");
        let judged = match value {
            Some(value) => self.found(&whence, key, revision, value),
            None => Ok(()),
        };
        self.note(judged);
        if let Asked::Increment(value) = asked {
            let judged = self.exactly_once.incremented(key, value);
            self.note(judged);
        }
    }

    /// A client was told that its commit was not applied, and will not be.
    pub fn refused(&mut self, key: usize, asked: Asked) {
        self.trace.note(("refused", key, asked));
        let judged = match asked {
            Asked::Put(value) => self.exactly_once.refused(value),
            Asked::Delete => {
                self.leader_completeness.delete_ended(key);
                Ok(())
            }
            Asked::Increment(_) => {
                self.exactly_once.increment_refused(key);
                Ok(())
            }
        };
        self.note(judged);
    }

    /// Looks at a process at the end, when nothing is under way any more.
    pub fn end(&mut self, process: &str, contents: &Contents) {
        let judged = self.leader_completeness.complete(process, contents);
        self.note(judged);
        for key in COUNTERS {
            let value = contents.entries.get(key).copied().flatten();
            let value = value.map_or(0, |(_, value)| value);
            let judged = self.exactly_once.counted(process, key, value);
            self.note(judged);
        }
    }

    /// Looks at what clients saw, when none is at work any more.
    pub fn judge_history(&mut self) {
        let judged = linearizability::judge(&self.history);
        self.note(judged);
    }

    /// How many commits were acknowledged.
    pub fn commits(&self) -> usize {
        self.leader_completeness.commits()
    }

    /// In how many terms somebody has led.
    pub fn terms(&self) -> usize {
        self.election_safety.terms()
    }
}
