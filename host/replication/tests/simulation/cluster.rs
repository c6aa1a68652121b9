//! [`Cluster`]: the processes of a run and the simulation that they live in.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use spindrift_discovery::StaticList;
use spindrift_replication::{Ended, Role};
use turmoil::Sim;

use crate::clients::Load;
use crate::invariants::{Oracle, Violation};
use crate::process::{Process, Settings, address};

/// Processes of a run, at most. Each knows the names of all as seeds.
const MAX_PROCESSES: usize = 12;

/// How long it takes until a process that was removed is started again.
const RESTART: Duration = Duration::from_millis(300);

/// How long a membership has to be as it is until it surely is no more on its way from one to the next: the change takes a
/// few messages between the leader and each voter, and they may be held back. Until then a voter of the old membership is as
/// needed as one of the new.
const SETTLED: Duration = Duration::from_millis(1500);

/// The processes of a run.
pub struct Cluster<'a> {
    /// The network and the clocks.
    pub sim: Sim<'a>,
    settings: Settings,
    load: Load,
    oracle: Rc<RefCell<Oracle>>,
    processes: Vec<Process>,
    /// When processes are to be started.
    starts: Vec<Duration>,
    /// Processes whose end was noticed.
    buried: Vec<String>,
    /// Since when the membership is those who live.
    whole_since: Option<Duration>,
    /// Whether each process that is told to leave can.
    all_leave: bool,
    story: Vec<String>,
}

