//! [`Silence`]: for how long the leader was silent.
//!
//! The time in which this process did not run is no silence of the leader: what the leader has sent meanwhile waits in a
//! socket, or the leader did not run either, as when their machine is paused or its processors are busy. openraft counts that
//! time, and finds at once when it runs again that the leader was silent for too long. So a node that did not run waits until
//! it has listened for as long as openraft would let a silent leader have, and promises its vote (pre-vote) to nobody before
//! it has listened for its vote lease.
//!
//! It makes the time-out longer and never shorter, which is what lease reads allow, see
//! [`vote_lease`](crate::vote_lease): they rely on a follower that votes for nobody else for its lease, and one
//! that stands for election or votes later does that too. And it stays bounded: a node that hardly ever runs waits no longer
//! than [`MAX_WAITS`] of these times.

use std::time::Duration;

use tokio::time::Instant;

/// Time-outs that a node which goes on not to run waits at most, since it ran again for the first time.
const MAX_WAITS: u32 = 3;

/// What a follower has heard of its leader.
#[derive(Debug)]
pub struct Silence {
    /// When it heard the leader.
    since: Instant,
    /// How long it has not run since then.
    not_run: Duration,
    /// When it ran again for the first time since then.
    ran_again: Option<Instant>,
}

impl Silence {
    /// From now on.
    #[must_use]
    pub fn begins() -> Self {
        Self {
            since: Instant::now(),
            not_run: Duration::ZERO,
            ran_again: None,
        }
    }

    /// This process did not run for `duration`, until now.
    pub fn did_not_run(&mut self, duration: Duration) {
        // The leader may have been heard already since.
        let silent = self.lasts();
        self.not_run = (self.not_run + duration).min(silent);
        self.ran_again.get_or_insert_with(Instant::now);
    }

    /// How long it has lasted.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.since.elapsed()
    }

    /// How much of it this process did not run.
    #[must_use]
    pub fn not_run(&self) -> Duration {
        self.not_run
    }

    /// Whether this process did not run for a part of it, and has not listened for `timeout` in the rest.
    #[must_use]
    pub fn is_unproven(&self, timeout: Duration) -> bool {
        let Some(ran_again) = self.ran_again else {
            return false;
        };
        let listened = self.lasts().saturating_sub(self.not_run);
        listened < timeout && ran_again.elapsed() < timeout * MAX_WAITS
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(450);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_always_ran_is_not_kept_from_anything() {
        let silence = Silence::begins();
        assert!(!silence.is_unproven(TIMEOUT));
        advance(ms(10_000)).await;
        assert!(!silence.is_unproven(TIMEOUT));
        assert_eq!(silence.lasts(), ms(10_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_it_did_not_run_is_no_silence() {
        let mut silence = Silence::begins();
        advance(ms(40 + 700)).await;
        silence.did_not_run(ms(700));
        advance(ms(409)).await;
        assert!(silence.is_unproven(TIMEOUT));
        assert_eq!(silence.not_run(), ms(700));
        advance(ms(1)).await;
        assert!(!silence.is_unproven(TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_hardly_runs_does_not_wait_without_end() {
        let mut silence = Silence::begins();
        let mut waited = Duration::ZERO;
        loop {
            advance(ms(100)).await;
            silence.did_not_run(ms(95));
            if !silence.is_unproven(TIMEOUT) {
                break;
            }
            waited += ms(100);
            assert!(waited <= TIMEOUT * (MAX_WAITS + 1), "{waited:?}");
        }
        assert!(waited > TIMEOUT, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_was_heard_first_is_not_silent() {
        advance(ms(5000)).await;
        let mut silence = Silence::begins();
        silence.did_not_run(ms(5000));
        assert_eq!(silence.not_run(), Duration::ZERO);
    }
}
