//! [`Claim`], [`Caller`], [`Pledge`] and [`Verdict`]: whether a process may form a new cluster.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a process says that would form a new cluster.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The id that the new cluster would have, 32 hexadecimal digits; the same each time that a process asks.
    pub cluster: String,
    /// How long the process has looked for a cluster.
    pub looked_for: Duration,
    /// The peers that have answered, since the process asked last, that they belong to no cluster. Others did not answer, or
    /// have given their [`Pledge`]: they may be members of one.
    pub without_cluster: BTreeSet<String>,
    /// The process's own, the same each time that it asks.
    pub pledge: Pledge,
    /// The nodes of clusters that look for a member at this process's address.
    pub callers: Vec<Caller>,
}

/// A node that takes this process for a member of its cluster: the process that was at this address before was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The cluster's id, 32 hexadecimal digits.
    pub cluster: String,
    /// Where the node is reached, `host:port`.
    pub address: String,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, address } = self;
        write!(
            f,
            "nodes of cluster {cluster}, the one at {address} among them, look for a member at this node's address, so there \
             was one before"
        )
    }
}

/// A process's promise that it may be forming a cluster at this moment. While it is given, the process answers nobody that it
/// belongs to no cluster: whoever heard that could form another one.
///
/// The source gives it before it takes the step after which this process alone may form a cluster, and withdraws it with
/// every [`Verdict::Wait`]. After [`Verdict::Form`] it stays given.
#[derive(Clone, Debug, Default)]
pub struct Pledge(Arc<AtomicBool>);

impl Pledge {
    /// Whether it is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Gives it, until the answer is dropped without having been [kept](Given::keep).
    #[must_use]
    pub fn give(&self) -> Given<'_> {
        self.0.store(true, Ordering::SeqCst);
        Given(self)
    }
}

/// A [`Pledge`] that is withdrawn when this is dropped.
#[derive(Debug)]
pub struct Given<'a>(&'a Pledge);

impl Given<'_> {
    /// Lets the pledge stay given for ever.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::SeqCst);
    }
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
