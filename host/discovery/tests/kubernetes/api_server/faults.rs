//! What goes wrong: at once, once, or by chance from a seed.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::request::Call;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, and not done.
    Status(u16),
    /// The connection ends, and it is not done.
    LostRequest,
    /// It is done, and the connection ends.
    LostAnswer,
    /// It is done after a while.
    Slow(Duration),
    /// It is done, and answered after a while.
    SlowAnswer(Duration),
}

/// What goes wrong by chance.
#[derive(Clone, Copy, Debug)]
pub struct Mishaps {
    /// How likely a request fails.
    pub failing: f64,
    /// How long a request is under way at most, and an answer.
    pub slow: Duration,
    /// How likely it takes ten times that.
    pub very_slow: f64,
}

/// All that goes wrong.
#[derive(Debug, Default)]
pub struct Faults {
    /// Connections end at once.
    pub away: bool,
    /// What the Role does not allow.
    pub refused: BTreeSet<(&'static str, String)>,
    once: VecDeque<(&'static str, &'static str, Fault)>,
    by_chance: Option<(Mishaps, StdRng)>,
}

impl Faults {
    /// Makes the next request with a verb for a resource go wrong.
    pub fn once(&mut self, verb: &'static str, resource: &'static str, fault: Fault) {
        self.once.push_back((verb, resource, fault));
    }

    pub fn by_chance(&mut self, mishaps: Mishaps, seed: u64) {
        self.by_chance = Some((mishaps, StdRng::seed_from_u64(seed)));
    }

    pub fn refuses(&self, call: &Call) -> bool {
        self.refused.contains(&(call.verb, call.resource.clone()))
    }

    /// What goes wrong with this request, in the order in which it happens.
    pub fn of(&mut self, call: &Call) -> Vec<Fault> {
        let of_call = |(verb, resource, _): &(&str, &str, Fault)| {
            *verb == call.verb && *resource == call.resource
        };
        if let Some(index) = self.once.iter().position(of_call) {
            return self
                .once
                .remove(index)
                .map(|once| once.2)
                .into_iter()
                .collect();
        }
        let Some((mishaps, random)) = &mut self.by_chance else {
            return Vec::new();
        };
        let mut while_under_way = || {
            let factor = if random.random_bool(mishaps.very_slow) {
                10
            } else {
                1
            };
            mishaps.slow.mul_f64(random.random::<f64>()) * factor
        };
        let mut faults = vec![
            Fault::Slow(while_under_way()),
            Fault::SlowAnswer(while_under_way()),
        ];
        if random.random_bool(mishaps.failing) {
            faults.push(match random.random_range(0..4) {
                0 => Fault::Status(500),
                1 => Fault::Status(429),
                2 => Fault::LostRequest,
                _ => Fault::LostAnswer,
            });
        }
        faults
    }
}
