//! [`AtomicInstant`]: when something happened on a connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A moment of a connection, in microseconds since it was accepted, plus one. Zero stands for none.
#[derive(Debug, Default)]
pub(crate) struct AtomicInstant(AtomicU64);

impl AtomicInstant {
    /// Sets it.
    pub(crate) fn set(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX - 1);
        self.0.store(micros + 1, Ordering::Relaxed);
    }

    /// Sets it to none.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// How long it was after the connection was accepted, if it is set.
    pub(crate) fn get(&self) -> Option<Duration> {
        let micros = self.0.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(micros))
    }
}
