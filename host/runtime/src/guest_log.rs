//! What guests print, as lines of the log, at no more than a rate.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use spindrift_failures::{FAILURES, Kind};

/// The target of events that are lines of guests.
pub const GUEST: &str = "guest";

/// A component that has printed nothing for this long may log at once what it may log in that time.
const BURST: Duration = Duration::from_secs(2);

/// A line counts as one for each of these bytes that it begins.
const BYTES_A_LINE: usize = 1024;

/// Lines that were not logged, by component.
static DROPPED: LazyLock<Family<ComponentLabels, Counter>> = LazyLock::new(Family::default);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: String,
}

/// Adds the count of lines that are missing in the log.
pub fn register_metrics(metrics: &mut Registry) {
    metrics.register(
        "guest_log_lines_dropped",
        "Lines that a component printed beyond --guest-log-rate, and that were not logged",
        DROPPED.clone(),
    );
}

/// A standard stream of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the lines of one component go, from all of its instances.
#[derive(Debug)]
pub struct GuestLog {
    component: Arc<str>,
    lines_a_second: NonZeroU32,
    dropped: Counter,
    /// When all lines so far would have been logged at the rate itself: the "theoretical arrival time" of the generic cell rate
    /// algorithm (ITU-T I.371).
    spent_until: Mutex<Instant>,
}

impl GuestLog {
    /// For the component of this id, which may log so many lines a second, each of up to a KiB.
    pub fn new(component: Arc<str>, lines_a_second: NonZeroU32) -> Self {
        let labels = ComponentLabels {
            component: component.to_string(),
        };
        Self {
            component,
            lines_a_second,
            dropped: DROPPED.get_or_create_owned(&labels),
            spent_until: Mutex::new(Instant::now()),
        }
    }

    /// Whether lines of guests are logged at all.
    pub fn is_wanted(&self) -> bool {
        tracing::enabled!(target: GUEST, tracing::Level::INFO)
    }

    /// Logs one line, without its line end, unless there are too many. Says whether it did.
    pub fn line(&self, stream: Stream, line: &[u8]) -> bool {
        let admitted = self.admits(line.len(), Instant::now());
        if admitted {
            let line = String::from_utf8_lossy(line);
            let (component, stream) = (&*self.component, stream.as_str());
            tracing::info!(target: GUEST, component, stream, "{line}");
        }
        admitted
    }

    /// Whether a line of so many bytes is within the rate. It counts then.
    fn admits(&self, bytes: usize, now: Instant) -> bool {
        let lines = bytes.div_ceil(BYTES_A_LINE).max(1);
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        let cost = (Duration::from_secs(1) / self.lines_a_second.get()).saturating_mul(lines);
        let mut spent_until = self.spent_until.lock();
        let begins = now.max(*spent_until);
        let admitted = begins < now + BURST;
        if admitted {
            *spent_until = begins + cost;
        }
        admitted
    }

    /// Takes in that so many lines were not logged. The log says so, now and then.
    pub(crate) fn note_dropped(&self, lines: u64) {
        self.dropped.inc_by(lines);
        if FAILURES.begins_with(Kind::GuestLines, &self.component, lines) {
            tracing::warn!(
                component = &*self.component,
                "the component prints more than {} lines a second, which is --guest-log-rate: its lines are dropped",
                self.lines_a_second
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(rate: u32) -> GuestLog {
        GuestLog::new("get".into(), NonZeroU32::new(rate).unwrap())
    }

    fn admitted(log: &GuestLog, bytes: usize, now: Instant) -> usize {
        (0..10_000).filter(|_| log.admits(bytes, now)).count()
    }

    #[test]
    fn a_burst_is_logged_and_then_the_rate() {
        let log = log(100);
        let start = Instant::now() + Duration::from_secs(1);
        assert_eq!(admitted(&log, 80, start), 200);
        for second in 1..10 {
            let now = start + Duration::from_secs(second);
            assert_eq!(admitted(&log, 80, now), 100, "{second}");
        }
        let later = start + Duration::from_secs(3600);
        assert_eq!(admitted(&log, 80, later), 200);
    }

    #[test]
    fn long_lines_count_more_and_even_the_longest_is_logged_at_the_least_rate() {
        let start = Instant::now() + Duration::from_secs(1);
        assert_eq!(admitted(&log(100), 1024, start), 200);
        assert_eq!(admitted(&log(100), 10 << 10, start), 20);
        assert_eq!(admitted(&log(1), 16 << 10, start), 1);
        assert_eq!(admitted(&log(u32::MAX), 16 << 10, start), 10_000);
    }

    #[test]
    fn components_are_held_to_it_one_by_one() {
        let (noisy, other) = (log(100), log(100));
        let start = Instant::now() + Duration::from_secs(1);
        admitted(&noisy, 80, start);
        assert!(!noisy.admits(80, start) && other.admits(80, start));
    }
}
