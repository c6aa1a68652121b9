//! [`MinRate`]: how fast a client has to send, and to read. [`Meter`]: whether it does.

use std::time::Duration;

/// The least rate at which a client has to send its request's body, or to read what it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// How long a client has before its rate counts, and over how long it is measured then.
    pub grace: Duration,
}

/// Parts of the time over which a rate is measured: a client is found out so much later at most.
const TICKS: usize = 5;

impl MinRate {
    /// How often a `Meter` is to be told that time has passed.
    pub(crate) fn tick(&self) -> Duration {
        (self.grace / TICKS as u32).max(Duration::from_millis(1))
    }

    /// The least that has to move in the time over which the rate is measured, in bytes.
    fn least_bytes(&self) -> u64 {
        let bytes = self.bytes_per_second as f64 * self.grace.as_secs_f64();
        (bytes as u64).max(1)
    }
}

/// Measures how fast bytes move, over the last ticks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// What moved in each of the last ticks, in bytes.
    moved: [u64; TICKS],
    ticks: usize,
}

impl Meter {
    /// Takes in bytes that moved.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.moved[self.ticks % TICKS] += bytes;
    }

    /// Ends a tick. Says whether the bytes move too slowly: never within the grace and the first time that is measured.
    pub(crate) fn is_too_slow_at_tick(&mut self, rate: &MinRate) -> bool {
        let moved: u64 = self.moved.iter().sum();
        self.ticks += 1;
        self.moved[self.ticks % TICKS] = 0;
        self.ticks >= 2 * TICKS && moved < rate.least_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: MinRate = MinRate {
        bytes_per_second: 1000,
        grace: Duration::from_secs(5),
    };

    /// At which second a client is too slow that moves `bytes` in each of them, if it is within an hour.
    fn too_slow_at(bytes: impl Fn(usize) -> u64) -> Option<usize> {
        let mut meter = Meter::default();
        (1..=3600).find(|&second| {
            meter.count(bytes(second));
            meter.is_too_slow_at_tick(&RATE)
        })
    }

    #[test]
    fn one_that_sends_nothing_has_the_grace_and_the_time_that_is_measured() {
        assert_eq!(RATE.tick(), Duration::from_secs(1));
        assert_eq!(too_slow_at(|_| 0), Some(10));
        assert_eq!(too_slow_at(|_| 1), Some(10));
        assert_eq!(too_slow_at(|_| 999), Some(10));
    }

    #[test]
    fn one_that_keeps_the_rate_is_never_too_slow() {
        assert_eq!(too_slow_at(|_| 1000), None);
        // In bursts, as long as each window has enough.
        assert_eq!(
            too_slow_at(|second| if second % 5 == 0 { 5000 } else { 0 }),
            None
        );
    }

    #[test]
    fn the_grace_is_free_and_what_was_sent_before_does_not_last() {
        assert_eq!(
            too_slow_at(|second| if second > 5 { 1000 } else { 0 }),
            None
        );
        assert_eq!(
            too_slow_at(|second| if second <= 20 { 1_000_000 } else { 0 }),
            Some(25)
        );
    }
}
