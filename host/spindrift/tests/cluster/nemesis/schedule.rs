//! [`Schedule`]: which faults, in which order. It follows from the seed alone, so that a run that failed can be run again.
//!
//! Faults name their victims by what they are, leader or not, since ids and addresses differ from run to run.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// The victim of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The node that leads.
    Leader,
    /// One that does not: this one of them, counted round and round.
    Follower(usize),
}

/// Where a node comes back that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comeback {
    /// At its old address, as a restarted process.
    SameAddress,
    /// At a new one, as a replaced pod.
    NewAddress,
}

/// Which way a node is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It hears nobody.
    Deaf,
    /// Nobody hears it.
    Mute,
    /// Neither hears the other.
    Both,
}

/// Something that goes wrong. None takes the data of a majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node is killed, and comes back after this time.
    Kill(Who, Comeback, Duration),
    /// As many nodes are killed at once as may be, the leader among them, and come back after this time.
    KillMinority(Comeback, Duration),
    /// A node stands still for this time.
    Pause(Who, Duration),
    /// All nodes stand still for this time.
    PauseAll(Duration),
    /// A node is cut off from all others for this time.
    CutOff(Who, Direction, Duration),
    /// The leader, with as many others as leave it in the minority, is cut off from the rest for this time.
    Halves(Duration),
    /// Every node hears the next two only, round a ring, for this time: nobody is alone, and not all hear each other.
    Ring(Duration),
    /// A node is killed while another is cut off: the cluster cannot commit until that is healed, after this time.
    KillBehindCut(Comeback, Duration),
    /// A node joins, and another, which is asked to end, leaves.
    Replace(Who),
    /// Every node in turn is asked to end, and comes back.
    Roll(Comeback),
}

/// A fault, and how long it is quiet after all is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What goes wrong.
    pub fault: Fault,
    /// The quiet time after it.
    pub quiet: Duration,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, then {:?} of quiet", self.fault, self.quiet)
    }
}

/// Faults without end.
pub struct Schedule {
    random: StdRng,
    /// Kinds of faults that are still to come before any comes again.
    deck: Vec<usize>,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn new(seed: u64) -> Self {
        Schedule {
            random: StdRng::seed_from_u64(seed),
            deck: Vec::new(),
        }
    }

    fn fault(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = (0..KINDS).collect();
            self.deck.shuffle(&mut self.random);
        }
        let kind = self.deck.pop().unwrap_or_default();
        let who = match self.random.random_range(0..3) {
            0 | 1 => Who::Leader,
            _ => Who::Follower(self.random.random_range(0..100)),
        };
        let follower = Who::Follower(self.random.random_range(0..100));
        let comeback = match self.random.random_bool(0.5) {
            true => Comeback::SameAddress,
            false => Comeback::NewAddress,
        };
        // Elections take some tenths of a second, and removing a silent node some seconds: both sides of both.
        let brief = Duration::from_millis(self.random.random_range(50..600));
        let long = Duration::from_millis(self.random.random_range(600..2500));
        let some = match self.random.random_range(0..4) {
            0 => brief,
            1 | 2 => long,
            _ => Duration::from_millis(self.random.random_range(3500..5000)),
        };
        match kind {
            0 => Fault::Kill(Who::Leader, comeback, brief),
            1 => Fault::Kill(follower, comeback, long),
            2 => Fault::KillMinority(comeback, brief),
            3 => Fault::Pause(Who::Leader, some),
            4 => Fault::Pause(follower, some),
            5 => Fault::PauseAll(brief),
            6 => Fault::CutOff(Who::Leader, Direction::Both, some),
            7 => Fault::CutOff(who, Direction::Deaf, some),
            8 => Fault::CutOff(who, Direction::Mute, some),
            9 => Fault::Halves(some),
            10 => Fault::Ring(long),
            11 => Fault::KillBehindCut(comeback, brief),
            12 => Fault::Replace(who),
            _ => Fault::Roll(comeback),
        }
    }
}

/// How many kinds of faults there are.
const KINDS: usize = 14;

impl Iterator for Schedule {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        Some(Step {
            fault: self.fault(),
            quiet: Duration::from_millis(self.random.random_range(400..900)),
        })
    }
}

#[test]
fn a_seed_is_a_schedule() {
    let of = |seed| Schedule::new(seed).take(50).collect::<Vec<_>>();
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

#[test]
fn every_kind_of_fault_comes_before_any_comes_again() {
    for seed in 0..20 {
        let deck: Vec<Step> = Schedule::new(seed).take(KINDS).collect();
        let has = |kind: &dyn Fn(&Fault) -> bool| deck.iter().filter(|s| kind(&s.fault)).count();
        assert_eq!(has(&|f| matches!(f, Fault::Kill(..))), 2);
        assert_eq!(has(&|f| matches!(f, Fault::CutOff(..))), 3);
        assert_eq!(has(&|f| matches!(f, Fault::Roll(_))), 1);
        assert_eq!(has(&|f| matches!(f, Fault::Halves(_))), 1);
    }
}
