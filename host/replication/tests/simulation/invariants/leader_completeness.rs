//! Leader completeness, as clients see it: what was acknowledged is there for good, on every node that has applied as much.

use std::collections::BTreeMap;

use spindrift_store::Revision;

use super::{Contents, Violation};

const THEOREM: &str = "leader completeness";

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct LeaderCompleteness {
    keys: BTreeMap<usize, Acknowledged>,
    last: Revision,
}

#[derive(Debug, Default)]
struct Acknowledged {
    /// What each commit has made of the key; nothing where it has deleted it.
    commits: BTreeMap<Revision, Option<u64>>,
    /// Deletes that may have been applied and are not acknowledged.
    open_deletes: usize,
}

impl LeaderCompleteness {
    /// A client was told that a commit made this of a key.
    pub fn acknowledged(&mut self, key: usize, revision: Revision, value: Option<u64>) {
        self.keys
            .entry(key)
            .or_default()
            .commits
            .insert(revision, value);
        self.last = self.last.max(revision);
    }

    /// A delete is about to be committed.
    pub fn delete_begins(&mut self, key: usize) {
        self.keys.entry(key).or_default().open_deletes += 1;
    }

    /// It is known what became of a delete.
    pub fn delete_ended(&mut self, key: usize) {
        let key = self.keys.entry(key).or_default();
        key.open_deletes = key.open_deletes.saturating_sub(1);
    }

    /// How many commits were acknowledged.
    pub fn commits(&self) -> usize {
        self.keys.values().map(|key| key.commits.len()).sum()
    }

    /// Looks whether a process holds what was acknowledged, of what it has applied.
    pub fn observe(&self, process: &str, contents: &Contents) -> Result<(), Violation> {
        for (key, acknowledged) in &self.keys {
            let mut before = acknowledged.commits.range(..=contents.revision);
            let Some((&revision, &value)) = before.next_back() else {
                continue;
            };
            let held = contents.entries.get(*key).copied().flatten();
            let right = match (value, held) {
                (Some(value), Some(held)) if held.0 == revision => held.1 == value,
                (_, Some(held)) => held.0 > revision,
                (Some(_), None) => acknowledged.open_deletes > 0,
                (None, None) => true,
            };
            if !right {
                let what = format!(
                    "revision {revision} made {value:?} of key {key}, as a client was told, and {process} holds {held:?} \
                     at revision {}",
                    contents.revision
                );
                return Err(Violation::new(THEOREM, what));
            }
        }
        Ok(())
    }

    /// Looks, at the end, whether a process has applied all that was acknowledged.
    pub fn complete(&self, process: &str, contents: &Contents) -> Result<(), Violation> {
        if contents.revision < self.last {
            let what = format!(
                "{process} ends at revision {}, and {} was acknowledged",
                contents.revision, self.last
            );
            return Err(Violation::new(THEOREM, what));
        }
        self.observe(process, contents)
    }
}
