//! [`Nemesis`]: what goes wrong in a run, drawn from its seed.
//!
//! It never takes so much that the data is gone: a process is killed or sent away only while all seats are taken by living
//! nodes, so that a majority of those who hold the data always lives, if not always within reach.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::cluster::Cluster;
use crate::process::{MIXED, SAME, Settings};
use crate::run::Trouble;
use crate::sabotage::Sabotage;

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(6);

/// What kind of things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// Processes come and go, while messages are late.
    Churn,
    /// Messages are lost, and with them whole connections; at most one process goes.
    Cuts,
    /// Nodes are cut off for so long that they are removed.
    Removals,
}

impl Temper {
    /// That of a run.
    fn draw(random: &mut StdRng) -> Self {
        match random.random_range(0..10) {
            0..5 => Self::Churn,
            5..9 => Self::Cuts,
            _ => Self::Removals,
        }
    }

    /// How long a node may be silent, so that only those are removed that are meant to be.
    fn evict_after(self) -> Duration {
        match self {
            Self::Churn | Self::Removals => Duration::from_millis(2500),
            Self::Cuts => Duration::from_secs(9),
        }
    }
}

/// What goes wrong.
pub struct Nemesis {
    random: StdRng,
    temper: Temper,
    next: Duration,
    /// What is wrong with the network, and until when.
    wrong: Option<(Duration, Wrong)>,
    /// When the network was last wrong.
    healed: Duration,
    losses: usize,
    losses_left: usize,
}

/// What is wrong with the network.
enum Wrong {
    /// Messages between these wait.
    Held(Vec<String>, Vec<String>),
    /// Messages between these are lost.
    Cut(Vec<String>, Vec<String>),
    /// Messages from these to those are lost.
    CutOneWay(Vec<String>, Vec<String>),
    /// Messages between these are late.
    Slow(Vec<String>, Vec<String>),
}

/// How late a message may be at most, where nothing is wrong.
pub const USUAL_DELAY: Duration = Duration::from_millis(12);

impl Nemesis {
    /// Draws its temper.
    pub fn draw(mut random: StdRng) -> Self {
        let temper = Temper::draw(&mut random);
        Self {
            random,
            temper,
            next: Duration::from_millis(1500),
            wrong: None,
            healed: Duration::ZERO,
            losses: 0,
            losses_left: match temper {
                Temper::Churn => 3,
                Temper::Cuts => 1,
                Temper::Removals => 0,
            },
        }
    }
}

impl Trouble for Nemesis {
    fn describe(&self) -> String {
        format!("{:?}", self.temper)
    }

    fn is_over(&self, cluster: &Cluster<'_>) -> bool {
        cluster.now() >= TROUBLE
    }

    /// Options that make much happen in a short time.
    fn settings(&mut self, sabotage: Sabotage) -> Settings {
        let election_timeouts = *[SAME, MIXED].choose(&mut self.random).unwrap_or(&SAME);
        let longest = election_timeouts.iter().max().copied().unwrap_or_default();
        Settings {
            voters: *[3, 3, 5].choose(&mut self.random).unwrap_or(&3),
            read_lease: self.random.random(),
            snapshot_after: self.random.random_range(10..200),
            // Less than two of them is refused.
            evict_after: self.temper.evict_after().max(longest * 2),
            election_timeouts,
            sabotage,
        }
    }

    /// How many processes a run begins with.
    fn processes(&mut self) -> usize {
        *[3, 3, 4, 5].choose(&mut self.random).unwrap_or(&3)
    }

    /// How many processes were taken.
    fn losses(&self) -> usize {
        self.losses
    }

    /// Does what is due.
    fn act(&mut self, cluster: &mut Cluster<'_>) {
        let now = cluster.now();
        if self.wrong.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.heal(cluster);
        }
        if now < self.next {
            return;
        }
        self.next = now
            + self
                .random
                .random_range(Duration::from_millis(50)..Duration::from_millis(600));
        if self.random.random_bool(0.4) && self.take_or_give(cluster) {
            return;
        }
        if self.wrong.is_none() && cluster.living().count() > 1 {
            self.disturb(cluster);
        }
    }

    /// Puts the network right.
    fn heal(&mut self, cluster: &mut Cluster<'_>) {
        let Some((_, wrong)) = self.wrong.take() else {
            return;
        };
        self.healed = cluster.now();
        let sim = &cluster.sim;
        for_pairs(&wrong, |from, to| match wrong {
            Wrong::Held(..) => sim.release(from, to),
            Wrong::Cut(..) => sim.repair(from, to),
            Wrong::CutOneWay(..) => sim.repair_oneway(from, to),
            Wrong::Slow(..) => sim.set_link_max_message_latency(from, to, USUAL_DELAY),
        });
        cluster.tell("the network is healed");
    }
}

