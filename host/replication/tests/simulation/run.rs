//! [`run`]: one run, from its seed to the verdict.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use turmoil::Builder;

use crate::clients::{Load, Phase};
use crate::cluster::Cluster;
use crate::crash_and_stops::CrashAndStops;
use crate::interposition;
use crate::invariants::{Oracle, Progress, Violation};
use crate::mishaps;
use crate::nemesis::{Nemesis, USUAL_DELAY};
use crate::process::{Process, Settings};
use crate::sabotage::Sabotage;
use crate::subprocess::{SABOTAGE, SEED, TROUBLE};

/// One step of the simulation. Messages arrive between steps only, timers go off within.
const STEP: Duration = Duration::from_millis(4);

/// How often processes are looked at, in steps.
const LOOK_EVERY: u32 = 4;

/// What goes wrong in a run.
pub trait Trouble {
    /// What is drawn already, for people.
    fn describe(&self) -> String;
    /// How processes are set up.
    fn settings(&mut self, sabotage: Sabotage) -> Settings;
    /// How many processes the run begins with.
    fn processes(&mut self) -> usize;
    /// Does what is due.
    fn act(&mut self, cluster: &mut Cluster<'_>);
    /// Whether nothing more goes wrong.
    fn is_over(&self, cluster: &Cluster<'_>) -> bool;
    /// Puts the network right.
    fn heal(&mut self, cluster: &mut Cluster<'_>);
    /// How many processes were taken.
    fn losses(&self) -> usize;
}

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Anything at all, see [`Nemesis`].
    #[default]
    Anything,
    /// See [`CrashAndStops`].
    CrashAndStops,
}

impl Kind {
    const ALL: [(&'static str, Self); 2] = [
        ("anything", Self::Anything),
        ("crash-and-stops", Self::CrashAndStops),
    ];

    fn draw(self, random: StdRng) -> Box<dyn Trouble> {
        match self {
            Self::Anything => Box::new(Nemesis::draw(random)),
            Self::CrashAndStops => Box::new(CrashAndStops::draw(random)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::ALL.iter().find(|(_, kind)| kind == self);
        f.write_str(names.map_or("", |(name, _)| name))
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            format!("there is {}", names.join(", "))
        })
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was broken on purpose.
    pub sabotage: String,
    /// What went wrong.
    pub kind: Kind,
    /// What must not be; nothing if all is well.
    pub violation: Option<Violation>,
    /// What happened.
    pub story: Vec<String>,
    /// Commits that were acknowledged.
    pub commits: usize,
    /// Terms in which somebody led.
    pub terms: usize,
    /// Processes that were taken.
    pub losses: usize,
    /// Virtual time.
    pub took: Duration,
    /// All that was seen, as one number: that of another run differs where anything does.
    pub fingerprint: u64,
    /// What the nodes logged and what panicked, if the run had a process of its own.
    #[serde(skip)]
    pub log: String,
}

impl Report {
    /// Of a run that did not come to a report of its own.
    pub fn lost(seed: u64, sabotage: Sabotage, kind: Kind, violation: Violation) -> Self {
        Self {
            seed,
            sabotage: sabotage.to_string(),
            kind,
            violation: Some(violation),
            story: Vec::new(),
            commits: 0,
            terms: 0,
            losses: 0,
            took: Duration::ZERO,
            fingerprint: 0,
            log: String::new(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            sabotage,
            kind,
            commits,
            terms,
            losses,
            took,
            fingerprint,
            ..
        } = self;
        write!(
            f,
            "seed {seed}: {commits} commits in {terms} terms, {losses} processes lost, {took:?}, \
             fingerprint {fingerprint:016x}"
        )?;
        let Some(violation) = &self.violation else {
            return write!(f, "; all is well");
        };
        let (log, story) = (&self.log, self.story.join("\n"));
        write!(
            f,
            "\n{log}{story}\n{violation}\nfor the same again: {SEED}={seed} {SABOTAGE}={sabotage} {TROUBLE}={kind} cargo test \
             -p spindrift --test simulation whatever -- --nocapture"
        )
    }
}

/// Runs a cluster with trouble of this kind as `seed` says, with that broken which `sabotage` names. What the seed does not
/// reach from here, the thread decides, see [`interposition`].
pub fn run(seed: u64, sabotage: Sabotage, kind: Kind) -> Report {
    mishaps::watch();
    let mut trouble = kind.draw(StdRng::seed_from_u64(seed));
    let described = trouble.describe();
    let settings = trouble.settings(sabotage);
    let oracle = Rc::new(RefCell::new(Oracle::new(sabotage)));
    let load = Load::new(seed, oracle.clone());
    let sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(STEP)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(USUAL_DELAY)
        .simulation_duration(Duration::from_secs(3600))
        .tcp_capacity(4096)
        .enable_random_order()
        .build();
    let processes = trouble.processes();
    let cluster = Cluster::new(sim, settings, load.clone(), oracle.clone(), processes);
    let mut run = Run {
        cluster,
        load,
        oracle,
        kind,
        steps: 0,
    };
    run.cluster.tell(described);
    run.trouble(&mut *trouble);
    trouble.heal(&mut run.cluster);
    if sabotage == Sabotage::Healing {
        run.cluster.cut_one_off();
    }
    run.settle();
    let took = run.cluster.now();
    let story = run.cluster.into_story();
    // With its processes gone, what their clients were at is in the history.
    let mut oracle = run.oracle.borrow_mut();
    if oracle.violation().is_none() {
        oracle.judge_history();
    }
    mishaps::unwatch();
    for told in &story {
        oracle.trace.note(told);
    }
    Report {
        seed,
        sabotage: sabotage.to_string(),
        kind,
        violation: oracle.violation(),
        story,
        commits: oracle.commits(),
        terms: oracle.terms(),
        losses: trouble.losses(),
        took,
        fingerprint: oracle.trace.fingerprint(),
        log: String::new(),
    }
}

struct Run<'a> {
    cluster: Cluster<'a>,
    load: Load,
    oracle: Rc<RefCell<Oracle>>,
    kind: Kind,
    steps: u32,
}

impl Run<'_> {
    /// One step. Says whether all is well so far.
    fn step(&mut self) -> bool {
        self.cluster.step();
        interposition::set_elapsed(self.cluster.now());
        self.steps += 1;
        self.oracle.borrow_mut().trace.note(self.steps);
        if self.steps.is_multiple_of(LOOK_EVERY) {
            self.cluster.observe();
        }
        if let Some(mishap) = mishaps::take().into_iter().next() {
            let violation = Violation::new("no mishap", mishap);
            self.oracle.borrow_mut().note(Err(violation));
        }
        self.oracle.borrow().violation().is_none()
    }

    fn trouble(&mut self, trouble: &mut dyn Trouble) {
        while !trouble.is_over(&self.cluster) && self.step() {
            trouble.act(&mut self.cluster);
        }
    }

    /// Waits, once all is healed, until every process has committed something, and until all hold the same, within the
    /// limits of their leader; then looks at what that is.
    fn settle(&mut self) {
        if self.cluster.has_ended() {
            return;
        }
        self.load.set_phase(Phase::Finish);
        let deadline = self.cluster.now() + Progress::within();
        while let Some(missing) = self.unfinished() {
            if self.cluster.now() > deadline {
                self.oracle
                    .borrow_mut()
                    .note(Err(Progress::missing(&missing)));
            }
            if !self.step() {
                return;
            }
        }
        self.load.set_phase(Phase::Rest);
        while let Some(missing) = self.unequal() {
            if self.cluster.now() > deadline {
                self.oracle
                    .borrow_mut()
                    .note(Err(Progress::missing(&missing)));
            }
            if !self.step() {
                return;
            }
        }
        self.cluster.observe();
        let mut oracle = self.oracle.borrow_mut();
        for process in self.cluster.living() {
            if let Some(contents) = process.contents() {
                oracle.end(&process.name, &contents);
            }
        }
    }

    fn unfinished(&self) -> Option<String> {
        if self.cluster.is_starting() {
            return Some("a process is yet to start".into());
        }
        let oracle = self.oracle.borrow();
        let mut living = self.cluster.living();
        let without =
            living.find(|process| process.is_leaving() || !oracle.progress.has_made(&process.name));
        without.map(|process| match process.is_leaving() {
            true => format!("{} has not left", process.name),
            false => format!("{} has committed nothing", process.name),
        })
    }

    fn unequal(&self) -> Option<String> {
        let revisions = self.cluster.living().map(|process| {
            let contents = process.contents();
            (contents.map(|contents| contents.revision), &process.name)
        });
        let revisions: Vec<_> = revisions.collect();
        let first = revisions.first().map(|(revision, _)| *revision);
        let same = revisions
            .iter()
            .all(|(revision, _)| Some(*revision) == first);
        if !same {
            return Some(format!("revisions differ: {revisions:?}"));
        }
        if self.cluster.leader().is_none() {
            return Some("nobody leads".into());
        }
        let least = self.cluster.living().map(Process::max_total_bytes).min();
        let mut living = self.cluster.living();
        // One that has crashed stays a member where nobody is removed, and may be the smallest: no limit rises because of it.
        let in_force = self.cluster.living().find_map(Process::limit_in_force);
        let expected = match self.kind {
            Kind::Anything => least,
            Kind::CrashAndStops => in_force.min(least),
        };
        let other = living.find(|process| process.limit_in_force() != expected);
        other.map(|other| format!("{} has not the least limit, {least:?}", other.name))
    }
}
