//! [`Run`]: processes that share a source of peers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use spindrift_replication::Role;
use turmoil::{Builder, Sim};

use super::source::{Pod, Pods};
use crate::clients::{Load, Phase};
use crate::invariants::Oracle;
use crate::process::{Process, SAME, Settings};
use crate::sabotage::Sabotage;

/// Far beyond the end of any test.
const NEVER: Duration = Duration::from_secs(3600);

/// Far beyond an election.
pub const SOON: Duration = Duration::from_secs(10);

/// How long anything may take that is to happen; far below [`NEVER`].
const PATIENCE: Duration = Duration::from_secs(30);

/// Processes, the source that they share, and the network.
pub struct Run {
    pub sim: Sim<'static>,
    pub pods: Arc<Pods>,
    pub processes: Vec<Process>,
    settings: Settings,
    load: Load,
}

impl Run {
    /// `size` processes that all start at once.
    pub fn start(size: usize) -> Self {
        let load = Load::new(1, Rc::new(RefCell::new(Oracle::new(Sabotage::Nothing))));
        load.set_phase(Phase::Rest);
        let mut run = Run {
            sim: Builder::new()
                .rng_seed(1)
                .tick_duration(Duration::from_millis(4))
                .min_message_latency(Duration::from_millis(1))
                .max_message_latency(Duration::from_millis(5))
                .simulation_duration(NEVER)
                .tcp_capacity(4096)
                .build(),
            pods: Arc::new(Pods::new()),
            processes: Vec::new(),
            settings: Settings {
                voters: 3,
                read_lease: true,
                snapshot_after: 100,
                evict_after: NEVER,
                election_timeouts: SAME,
                sabotage: Sabotage::Nothing,
            },
            load,
        };
        for _ in 0..size {
            run.add();
        }
        run
    }

    /// As [`Run::start`], once they are a cluster.
    pub fn clustered(size: usize) -> Self {
        let mut run = Self::start(size);
        run.until("they are a cluster", |run| run.is_whole(size));
        // The last seat is seen to be taken before the change that takes it is at its end.
        run.pass(Duration::from_secs(1));
        run
    }

    pub fn add(&mut self) {
        self.pods.appears(&format!("n{}", self.processes.len() + 1));
        self.add_unseen();
    }

    /// Starts a process that the source has not heard of.
    pub fn add_unseen(&mut self) {
        let process = Process::new(format!("n{}", self.processes.len() + 1));
        self.processes.push(process.clone());
        let (settings, load, pods) = (self.settings.clone(), self.load.clone(), self.pods.clone());
        self.sim.host(process.name.clone(), move || {
            let (process, settings) = (process.clone(), settings.clone());
            let (load, pods) = (load.clone(), pods.clone());
            async move {
                let name = process.name.clone();
                process
                    .run(settings, Arc::new(Pod { name, pods }), load)
                    .await;
                Ok(())
            }
        });
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.sim.step().expect("no process fails");
        }
    }

    /// Time passes until something is so, and no more of it than [`PATIENCE`].
    pub fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        let deadline = self.sim.elapsed() + PATIENCE;
        while !is(self) {
            assert!(
                self.sim.elapsed() < deadline,
                "it is not so that {what}: {:?}",
                self.pods.known()
            );
            self.sim.step().expect("no process fails");
        }
    }

    pub fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.lives())
    }

    /// The process that leads, as far as one can see.
    pub fn leader(&self) -> Option<&Process> {
        let leads = |process: &&Process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.role == Role::Leader)
        };
        let term = |process: &&Process| process.published().map(|seen| seen.term);
        self.living().filter(leads).max_by_key(term)
    }

    /// How many nodes vote, and how many do not, as the leader has it.
    pub fn members(&self) -> Option<(usize, usize)> {
        let seen = self.leader()?.published()?;
        Some((seen.voters, seen.learners))
    }

    /// Whether those that live are `size`, and one cluster that has all of them and no others.
    pub fn is_whole(&self, size: usize) -> bool {
        let ready = |process: &Process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.not_ready.is_none())
        };
        let voters = size.min(self.settings.voters);
        self.living().count() == size
            && self.living().all(ready)
            && self.members() == Some((voters, size - voters))
    }

    /// A voter that does not lead.
    pub fn follower(&self) -> String {
        let follows = |process: &&Process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.role == Role::Follower)
        };
        let follower = self.living().find(follows).expect("a follower");
        follower.name.clone()
    }

    pub fn kill(&mut self, name: &str) {
        let process = self.processes.iter().find(|process| process.name == name);
        process.expect("a process of that name").note_killed();
        self.sim.crash(name);
    }

    pub fn clusters(&self) -> BTreeSet<Option<String>> {
        let seen = self.living().filter_map(Process::published);
        seen.map(|seen| seen.cluster).collect()
    }
}
