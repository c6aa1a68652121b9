//! How many reads are waited for before the leader is asked: none while few come, and under load about as many as come in
//! time.
//!
//! A question costs the leader the same whether one read waits for it or a hundred. Reads that arrive while one is under
//! way share the next, which is enough while they are few: to wait for more would make all of them later to spare a leader
//! that has little to do. Once many arrive meanwhile, a number of them is waited for. It grows while it is reached in time,
//! and goes half-way back to what came when it is not: additive increase and multiplicative decrease, as TCP does it (Chiu
//! and Jain, 1989). A number that was not reached has cost a wait, so it is tried again ever more rarely, until more come
//! than are waited for.

use std::time::Duration;

/// The longest that a read is made to wait for others. The clock of the event loop ticks in milliseconds.
pub const PATIENCE: Duration = Duration::from_millis(1);

/// Fewer reads than this are never waited for. Two clients of a follower, each with one request at a time, got a quarter of
/// the answers when they were, and eight a third.
const LEAST: u32 = 8;

/// The most reads that are waited for. With 32 clients on a node, twice as many made for fewer reads a second, and half as
/// many for more of the leader's CPU time for each.
const MAX: u32 = 32;

/// Questions in which the number was reached, after which it grows, unless growing has failed before.
const REACHED_TO_GROW: u32 = 4;

/// The same, however often growing has failed.
const MAX_REACHED_TO_GROW: u32 = 1024;

/// How many reads to wait for.
#[derive(Debug)]
pub struct Pacing {
    wanted: u32,
    reached: u32,
    reached_to_grow: u32,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            wanted: 1,
            reached: 0,
            reached_to_grow: REACHED_TO_GROW,
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
        let reads = u32::try_from(reads).unwrap_or(MAX);
        if reads < self.wanted {
            self.missed(reads);
        } else if reads >= LEAST {
            self.reached(reads);
        }
    }

    fn missed(&mut self, reads: u32) {
        let half_way = (self.wanted + reads).div_ceil(2).min(self.wanted - 1);
        self.wanted = if half_way < LEAST { 1 } else { half_way };
        self.reached = 0;
        self.reached_to_grow = (self.reached_to_grow * 2).min(MAX_REACHED_TO_GROW);
    }

    fn reached(&mut self, reads: u32) {
        if self.wanted > 1 && reads > self.wanted {
            // There are more for certain. Where none are waited for, as many may come by chance.
            self.reached_to_grow = REACHED_TO_GROW;
        }
        self.reached += 1;
        if self.reached >= self.reached_to_grow {
            self.wanted = (self.wanted + 1).clamp(LEAST, MAX);
            self.reached = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `clients`, each of whom asks again once it has an answer, ask so often. Gives how often they were waited for in
    /// vain.
    fn ask(pacing: &mut Pacing, clients: usize, questions: usize) -> usize {
        let mut stalls = 0;
        for _ in 0..questions {
            stalls += usize::from(clients < pacing.wanted());
            pacing.asked(clients);
        }
        stalls
    }

    #[test]
    fn few_clients_are_never_waited_for() {
        let mut pacing = Pacing::default();
        for clients in 1..LEAST as usize {
            assert_eq!(ask(&mut pacing, clients, 1000), 0, "{clients} clients");
            assert_eq!(pacing.wanted(), 1);
        }
    }

    #[test]
    fn many_clients_are_waited_for_and_few_again_are_not() {
        let mut pacing = Pacing::default();
        assert_eq!(ask(&mut pacing, 200, 10_000), 0);
        assert_eq!(pacing.wanted(), MAX as usize);
        let stalls = ask(&mut pacing, 1, 1000);
        assert!(stalls <= 4, "reads were made to wait {stalls} times");
        assert_eq!(pacing.wanted(), 1);
    }

    #[test]
    fn as_many_are_waited_for_as_there_are_and_more_but_rarely() {
        for clients in [8, 9, 12, 20, 31] {
            let mut pacing = Pacing::default();
            let stalls = ask(&mut pacing, clients, 10_000);
            assert!((1..=20).contains(&stalls), "{clients} clients: {stalls}");
            assert!(pacing.wanted().abs_diff(clients) <= 1, "{pacing:?}");
        }
    }

    #[test]
    fn clients_that_come_together_by_chance_are_waited_for_but_rarely() {
        let mut pacing = Pacing::default();
        let mut stalls = 0;
        for question in 0..10_000 {
            stalls += ask(&mut pacing, if question % 8 < 5 { 8 } else { 6 }, 1);
        }
        assert!(stalls <= 20, "{stalls}");
    }

    #[test]
    fn more_clients_than_before_are_found_out_soon() {
        let mut pacing = Pacing::default();
        ask(&mut pacing, 10, 10_000);
        ask(&mut pacing, 30, 200);
        assert!(pacing.wanted() >= 30, "{pacing:?}");
    }
}
