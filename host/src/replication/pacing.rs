//! How many reads are waited for before the leader is asked: as many as the load offers, without making any read wait
//! long.
//!
//! A question costs the leader the same whether one read waits for it or a hundred. With one client, each read is asked
//! for at once. With many, the number that is waited for grows slowly while it is reached in time, and goes half-way back
//! to what came when it is not: additive increase and multiplicative decrease, as TCP does it (Chiu and Jain, 1989).

use std::time::Duration;

/// The longest that a read is made to wait for others. The clock of the event loop ticks in milliseconds.
pub const PATIENCE: Duration = Duration::from_millis(1);

/// The most reads that are waited for. With 32 clients on a node, twice as many made for fewer reads a second, and half as
/// many for more of the leader's CPU time for each.
const MAX: u32 = 32;

/// Questions in which the number was reached, after which it grows.
const REACHED_TO_GROW: u32 = 4;

/// How many reads to wait for.
#[derive(Debug)]
pub struct Pacing {
    wanted: u32,
    reached: u32,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            wanted: 1,
            reached: 0,
        }
    }
}

impl Pacing {
    /// How many reads should wait before the leader is asked.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted as usize
    }

    /// Takes in how many waited when it was asked.
    pub fn asked(&mut self, reads: usize) {
        if reads == 0 {
            return;
        }
        if reads < self.wanted() {
            let came = u32::try_from(reads).unwrap_or(MAX);
            self.wanted = (self.wanted + came).div_ceil(2).min(self.wanted - 1);
            self.reached = 0;
            return;
        }
        // A lone read is no sign that there would be more.
        if reads == 1 {
            return;
        }
        self.reached += 1;
        if self.reached == REACHED_TO_GROW {
            self.wanted = (self.wanted + 1).min(MAX);
            self.reached = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_client_never_waits_for_others() {
        let mut pacing = Pacing::default();
        for _ in 0..1000 {
            assert_eq!(pacing.wanted(), 1);
            pacing.asked(1);
        }
    }

    #[test]
    fn many_clients_are_waited_for_and_few_again_are_not() {
        let mut pacing = Pacing::default();
        for _ in 0..10_000 {
            pacing.asked(200);
        }
        assert_eq!(pacing.wanted(), MAX as usize);
        let mut stalls = 0;
        while pacing.wanted() > 1 {
            pacing.asked(1);
            stalls += 1;
        }
        assert!(stalls <= 8, "{stalls} reads were made to wait");
    }
}
