//! Failures that come again and again: the first of a kind is logged in full, and then how many there were.
//!
//! What fails for one request fails for thousands a second when there is no leader, or a component is broken, and a line for
//! each would bury everything else and fill a disk. A kind of failure, of one component where it has one, is a *state* that
//! begins with a failure and ends when there has been none for [`QUIET`]. Its beginning is logged with all that is known of
//! that failure, at the level of the failure; every [`INTERVAL`] that it lasts there is a line that says how many more there
//! were, and its end is one with how many in all. Every single one is logged at the level `debug`.
//!
//! Layers that limit the rate of events, such as `tracing-throttle`, tell events apart by their text and fields, of which each
//! request has its own, and know no end of a state.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Kind;

/// How often it is said that a state lasts.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long there is no failure when a state has ended.
const QUIET: Duration = Duration::from_secs(5);

/// States at a time, at most. Beyond them, a failure counts for its kind alone, whatever it is a failure of.
const MAX_STATES: usize = 256;

/// The states of this process.
pub static FAILURES: LazyLock<Failures> = LazyLock::new(Failures::default);

/// States that last.
#[derive(Debug, Default)]
pub struct Failures {
    states: Mutex<BTreeMap<(Kind, Box<str>), State>>,
    /// Told when a state begins.
    begun: Notify,
}

#[derive(Debug)]
struct State {
    since: Instant,
    last: Instant,
    total: u64,
    /// Up to when failures have been told, and how many there were since.
    told: Instant,
    untold: u64,
}

impl State {
    /// When there is something to say of it, if nothing more happens.
    fn due(&self) -> Instant {
        (self.last + QUIET).min(self.told + INTERVAL)
    }
}

/// Something to say of a state.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    kind: Kind,
    component: Box<str>,
    /// Failures since the last line.
    more: u64,
    total: u64,
    lasted: Duration,
    ended: bool,
}

impl Failures {
    /// Takes in a failure of `kind`, of `component` where it is one's, and says whether a state begins with it: then it is
    /// to be logged in full.
    pub fn begins(&self, kind: Kind, component: &str) -> bool {
        self.begins_with(kind, component, 1)
    }

    /// As [`Failures::begins`], for so many at once.
    pub fn begins_with(&self, kind: Kind, component: &str, count: u64) -> bool {
        self.begins_at(kind, component, count, Instant::now())
    }

    fn begins_at(&self, kind: Kind, component: &str, count: u64, now: Instant) -> bool {
        let mut states = self.states.lock();
        let full = states.len() >= MAX_STATES;
        let mut key = (kind, Box::from(component));
        if full && !states.contains_key(&key) {
            key.1 = Box::default();
        }
        if let Some(state) = states.get_mut(&key) {
            state.total += count;
            state.untold += count;
            state.last = now;
            return false;
        }
        let state = State {
            since: now,
            last: now,
            total: count,
            told: now,
            untold: count.saturating_sub(1),
        };
        states.insert(key, state);
        drop(states);
        self.begun.notify_one();
        true
    }

    /// What there is to say by now, and when there is more to say if nothing more happens.
    fn due(&self, now: Instant) -> (Vec<Report>, Option<Instant>) {
        let mut reports = Vec::new();
        let mut states = self.states.lock();
        states.retain(|(kind, component), state| {
            if state.due() > now {
                return true;
            }
            let ended = state.last + QUIET <= now;
            // A failure that stands alone was logged in full, and is no state that could end.
            if state.total > 1 && (ended || state.untold > 0) {
                reports.push(Report {
                    kind: *kind,
                    component: component.clone(),
                    more: state.untold,
                    total: state.total,
                    lasted: state.last - state.since,
                    ended,
                });
            }
            state.told = now;
            state.untold = 0;
            !ended
        });
        let next = states.values().map(State::due).min();
        (reports, next)
    }

    /// Logs what there is to say of states, for as long as it is polled. Never ends.
    pub async fn report(&self) {
        loop {
            let (reports, next) = self.due(Instant::now());
            reports.iter().for_each(Report::log);
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.begun.notified() => {}
            }
        }
    }

    /// Ends all states, and logs how many failures of each there were: for a process that ends.
    pub fn end(&self) {
        let states = std::mem::take(&mut *self.states.lock());
        for ((kind, component), state) in states {
            if state.untold > 0 {
                let report = Report {
                    kind,
                    component,
                    more: state.untold,
                    total: state.total,
                    lasted: state.last - state.since,
                    ended: true,
                };
                report.log();
            }
        }
    }
}

