//! [`Claim`] and [`Verdict`]: whether a process may form a new cluster.

use std::collections::BTreeSet;
use std::time::Duration;

/// What a process says that would form a new cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The id that the new cluster would have, 32 hexadecimal digits; the same each time that a process asks.
    pub cluster: String,
    /// How long the process has looked for a cluster.
    pub looked_for: Duration,
    /// The peers that have just answered that they belong to no cluster. Others did not answer: they may be members of one.
    pub without_cluster: BTreeSet<String>,
}

/// What a source answers to a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This process forms the cluster, now.
    Form,
    /// It goes on looking, and may ask again.
    Wait {
        /// Why, as a sentence for the log; empty where that is nothing out of the ordinary.
        reason: String,
    },
}
