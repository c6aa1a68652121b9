//! [`UnsentHeads`]: heads of answers that their client has not taken, on the budget.
//!
//! A body counts until it is written. A head alone leaves nothing with hyper or `h2` that could count it, and they hold many: of
//! 256 streams, or 128 KiB of answers to requests that were sent ahead. So the heads are counted here, until the stream below
//! them takes bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use spindrift_memory::{Budget, Spent};

use super::heads::Kept;

/// What an answer takes beside its headers, in bytes: its place in hyper and `h2`.
const ANSWER_BYTES: usize = 512;

/// Heads of one connection's answers.
#[derive(Debug, Default)]
pub(crate) struct UnsentHeads {
    /// Those that are held, in bytes.
    bytes: AtomicUsize,
    /// Nothing where they are not counted.
    kept: Mutex<Option<Kept>>,
}

impl UnsentHeads {
    /// Has them counted on the budget `memory`.
    pub(crate) fn count_on(&self, memory: &Arc<Budget>) {
        *self.kept.lock() = Some(Kept::of_answers(memory));
    }

    /// Takes in an answer whose headers take so many bytes.
    pub(crate) fn add(&self, header_bytes: usize) -> Result<(), Spent> {
        self.change(|bytes| bytes + header_bytes + ANSWER_BYTES)
    }

    /// So many bytes were written.
    pub(crate) fn wrote(&self, bytes: usize) {
        if self.bytes.load(Ordering::Relaxed) > 0 {
            // Less has room.
            let _ = self.change(|held| held.saturating_sub(bytes));
        }
    }

    /// All of them have left.
    pub(crate) fn clear(&self) {
        self.wrote(usize::MAX);
    }

    /// Whether something is charged for them.
    pub(crate) fn is_charged(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
            && self.kept.lock().as_ref().is_some_and(Kept::is_charged)
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) -> Result<(), Spent> {
        let mut kept = self.kept.lock();
        let bytes = change(self.bytes.load(Ordering::Relaxed));
        self.bytes.store(bytes, Ordering::Relaxed);
        kept.as_mut().map_or(Ok(()), |kept| kept.set(bytes))
    }
}

#[cfg(test)]
mod tests {
    use spindrift_memory::Purpose;

    use super::*;

    #[test]
    fn heads_are_charged_until_they_have_left() {
        let budget = Budget::new(1 << 20);
        let leaving = UnsentHeads::default();
        leaving.count_on(&budget);
        for _ in 0..8 {
            leaving.add(300).expect("room");
        }
        assert_eq!(budget.used_bytes(), 0, "a few small ones");
        leaving.add(100_000).expect("room");
        let charged = budget.used_bytes_for(Purpose::Answers);
        assert!((100_000..300_000).contains(&charged), "{charged}");
        leaving.wrote(80_000);
        let left = budget.used_bytes();
        assert!((20_000..100_000).contains(&left), "{left}");
        assert!(leaving.is_charged());
        leaving.clear();
        assert_eq!((budget.used_bytes(), leaving.is_charged()), (0, false));
        leaving.add(100_000).expect("room");
        drop(leaving);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn heads_that_have_no_room_are_refused() {
        let budget = Budget::new(200_000);
        let leaving = UnsentHeads::default();
        leaving.count_on(&budget);
        leaving.add(30_000).expect("room");
        assert!(leaving.add(30_000).is_err());
        assert_eq!(budget.refusals_for(Purpose::Answers), 1);
    }
}