impl Nemesis {
    /// Kills a process, sends one away, or adds one. Says whether it did.
    fn take_or_give(&mut self, cluster: &mut Cluster<'_>) -> bool {
        let living = cluster.living().count();
        if living < 7 && cluster.has_room() && self.random.random_bool(0.25) {
            cluster.start_after(Duration::ZERO);
            return true;
        }
        // Whoever was removed for its silence still believes to be a member for a while.
        let quiet = self.temper == Temper::Churn
            || (self.wrong.is_none() && cluster.now() > self.healed + Duration::from_secs(3));
        if self.losses_left == 0 || !quiet || !cluster.is_whole() {
            return false;
        }
        let names = cluster.living_names();
        let leader = cluster.leader();
        let victim = if self.random.random_bool(0.4) {
            leader.as_ref()
        } else {
            names.choose(&mut self.random)
        };
        let Some(victim) = victim.cloned() else {
            return false;
        };
        self.losses += 1;
        self.losses_left -= 1;
        match self.random.random_range(0..3) {
            0 => cluster.leave(&victim),
            1 => cluster.kill(&victim),
            _ => cluster.crash_with_machine(&victim),
        }
        let delay = self
            .random
            .random_range(Duration::ZERO..Duration::from_secs(2));
        cluster.start_after(delay);
        true
    }

    fn disturb(&mut self, cluster: &mut Cluster<'_>) {
        let (ones, others) = self.sides(cluster);
        let (longest, wrong) = match (self.temper, self.random.random_range(0..10)) {
            (Temper::Churn, 0..5) => (600, Wrong::Held(ones, others)),
            (Temper::Churn, _) => (2000, Wrong::Slow(ones, others)),
            (Temper::Removals, _) => {
                let length = self.random.random_range(3000..5000);
                return self.inflict(cluster, length, Wrong::Cut(ones, others));
            }
            (Temper::Cuts, 0..2) => (1500, Wrong::Held(ones, others)),
            (Temper::Cuts, 2..5) => (1500, Wrong::Cut(ones, others)),
            (Temper::Cuts, 5) => (50, Wrong::Cut(ones, others)),
            (Temper::Cuts, 6) => (1500, Wrong::CutOneWay(ones, others)),
            (Temper::Cuts, 7) => (1500, Wrong::CutOneWay(others, ones)),
            (Temper::Cuts, _) => (2000, Wrong::Slow(ones, others)),
        };
        let length = self.random.random_range(20..longest.max(21));
        self.inflict(cluster, length, wrong);
    }

    fn inflict(&mut self, cluster: &mut Cluster<'_>, millis: u64, wrong: Wrong) {
        let sim = &cluster.sim;
        let latest = Duration::from_millis(self.random.random_range(50..300));
        for_pairs(&wrong, |from, to| match wrong {
            Wrong::Held(..) => sim.hold(from, to),
            Wrong::Cut(..) => sim.partition(from, to),
            Wrong::CutOneWay(..) => sim.partition_oneway(from, to),
            Wrong::Slow(..) => sim.set_link_max_message_latency(from, to, latest),
        });
        cluster.tell(match &wrong {
            Wrong::Held(a, b) => format!("{a:?} and {b:?} wait for each other, {millis} ms"),
            Wrong::Cut(a, b) => format!("{a:?} and {b:?} are cut off from each other, {millis} ms"),
            Wrong::CutOneWay(a, b) => format!("{a:?} do not reach {b:?}, {millis} ms"),
            Wrong::Slow(a, b) => format!("up to {latest:?} between {a:?} and {b:?}, {millis} ms"),
        });
        self.wrong = Some((cluster.now() + Duration::from_millis(millis), wrong));
    }

    /// Two sets of living processes: the leader and the others, any one and the others, two, or about two halves.
    fn sides(&mut self, cluster: &Cluster<'_>) -> (Vec<String>, Vec<String>) {
        let mut names = cluster.living_names();
        names.shuffle(&mut self.random);
        let leader = cluster.leader();
        if self.random.random_bool(0.4)
            && let Some(place) = names.iter().position(|name| Some(name) == leader.as_ref())
        {
            names.swap(0, place);
        }
        let kind = self.random.random_range(0..10);
        let ones = if kind < 7 || self.temper == Temper::Removals {
            1
        } else {
            names.len() / 2
        };
        let mut others = names.split_off(ones.max(1));
        if kind < 2 && self.temper != Temper::Removals {
            others.truncate(1);
        }
        (names, others)
    }
}

fn for_pairs(wrong: &Wrong, mut each: impl FnMut(&str, &str)) {
    let (Wrong::Held(a, b) | Wrong::Cut(a, b) | Wrong::CutOneWay(a, b) | Wrong::Slow(a, b)) = wrong;
    for from in a {
        for to in b {
            each(from, to);
        }
    }
}
