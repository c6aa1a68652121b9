//! [`Scheduling`]: that the thread which this runs on did not run for a while, and what kept it.
//!
//! Heartbeats go out and elections begin on the thread of replication. If it does not run, other nodes see a leader that is
//! silent, and it sees one itself. Linux says for each thread how long it has run and how long it has waited for a processor
//! (`/proc/thread-self/schedstat`, see the kernel's `Documentation/scheduler/sched-stats.rst`), which tells a machine that is
//! too busy from one that was paused.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Where Linux says it.
const SCHEDSTAT: &str = "/proc/thread-self/schedstat";

/// More than three numbers take.
const SCHEDSTAT_BYTES: usize = 100;

/// Wakes up in short intervals, and sees how late that is.
#[derive(Debug)]
pub struct Scheduling {
    interval: Duration,
    timer: Pin<Box<Sleep>>,
    /// What the thread has used. Where Linux is built without it, all delays are taken for standstills.
    schedstat: Option<File>,
    before: Used,
}

/// That the thread was late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// How late.
    pub late: Duration,
    /// What kept it.
    pub cause: Cause,
}

/// What kept a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Other threads had the processors.
    Processors,
    /// One piece of its own work.
    OwnWork,
    /// It was stopped, or waited for memory or a file, or its machine stood still.
    Standstill,
}

impl Cause {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Processors => "it waited for a processor, which others had",
            Self::OwnWork => "one piece of its own work took so long",
            Self::Standstill => {
                "it was stopped, or waited for memory or a file, or its machine stood still"
            }
        }
    }

    /// As a label of a metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Processors => "processors",
            Self::OwnWork => "own_work",
            Self::Standstill => "standstill",
        }
    }

    /// All of them.
    pub const ALL: [Self; 3] = [Self::Processors, Self::OwnWork, Self::Standstill];
}

/// What a thread has used since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    /// It ran for so long.
    ran: Duration,
    /// It could have run, and waited for a processor.
    waited: Duration,
}

impl Used {
    fn of(schedstat: &File) -> Option<Self> {
        let mut text = [0; SCHEDSTAT_BYTES];
        let length = schedstat.read_at(&mut text, 0).ok()?;
        Self::read(std::str::from_utf8(text.get(..length)?).ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut nanos = || Some(Duration::from_nanos(numbers.next()?.ok()?));
        Some(Self {
            ran: nanos()?,
            waited: nanos()?,
        })
    }

    /// What kept a thread that was `late`, and has used this since it was in time.
    fn kept(self, late: Duration) -> Cause {
        if self.waited >= late / 2 {
            Cause::Processors
        } else if self.ran >= late / 2 {
            Cause::OwnWork
        } else {
            Cause::Standstill
        }
    }
}

impl Scheduling {
    /// Looks each `interval`, on this thread.
    #[must_use]
    pub fn each(interval: Duration) -> Self {
        let schedstat = File::open(SCHEDSTAT).ok();
        Self {
            interval,
            timer: Box::pin(sleep_until(Instant::now() + interval)),
            before: schedstat.as_ref().and_then(Used::of).unwrap_or_default(),
            schedstat,
        }
    }

    /// Waits until the next look, and says how late it is: what is below a millisecond is the timer's own.
    ///
    /// Nothing is lost where it is dropped before it has ended.
    pub async fn look(&mut self) -> Delay {
        self.timer.as_mut().await;
        let now = Instant::now();
        let late = now.saturating_duration_since(self.timer.deadline());
        self.timer.as_mut().reset(now + self.interval);
        let used = self.schedstat.as_ref().and_then(Used::of);
        let used = used.unwrap_or(self.before);
        let since = Used {
            ran: used.ran.saturating_sub(self.before.ran),
            waited: used.waited.saturating_sub(self.before.waited),
        };
        self.before = used;
        Delay {
            late,
            cause: since.kept(late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_the_kernel_says_is_read() {
        let used = Used::read("105245000 2366604000 2\n").expect("three numbers");
        assert_eq!(used.ran, Duration::from_micros(105_245));
        assert_eq!(used.waited, Duration::from_micros(2_366_604));
        assert_eq!(Used::read(""), None);
        assert_eq!(Used::read("1 x 2"), None);
        let own = File::open(SCHEDSTAT).expect("this system says it");
        assert!(Used::of(&own).is_some());
    }

    #[test]
    fn what_took_most_of_the_delay_is_its_cause() {
        let kept = |ran, waited| {
            Used {
                ran: ms(ran),
                waited: ms(waited),
            }
            .kept(ms(400))
        };
        assert_eq!(kept(10, 390), Cause::Processors);
        assert_eq!(kept(390, 10), Cause::OwnWork);
        assert_eq!(kept(3, 2), Cause::Standstill);
    }

    #[tokio::test]
    async fn work_that_keeps_the_thread_shows_as_a_delay() {
        let mut scheduling = Scheduling::each(ms(10));
        scheduling.look().await;
        let began = Instant::now();
        while began.elapsed() < ms(200) {
            std::hint::spin_loop();
        }
        let delay = scheduling.look().await;
        assert!(delay.late >= ms(180), "{delay:?}");
        assert_ne!(delay.cause, Cause::Standstill);
        std::thread::sleep(ms(200));
        let delay = scheduling.look().await;
        assert!(delay.late >= ms(180), "{delay:?}");
        assert_ne!(delay.cause, Cause::OwnWork);
    }
}