impl Report {
    fn log(&self) {
        let component = (!self.component.is_empty()).then_some(&*self.component);
        let Self {
            kind, more, total, ..
        } = self;
        let lasted = self.lasted.as_secs_f32();
        if *kind == Kind::GuestLines {
            tracing::warn!(
                component,
                count = more,
                total,
                "{total} lines dropped in {lasted:.1} s, {more} since this was last logged: the component prints more than \
                 --guest-log-rate allows"
            );
            return;
        }
        let kind = kind.as_str();
        if self.ended {
            tracing::warn!(
                component,
                count = more,
                total,
                "no more {kind}: {total} in {lasted:.1} s"
            );
        } else {
            tracing::warn!(
                component,
                count = more,
                total,
                "{kind}: {more} more, {total} in {lasted:.1} s; the log level debug has a line for each"
            );
        }
    }
}

/// Logs a failure of a [`Kind`], of a component or of none (`""`), as `tracing::event!` would: at this level where a state
/// begins with it, else at `debug`.
#[macro_export]
macro_rules! log_failure {
    ($level:ident, $kind:expr, $component:expr, $($event:tt)+) => {
        if $crate::FAILURES.begins($kind, $component) {
            tracing::event!(tracing::Level::$level, $($event)+);
        } else {
            tracing::event!(tracing::Level::DEBUG, $($event)+);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Lets a second pass `count` times, with so many failures in each, and gives what is said meanwhile.
    fn fail(failures: &Failures, from: Instant, count: u64, each: u64) -> (u64, Vec<Report>) {
        let (mut begun, mut reports) = (0, Vec::new());
        for second in 0..count {
            let now = from + seconds(second);
            for _ in 0..each {
                begun += u64::from(failures.begins_at(Kind::Traps, "put", 1, now));
            }
            reports.extend(failures.due(now).0);
        }
        (begun, reports)
    }

    #[test]
    fn a_state_is_a_line_when_it_begins_one_each_interval_and_one_when_it_ends() {
        let failures = Failures::default();
        let start = Instant::now();
        let (begun, reports) = fail(&failures, start, 35, 1000);
        assert_eq!(begun, 1);
        let counts: Vec<_> = reports
            .iter()
            .map(|report| (report.more, report.total, report.ended))
            .collect();
        assert_eq!(
            counts,
            [
                (10_999, 11_000, false),
                (10_000, 21_000, false),
                (10_000, 31_000, false)
            ]
        );
        let (_, reports) = fail(&failures, start + seconds(35), 60, 0);
        let ended = Report {
            kind: Kind::Traps,
            component: "put".into(),
            more: 4000,
            total: 35_000,
            lasted: seconds(34),
            ended: true,
        };
        assert_eq!(reports, [ended]);
        assert_eq!(failures.due(start + seconds(100)), (Vec::new(), None));
        let (begun, _) = fail(&failures, start + seconds(100), 1, 1);
        assert_eq!(begun, 1, "the next one begins anew");
    }

    #[test]
    fn a_failure_that_stands_alone_is_one_line() {
        let failures = Failures::default();
        let start = Instant::now();
        for minute in 0..10 {
            let now = start + seconds(60 * minute);
            let (begun, reports) = fail(&failures, now, 1, 1);
            let (_, later) = fail(&failures, now + seconds(1), 50, 0);
            assert_eq!((begun, reports, later), (1, vec![], vec![]));
        }
    }

    #[test]
    fn kinds_and_components_are_told_apart_up_to_a_bound() {
        let failures = Failures::default();
        let now = Instant::now();
        assert!(failures.begins_at(Kind::Traps, "get", 1, now));
        assert!(failures.begins_at(Kind::Traps, "put", 1, now));
        assert!(failures.begins_at(Kind::Timeouts, "put", 1, now));
        assert!(!failures.begins_at(Kind::Traps, "put", 1, now));
        let begun = (0..10_000)
            .filter(|number| failures.begins_at(Kind::Traps, &number.to_string(), 1, now))
            .count();
        assert!(begun <= MAX_STATES, "{begun}");
        assert!(failures.states.lock().len() <= MAX_STATES + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn states_are_reported_when_they_are_due() {
        let failures = Failures::default();
        let report = failures.report();
        tokio::pin!(report);
        let start = Instant::now();
        let states = || failures.states.lock().len();
        let used = async {
            tokio::time::sleep(seconds(100)).await;
            failures.begins(Kind::Traps, "put");
            failures.begins(Kind::Traps, "put");
            tokio::time::sleep(seconds(4)).await;
            assert_eq!(states(), 1);
            tokio::time::sleep(seconds(2)).await;
            assert_eq!(states(), 0);
        };
        tokio::select! {
            () = &mut report => unreachable!("it never ends"),
            () = used => {}
        }
        assert_eq!(start.elapsed(), seconds(106));
    }
}
