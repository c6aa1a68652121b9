//! [`CrashAndStops`]: one process crashes, and others are told to leave, in any order and at any time, drawn from the seed.
//!
//! A majority of the voters is alive when the crash comes: a process that is told to leave before it counts as gone, since a
//! cluster that has shrunk to two voters loses its majority with either of them. After the crash any number may go. Nobody
//! is removed for its silence while a run lasts, so each change of the membership is for the sake of those that leave.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::cluster::Cluster;
use crate::process::{SAME, Settings};
use crate::run::Trouble;
use crate::sabotage::Sabotage;

/// Longer than any run.
const NEVER: Duration = Duration::from_secs(3600);

/// How long the processes may take to become a cluster, and those that leave to leave, together.
const LIMIT: Duration = Duration::from_secs(90);

/// How long after one another things happen, at most: at once, within an election, around one, and long after it.
const PACES: [u64; 5] = [1, 100, 700, 3000, 8000];

/// One thing that happens to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// It is killed. Where its machine is gone, nobody is told that its connections are closed.
    Crash { machine: bool },
    /// It is told that it is about to stop.
    Stop,
    /// It is told to leave, if it still lives.
    Leave(String),
}

/// What happens, and what has happened of it.
pub struct CrashAndStops {
    random: StdRng,
    size: usize,
    /// What is to happen, so long after the processes have become a cluster.
    steps: Vec<(Duration, Step)>,
    /// From when a process is told that it is about to stop until it is told to leave.
    delay: Duration,
    /// When the processes had become a cluster.
    whole: Option<Duration>,
    losses: usize,
}

impl CrashAndStops {
    /// Draws what happens.
    pub fn draw(mut random: StdRng) -> Self {
        let size = *[3, 5].choose(&mut random).unwrap_or(&3);
        let most_before = size - 3;
        let before = random.random_range(0..=most_before);
        let stops = random.random_range(before.max(1)..size);
        let mut steps = Vec::new();
        let mut at = Duration::ZERO;
        for number in 0..=stops {
            let pace = *PACES.choose(&mut random).unwrap_or(&1);
            at += Duration::from_millis(random.random_range(0..pace));
            let machine = random.random();
            let crash = number == before;
            steps.push((
                at,
                if crash {
                    Step::Crash { machine }
                } else {
                    Step::Stop
                },
            ));
        }
        let delay = *[0, 0, 1000, 3000].choose(&mut random).unwrap_or(&0);
        Self {
            random,
            size,
            steps,
            delay: Duration::from_millis(delay),
            whole: None,
            losses: 0,
        }
    }

    fn make(&mut self, step: Step, now: Duration, cluster: &mut Cluster<'_>) {
        if let Step::Leave(name) = step {
            return cluster.leave(&name);
        }
        let staying = cluster.living().filter(|process| !process.is_stopping());
        let staying: Vec<String> = staying.map(|process| process.name.clone()).collect();
        let leader = cluster.leader().filter(|leader| staying.contains(leader));
        let leader = leader.filter(|_| self.random.random_bool(0.5));
        let Some(name) = leader.or_else(|| staying.choose(&mut self.random).cloned()) else {
            return;
        };
        self.losses += 1;
        match step {
            Step::Crash { machine: true } => cluster.crash_with_machine(&name),
            Step::Crash { machine: false } => cluster.kill(&name),
            Step::Stop | Step::Leave(_) => {
                cluster.hand_over(&name);
                self.steps.push((now + self.delay, Step::Leave(name)));
                self.steps.sort_by_key(|(at, _)| *at);
            }
        }
    }
}

impl Trouble for CrashAndStops {
    fn describe(&self) -> String {
        let Self {
            size, steps, delay, ..
        } = self;
        format!("{size} voters: {steps:?}, {delay:?} to leave")
    }

    fn settings(&mut self, sabotage: Sabotage) -> Settings {
        Settings {
            voters: self.size,
            read_lease: self.random.random(),
            snapshot_after: self.random.random_range(10..200),
            evict_after: NEVER,
            election_timeouts: SAME,
            sabotage,
        }
    }

    fn processes(&mut self) -> usize {
        self.size
    }

    fn act(&mut self, cluster: &mut Cluster<'_>) {
        let Some(whole) = self.whole else {
            if cluster.is_whole() && cluster.living().count() == self.size {
                cluster.expect_all_to_leave();
                self.whole = Some(cluster.now());
            }
            return;
        };
        let now = cluster.now() - whole;
        while self.steps.first().is_some_and(|(at, _)| *at <= now) {
            let (_, step) = self.steps.remove(0);
            self.make(step, now, cluster);
        }
    }

    fn is_over(&self, cluster: &Cluster<'_>) -> bool {
        let leaving = cluster.living().any(|process| process.is_stopping());
        let done = self.whole.is_some() && self.steps.is_empty() && !leaving;
        done || cluster.now() > LIMIT
    }

    fn heal(&mut self, _: &mut Cluster<'_>) {}

    fn losses(&self) -> usize {
        self.losses
    }
}
