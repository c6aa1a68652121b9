//! [`Trace`]: all that is seen of a run as one number, which tells two runs apart that differ anywhere.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A fingerprint of what has happened so far, in its order.
#[derive(Clone, Debug, Default)]
pub struct Trace(DefaultHasher);

impl Trace {
    /// Something happened.
    pub fn note(&mut self, what: impl Hash) {
        what.hash(&mut self.0);
    }

    /// The number.
    pub fn fingerprint(&self) -> u64 {
        self.0.finish()
    }
}
