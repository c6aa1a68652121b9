//! State machine safety: nodes that have applied the same have the same, and every revision is one commit for all.

use std::collections::BTreeMap;

use spindrift_store::Revision;

use super::{Contents, Violation};

const THEOREM: &str = "state machine safety";

/// What was seen of every revision.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    /// What each commit wrote: a key, by its place, and a value. Clients write one key with each.
    commits: BTreeMap<Revision, (usize, u64)>,
    /// What the map held when it was at a revision, and where that was seen first.
    contents: BTreeMap<Revision, (String, Contents)>,
}

impl StateMachineSafety {
    /// Takes in what the map of a process holds.
    pub fn observe(&mut self, process: &str, contents: &Contents) -> Result<(), Violation> {
        for (key, entry) in contents.entries.iter().enumerate() {
            let Some((revision, value)) = *entry else {
                continue;
            };
            if revision > contents.revision {
                let what = format!(
                    "{process} is at revision {} and holds key {key} of revision {revision}",
                    contents.revision
                );
                return Err(Violation::new(THEOREM, what));
            }
            self.commit(process, revision, key, value)?;
        }
        let known = self.contents.entry(contents.revision);
        let (first, known) = known.or_insert_with(|| (process.to_owned(), contents.clone()));
        if known == contents {
            return Ok(());
        }
        let what =
            format!("at one revision, {first} held {known:?} and {process} holds {contents:?}");
        Err(Violation::new(THEOREM, what))
    }

    /// Takes in that, as `whence` has it, the commit with this revision wrote this.
    pub fn commit(
        &mut self,
        whence: &str,
        revision: Revision,
        key: usize,
        value: u64,
    ) -> Result<(), Violation> {
        let known = *self.commits.entry(revision).or_insert((key, value));
        if known == (key, value) {
            return Ok(());
        }
        let what = format!(
            "revision {revision} wrote key {} as {}, and, as {whence} has it, key {key} as {value}",
            known.0, known.1
        );
        Err(Violation::new(THEOREM, what))
    }
}
