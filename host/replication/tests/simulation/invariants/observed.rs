//! What can be seen of a process, and what is said where it cannot be.

use std::fmt;

use serde::{Deserialize, Serialize};
use spindrift_replication::Published;
use spindrift_store::Revision;

/// What a process shows of itself at one moment.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The process.
    pub process: &'a str,
    /// What it publishes.
    pub published: Published,
    /// What its map holds; nothing where that is what it was when it was last seen.
    pub contents: Option<Contents>,
}

/// What the map of a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contents {
    /// The revision that the map is at.
    pub revision: Revision,
    /// Of each key that clients use, in their order: the revision that wrote it, and its value.
    pub entries: Vec<Option<(Revision, u64)>>,
    /// How many keys there are in all.
    pub count: u64,
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which theorem it violates.
    pub theorem: String,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// Of this theorem.
    pub fn new(theorem: &str, what: impl Into<String>) -> Self {
        let (theorem, what) = (theorem.to_owned(), what.into());
        Self { theorem, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.theorem, self.what)
    }
}
