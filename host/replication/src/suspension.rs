//! Whether the machine was suspended. Linux's `CLOCK_MONOTONIC`, by which leases are measured, stands still meanwhile, and
//! `CLOCK_BOOTTIME` goes on: how far the second is ahead of the first is for how long the machine was suspended since it
//! started (`clock_gettime(2)`).
//!
//! A machine that its hypervisor pauses may show nothing of it on either clock. Nothing here can find that out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How far the clocks may move apart before it counts. They are read one after the other, so they never agree wholly.
pub const TOLERANCE: Duration = Duration::from_millis(1);

/// Times that the clocks are read again where they seem to have moved apart: this thread may have had to wait between
/// reading one and the other.
const READINGS: usize = 3;

/// For how long the machine was suspended since it started. Clones share the clocks.
#[derive(Clone)]
pub struct SuspendedFor(Arc<dyn Fn() -> Duration + Send + Sync>);

impl fmt::Debug for SuspendedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SuspendedFor")
    }
}

impl Default for SuspendedFor {
    fn default() -> Self {
        Self::new(of_this_machine)
    }
}

impl SuspendedFor {
    /// By other clocks than those of the machine. What they say may be too much now and then, but never too little.
    pub fn new(clocks: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(clocks))
    }

    /// Until now. It may be too much where this thread had to wait, but never too little.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.0)()
    }

    /// For how long it was suspended after it had been for `before`; nothing where that is within [`TOLERANCE`].
    #[must_use]
    pub fn since(&self, before: Duration) -> Option<Duration> {
        let grown = || self.now().saturating_sub(before);
        let mut least = grown();
        for _ in 1..READINGS {
            if least <= TOLERANCE {
                return None;
            }
            least = least.min(grown());
        }
        (least > TOLERANCE).then_some(least)
    }
}

fn of_this_machine() -> Duration {
    let time = |clock| clock_gettime(clock).map(Duration::from);
    // In this order: what passes between them counts as a suspension, and does not hide one.
    let monotonic = time(ClockId::CLOCK_MONOTONIC);
    let boot = time(ClockId::CLOCK_BOOTTIME);
    match (monotonic, boot) {
        (Ok(monotonic), Ok(boot)) => boot.saturating_sub(monotonic),
        // Every Linux that this program runs on has both. Were one missing, nothing could be found out.
        _ => Duration::ZERO,
    }
}

/// Notices suspensions. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Suspensions {
    suspended_for: SuspendedFor,
    noticed: Arc<Mutex<Noticed>>,
}

#[derive(Debug)]
struct Noticed {
    /// For how long the machine had been suspended when the last one was noticed.
    before: Duration,
    /// When that was.
    last: Option<Instant>,
}

impl Suspensions {
    /// Notices what happens from now on.
    #[must_use]
    pub fn new(suspended_for: SuspendedFor) -> Self {
        let noticed = Noticed {
            before: suspended_for.now(),
            last: None,
        };
        Self {
            suspended_for,
            noticed: Arc::new(Mutex::new(noticed)),
        }
    }

    /// How long ago the last suspension was noticed: it was over by then. Nothing where there was none.
    ///
    /// It is noticed here, so the first one who asks after a suspension is told that it was just now.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        let mut noticed = self.noticed.lock();
        let now = self.suspended_for.now();
        // One reading was too much, or it was the first.
        noticed.before = noticed.before.min(now);
        if let Some(suspended) = self.suspended_for.since(noticed.before) {
            noticed.before = noticed.before.saturating_add(suspended);
            noticed.last = Some(Instant::now());
            tracing::info!(
                ms = u64::try_from(suspended.as_millis()).unwrap_or(u64::MAX),
                "this machine was suspended: reads ask a majority again"
            );
        }
        noticed.last.map(|last| last.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn set(millis: &Arc<AtomicU64>) -> SuspendedFor {
        let millis = millis.clone();
        SuspendedFor::new(move || Duration::from_millis(millis.load(Ordering::Relaxed)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspension_is_noticed_once_and_grows_old() {
        let millis = Arc::new(AtomicU64::new(5000));
        let suspensions = Suspensions::new(set(&millis));
        assert_eq!(suspensions.last(), None, "what was before does not count");
        millis.fetch_add(1, Ordering::Relaxed);
        assert_eq!(
            suspensions.last(),
            None,
            "the clocks are never read at once"
        );
        millis.fetch_add(1, Ordering::Relaxed);
        assert_eq!(suspensions.last(), Some(Duration::ZERO), "but it adds up");
        tokio::time::advance(Duration::from_millis(70)).await;
        assert_eq!(suspensions.last(), Some(Duration::from_millis(70)));
        millis.fetch_add(60_000, Ordering::Relaxed);
        assert_eq!(suspensions.last(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_had_to_wait_between_the_clocks_hides_nothing() {
        let millis = Arc::new(AtomicU64::new(0));
        let suspensions = Suspensions::new(set(&millis));
        // It waited at each reading.
        millis.store(300, Ordering::Relaxed);
        assert_eq!(suspensions.last(), Some(Duration::ZERO));
        millis.store(0, Ordering::Relaxed);
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(suspensions.last(), Some(Duration::from_millis(10)));
        millis.store(200, Ordering::Relaxed);
        assert_eq!(suspensions.last(), Some(Duration::ZERO), "less than before");
    }

    #[test]
    fn this_machine_has_both_clocks() {
        let suspended_for = SuspendedFor::default();
        let before = suspended_for.now();
        // Not suspended meanwhile, or this test is told to expect it.
        assert_eq!(suspended_for.since(before), None);
    }
}
