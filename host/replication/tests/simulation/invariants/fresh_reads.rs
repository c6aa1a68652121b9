//! Fresh reads: a linearizable read sees every commit that anybody had been told of, or had read, when it began.
//!
//! With state machine safety this is linearizability: reads are of one sequence of states, and never of an older one than
//! somebody has seen.

use spindrift_store::Revision;

use super::Violation;

const THEOREM: &str = "fresh reads";

/// What clients know of.
#[derive(Debug, Default)]
pub struct FreshReads {
    known: Revision,
}

impl FreshReads {
    /// What a read that begins now has to see.
    pub fn floor(&self) -> Revision {
        self.known
    }

    /// A client has been told of a commit.
    pub fn acknowledged(&mut self, revision: Revision) {
        self.known = self.known.max(revision);
    }

    /// A read that began when `floor` was known was answered from a map at `revision`.
    pub fn read(
        &mut self,
        process: &str,
        floor: Revision,
        revision: Revision,
    ) -> Result<(), Violation> {
        if revision < floor {
            let what = format!(
                "{process} answered a linearizable read from revision {revision}, and a client knew of {floor} before \
                 the read began"
            );
            return Err(Violation::new(THEOREM, what));
        }
        self.known = self.known.max(revision);
        Ok(())
    }
}
