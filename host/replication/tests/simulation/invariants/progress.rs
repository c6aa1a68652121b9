//! Progress: while a majority of those who hold the data lives, a cluster that is healed serves again, on every node,
//! within bounded time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Violation;

const THEOREM: &str = "progress";

/// How long a cluster may take, from when all is healed until every node has committed something and all are at the same
/// revision: a node that is leaving gives up after 9 s, one that was removed asks after 2 s, and a connection that has
/// died is noticed after 3 s.
pub const WITHIN: Duration = Duration::from_secs(30);

/// Who has committed something since all was healed.
#[derive(Debug, Default)]
pub struct Progress(BTreeSet<String>);

impl Progress {
    /// A process has.
    pub fn made(&mut self, process: &str) {
        self.0.insert(process.to_owned());
    }

    /// Whether a process has.
    pub fn has_made(&self, process: &str) -> bool {
        self.0.contains(process)
    }

    /// Too much time has passed.
    pub fn missing(what: &str) -> Violation {
        Violation::new(THEOREM, format!("{WITHIN:?} after all was healed, {what}"))
    }

    /// How long it may take.
    pub fn within() -> Duration {
        WITHIN
    }
}
