//! [`Keys`]: the keys in use. Few at a time, so that clients meet on them; each for some hundreds of operations only, so
//! that the checker can search every one to the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng, RngExt};

/// Operations on one key, at most.
const OPERATIONS: u32 = 250;
/// Operations of unknown outcome on one key, at most: each of them doubles what the checker may have to try.
const UNKNOWN: u32 = 8;

/// The keys in use, and those that were. Clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Mutex<State>>);

struct State {
    in_use: Vec<Used>,
    made: u32,
    retired: Vec<String>,
}

struct Used {
    key: String,
    operations: u32,
    unknown: u32,
}

impl Keys {
    /// So many keys at a time.
    pub fn new(at_a_time: u32) -> Self {
        let in_use = (0..at_a_time).map(Used::new).collect();
        Keys(Arc::new(Mutex::new(State {
            in_use,
            made: at_a_time,
            retired: Vec::new(),
        })))
    }

    /// One of them, for one operation.
    pub fn pick(&self, random: &mut impl Rng) -> String {
        let mut state = self.state();
        let slot = random.random_range(0..state.in_use.len());
        let used = &mut state.in_use[slot];
        used.operations += 1;
        let key = used.key.clone();
        if used.operations >= OPERATIONS {
            state.replace(slot);
        }
        key
    }

    /// Notes that it is not known what became of an operation on a key.
    pub fn unknown(&self, key: &str) {
        let mut state = self.state();
        let Some(slot) = state.in_use.iter().position(|used| used.key == key) else {
            return;
        };
        state.in_use[slot].unknown += 1;
        if state.in_use[slot].unknown >= UNKNOWN {
            state.replace(slot);
        }
    }

    /// All that were ever in use.
    pub fn all(&self) -> Vec<String> {
        let state = self.state();
        let in_use = state.in_use.iter().map(|used| used.key.clone());
        state.retired.iter().cloned().chain(in_use).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn replace(&mut self, slot: usize) {
        let next = Used::new(self.made);
        self.made += 1;
        let last = std::mem::replace(&mut self.in_use[slot], next);
        self.retired.push(last.key);
    }
}

impl Used {
    fn new(number: u32) -> Self {
        Used {
            key: format!("key-{number}"),
            operations: 0,
            unknown: 0,
        }
    }
}