impl<'a> Cluster<'a> {
    /// A cluster of one process, and further ones about to join it.
    pub fn new(
        sim: Sim<'a>,
        settings: Settings,
        load: Load,
        oracle: Rc<RefCell<Oracle>>,
        processes: usize,
    ) -> Self {
        let mut cluster = Self {
            sim,
            settings,
            load,
            oracle,
            processes: Vec::new(),
            starts: vec![Duration::ZERO; processes],
            buried: Vec::new(),
            whole_since: None,
            all_leave: false,
            story: Vec::new(),
        };
        cluster.tell(format!("{:?}", cluster.settings));
        cluster
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Notes something for whoever wants to know what happened.
    pub fn tell(&mut self, what: impl AsRef<str>) {
        let now = self.now();
        self.story.push(format!("{now:>8.3?} {}", what.as_ref()));
    }

    /// What happened.
    pub fn into_story(self) -> Vec<String> {
        self.story
    }

    /// The processes that run.
    pub fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.lives())
    }

    /// The names of their hosts.
    pub fn living_names(&self) -> Vec<String> {
        self.living().map(|process| process.name.clone()).collect()
    }

    /// Whether a process is yet to be started.
    pub fn is_starting(&self) -> bool {
        !self.starts.is_empty()
    }

    /// Whether all processes have ended, and none is yet to be started.
    pub fn has_ended(&self) -> bool {
        !self.is_starting() && self.living().next().is_none()
    }

    /// Whether there is room for one more process, ever.
    pub fn has_room(&self) -> bool {
        self.processes.len() + self.starts.len() < MAX_PROCESSES
    }

    /// Has a process start after a while.
    pub fn start_after(&mut self, delay: Duration) {
        if self.has_room() {
            self.starts.push(self.now() + delay);
        }
    }

    /// Kills a process. It never comes back.
    pub fn kill(&mut self, name: &str) {
        if let Some(process) = self.processes.iter().find(|process| process.name == name) {
            process.note_killed();
            self.sim.crash(name);
            self.tell(format!("{name} is killed"));
        }
    }

    /// Kills a process with its machine: nobody is told that its connections are closed.
    pub fn crash_with_machine(&mut self, name: &str) {
        for other in self.living_names().iter().filter(|other| *other != name) {
            self.sim.partition(name, other.as_str());
        }
        self.tell(format!("{name} is silent from now on"));
        self.kill(name);
    }

    /// Cuts the process that was started last off from all others, for good.
    pub fn cut_one_off(&mut self) {
        let mut names = self.living_names();
        let Some(one) = names.pop() else { return };
        for other in &names {
            self.sim.partition(one.as_str(), other.as_str());
        }
        self.tell(format!("{one} is cut off for good"));
    }

    /// Tells a process that it is about to stop.
    pub fn hand_over(&mut self, name: &str) {
        if let Some(process) = self.processes.iter().find(|process| process.name == name) {
            process.hand_over();
            self.tell(format!("{name} is told that it is about to stop"));
        }
    }

    /// From now on it is a failure if a process that is told to leave cannot.
    pub fn expect_all_to_leave(&mut self) {
        self.all_leave = true;
    }

    /// Tells a process to leave.
    pub fn leave(&mut self, name: &str) {
        if let Some(process) = self.processes.iter().find(|process| process.name == name) {
            process.leave();
            self.tell(format!("{name} is told to leave"));
        }
    }

    /// One step of time: processes start and run, and are looked at.
    pub fn step(&mut self) {
        let now = self.now();
        let before = self.starts.len();
        self.starts.retain(|start| *start > now);
        for _ in self.starts.len()..before {
            self.start();
        }
        let stepped = self.sim.step();
        if let Err(error) = stepped {
            let violation = Violation::new("no mishap", error.to_string());
            self.oracle.borrow_mut().note(Err(violation));
        }
        self.bury();
        let since = self.whole_since.unwrap_or_else(|| self.now());
        self.whole_since = self.seems_whole().then_some(since);
    }

    fn start(&mut self) {
        let name = name(self.processes.len());
        // The first one forms the cluster. Later it cannot be found any more, if it is gone: it never comes back.
        let seeds = if self.processes.is_empty() {
            vec![name.clone()]
        } else {
            (0..MAX_PROCESSES).map(crate::cluster::name).collect()
        };
        let process = Process::new(name.clone());
        self.processes.push(process.clone());
        let (settings, load) = (self.settings.clone(), self.load.clone());
        self.sim.host(name.clone(), move || {
            let (process, settings) = (process.clone(), settings.clone());
            let (seeds, load) = (seeds.clone(), load.clone());
            async move {
                let seeds = seeds.iter().map(|seed| address(seed));
                let seeds = StaticList::new(seeds, &address(&process.name), false);
                process.run(settings, Arc::new(seeds), load).await;
                Ok(())
            }
        });
        self.tell(format!("{name} starts"));
    }

    /// Notices processes that have ended by themselves, and has those that were removed start again.
    fn bury(&mut self) {
        let mut ends = Vec::new();
        for process in &self.processes {
            if let Some(ended) = process.ended()
                && !self.buried.contains(&process.name)
            {
                ends.push((process.name.clone(), process.is_leaving(), ended));
            }
        }
        for (name, leaving, ended) in ends {
            self.tell(format!("{name} has ended: {ended:?}"));
            self.buried.push(name.clone());
            match ended {
                Ok(Ended::Removed { .. }) if !leaving => self.start_after(RESTART),
                Ok(Ended::Vanished { why }) if self.all_leave => {
                    let violation = Violation::new("leaving", format!("{name}: {why}"));
                    self.oracle.borrow_mut().note(Err(violation));
                }
                Ok(_) if leaving => {}
                ended => {
                    let violation = Violation::new("no failure", format!("{name}: {ended:?}"));
                    self.oracle.borrow_mut().note(Err(violation));
                }
            }
        }
    }

    /// Has the oracle look at all processes.
    pub fn observe(&self) {
        let mut oracle = self.oracle.borrow_mut();
        for process in self.living() {
            if let Some(seen) = process.observe() {
                oracle.observe(&seen);
            }
        }
    }

    /// Who leads, as far as one can see: the leader of the highest term.
    pub fn leader(&self) -> Option<String> {
        self.leader_and_members().map(|(leader, ..)| leader)
    }

    fn leader_and_members(&self) -> Option<(String, usize, usize)> {
        let seen = self.living().filter_map(|process| {
            let published = process.published()?;
            let leads = published.role == Role::Leader;
            leads.then(|| {
                let (voters, learners) = (published.voters, published.learners);
                (published.term, (process.name.clone(), voters, learners))
            })
        });
        seen.max_by_key(|(term, _)| *term).map(|(_, leader)| leader)
    }

    /// Whether the membership is those who live and no others, all seats are taken, and everybody has caught up, and that for
    /// a while. Where nobody has been silent lately, this is certain; and one process may then go without putting the data
    /// at risk.
    pub fn is_whole(&self) -> bool {
        self.whole_since
            .is_some_and(|since| since + SETTLED <= self.now())
    }

    fn seems_whole(&self) -> bool {
        let living = self.living().count();
        let Some((_, voters, learners)) = self.leader_and_members() else {
            return false;
        };
        let joined = self.living().all(|process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.not_ready.is_none()) && !process.is_leaving()
        });
        joined && self.starts.is_empty() && voters >= 3 && voters + learners == living
    }
}

/// The name of the host of a process, by its place.
fn name(place: usize) -> String {
    format!("n{}", place + 1)
}
