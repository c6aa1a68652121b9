//! Processes that find each other as pods do: what replication does with what a source of peers knows, and what it has
//! people see. The source is made for these tests. It is always right, and at once, unless a test has it be late.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use spindrift::discovery::{self, Claim, Discovery, Notice, PeerSet, Standing, Verdict};
use spindrift::replication::{Ended, Role};
use tokio::sync::watch;
use turmoil::{Builder, Sim};

use crate::clients::{Load, Phase};
use crate::invariants::Oracle;
use crate::process::{Process, Settings, address};
use crate::sabotage::Sabotage;

/// How often each process asks in vain whether it may form a cluster.
const REFUSED_CLAIMS: usize = 3;

/// Far beyond the end of any test.
const NEVER: Duration = Duration::from_secs(3600);

/// Far beyond an election.
const SOON: Duration = Duration::from_secs(10);

/// How long anything may take that is to happen; far below [`NEVER`].
const PATIENCE: Duration = Duration::from_secs(30);

/// What the source knows, and what it was told.
#[derive(Debug, Default)]
struct Known {
    /// The process that was told to form a cluster.
    formed_by: Option<String>,
    claims: BTreeMap<String, Vec<Claim>>,
    standings: BTreeMap<String, Option<Standing>>,
    notices: Vec<(String, Notice)>,
    closed: BTreeSet<String>,
}

/// The source, shared by all processes.
#[derive(Debug)]
struct Pods {
    peers: watch::Sender<PeerSet>,
    known: Mutex<Known>,
}

impl Pods {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn appears(&self, name: &str) {
        self.peers.send_modify(|peers| {
            peers.present.insert(address(name));
        });
    }

    fn is_gone(&self, name: &str) {
        self.peers.send_modify(|peers| {
            peers.present.remove(&address(name));
            peers.gone.insert(address(name));
        });
    }

    /// How often it was told that a process has joined.
    fn joined(&self, name: &str) -> usize {
        let joined = self.notices(
            |notice| matches!(notice, Notice::Joined { address: at, .. } if *at == address(name)),
        );
        joined.len()
    }

    /// What was told of the kinds that `is` takes.
    fn notices(&self, is: impl Fn(&Notice) -> bool) -> Vec<(String, Notice)> {
        let known = self.known();
        let notices = known.notices.iter();
        notices.filter(|(_, notice)| is(notice)).cloned().collect()
    }
}

/// The source as one process has it.
#[derive(Debug)]
struct Pod {
    name: String,
    pods: Arc<Pods>,
}

impl Discovery for Pod {
    fn peers(&self) -> watch::Receiver<PeerSet> {
        self.pods.peers.subscribe()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict> {
        let mut known = self.pods.known();
        let claims = known.claims.entry(self.name.clone()).or_default();
        claims.push(claim);
        let early = claims.len() <= REFUSED_CLAIMS;
        let taken = known.formed_by.as_ref();
        let verdict = if early || taken.is_some_and(|name| *name != self.name) {
            Verdict::Wait {
                reason: "somebody else may form the cluster".into(),
            }
        } else {
            known.formed_by = Some(self.name.clone());
            Verdict::Form
        };
        ready(verdict).boxed()
    }

    fn announce(&self, standing: Option<Standing>) {
        let mut known = self.pods.known();
        known.standings.insert(self.name.clone(), standing);
    }

    fn notify(&self, notice: Notice) {
        self.pods.known().notices.push((self.name.clone(), notice));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.pods.known().closed.insert(self.name.clone());
        ready(()).boxed()
    }
}

/// Processes, the source that they share, and the network.
struct Run {
    sim: Sim<'static>,
    pods: Arc<Pods>,
    processes: Vec<Process>,
    settings: Settings,
    load: Load,
}

impl Run {
    /// `size` processes that all start at once.
    fn start(size: usize) -> Self {
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
            pods: Arc::new(Pods {
                peers: watch::channel(PeerSet::default()).0,
                known: Mutex::default(),
            }),
            processes: Vec::new(),
            settings: Settings {
                voters: 3,
                read_lease: true,
                snapshot_after: 100,
                evict_after: NEVER,
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
    fn clustered(size: usize) -> Self {
        let mut run = Self::start(size);
        run.until("they are a cluster", |run| run.is_whole(size));
        // The last seat is seen to be taken before the change that takes it is at its end.
        run.pass(Duration::from_secs(1));
        run
    }

    fn add(&mut self) {
        self.pods.appears(&format!("n{}", self.processes.len() + 1));
        self.add_unseen();
    }

    /// Starts a process that the source has not heard of.
    fn add_unseen(&mut self) {
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
    fn pass(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.sim.step().expect("no process fails");
        }
    }

    /// Time passes until something is so, and no more of it than [`PATIENCE`].
    fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
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

    fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.lives())
    }

    /// The process that leads, as far as one can see.
    fn leader(&self) -> Option<&Process> {
        let leads = |process: &&Process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.role == Role::Leader)
        };
        let term = |process: &&Process| process.published().map(|seen| seen.term);
        self.living().filter(leads).max_by_key(term)
    }

    /// How many nodes vote, and how many do not, as the leader has it.
    fn members(&self) -> Option<(usize, usize)> {
        let seen = self.leader()?.published()?;
        Some((seen.voters, seen.learners))
    }

    /// Whether those that live are `size`, and one cluster that has all of them and no others.
    fn is_whole(&self, size: usize) -> bool {
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
    fn follower(&self) -> String {
        let follows = |process: &&Process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.role == Role::Follower)
        };
        let follower = self.living().find(follows).expect("a follower");
        follower.name.clone()
    }

    fn kill(&mut self, name: &str) {
        let process = self.processes.iter().find(|process| process.name == name);
        process.expect("a process of that name").note_killed();
        self.sim.crash(name);
    }

    fn clusters(&self) -> BTreeSet<Option<String>> {
        let seen = self.living().filter_map(Process::published);
        seen.map(|seen| seen.cluster).collect()
    }
}

#[test]
fn processes_that_start_at_once_form_the_one_cluster_that_was_claimed() {
    let run = Run::clustered(5);
    let known = run.pods.known();
    let former = known.formed_by.clone().expect("one of them");
    for (name, claims) in &known.claims {
        // Whoever keeps a record of claims must be able to tell that it was the same process.
        let ids: BTreeSet<&str> = claims.iter().map(|claim| claim.cluster.as_str()).collect();
        assert_eq!(ids.len(), 1, "{name} has drawn several ids: {ids:?}");
        assert!(claims.is_sorted_by(|a, b| a.looked_for < b.looked_for));
        let others = claims[1..].iter().flat_map(|claim| &claim.without_cluster);
        assert!(!others.clone().any(|other| *other == address(name)));
        assert!(others.count() > 0, "{name} has heard of nobody");
    }
    let claimed = known.claims[&former][0].cluster.clone();
    drop(known);
    assert_eq!(run.clusters(), [Some(claimed)].into_iter().collect());
}

#[test]
fn a_process_that_appears_later_is_found_and_joins() {
    let mut run = Run::clustered(3);
    for size in 4..=6 {
        run.add();
        run.until("it has joined", |run| run.is_whole(size));
    }
    for name in ["n4", "n5", "n6"] {
        run.until("that is told", |run| run.pods.joined(name) == 1);
    }
    // Each once, and nobody else but the two that joined the first.
    let joined = run
        .pods
        .notices(|notice| matches!(notice, Notice::Joined { .. }));
    assert_eq!(joined.len(), 5, "{joined:?}");
}

#[test]
fn a_pod_that_is_gone_frees_its_seat_at_once() {
    let mut run = Run::clustered(4);
    let gone = run.follower();
    run.kill(&gone);
    // Its silence alone frees nothing before its time.
    run.pass(SOON);
    assert_eq!(run.members(), Some((3, 1)));
    run.pods.is_gone(&gone);
    run.until("its seat is taken, and that is told", |run| {
        let told = run
            .pods
            .notices(|notice| matches!(notice, Notice::Evicted { .. }));
        run.members() == Some((3, 0)) && !told.is_empty()
    });
    let evicted = run
        .pods
        .notices(|notice| matches!(notice, Notice::Evicted { .. }));
    let [(by, Notice::Evicted { address: at, .. })] = &evicted[..] else {
        panic!("one was evicted: {evicted:?}");
    };
    assert_eq!(*at, address(&gone));
    assert_eq!(*by, run.leader().expect("a leader").name);
}

/// A pod may get the address of one that is gone and join before discovery has heard of it, and discovery may have the
/// last pods of a node that has lost touch with Kubernetes, and not with its cluster, be gone.
#[test]
fn who_is_said_to_be_gone_and_answers_stays() {
    let mut run = Run::clustered(4);
    run.pods.is_gone("n5");
    run.add_unseen();
    run.until("a fifth has joined", |run| run.is_whole(5));
    for process in &run.processes {
        run.pods.is_gone(&process.name);
    }
    run.pass(SOON);
    assert!(run.is_whole(5));
    let evicted = run
        .pods
        .notices(|notice| matches!(notice, Notice::Evicted { .. }));
    assert_eq!(evicted, []);
}

#[test]
fn each_process_says_what_it_is_until_it_is_nothing_more() {
    let mut run = Run::clustered(4);
    run.until("what they say is what they are", says_what_it_is);
    let leader = run.leader().expect("a leader").name.clone();
    let elected = run
        .pods
        .notices(|notice| matches!(notice, Notice::Elected { .. }));
    assert!(
        elected.iter().any(|(name, _)| *name == leader),
        "{elected:?}"
    );

    let process = run.processes.iter().find(|process| process.name == leader);
    process.expect("the leader").leave();
    run.until("it has left", |run| run.is_whole(3));
    let process = run.processes.iter().find(|process| process.name == leader);
    assert_eq!(process.expect("the leader").ended(), Some(Ok(Ended::Left)));
    run.until("what they say is what they are", says_what_it_is);
    let known = run.pods.known();
    assert_eq!(known.standings[&leader], None);
    assert!(known.closed.contains(&leader) && known.closed.len() == 1);
    drop(known);
    run.until("that is told", |run| {
        let left = run
            .pods
            .notices(|notice| matches!(notice, Notice::Left { .. }));
        matches!(&left[..], [(_, Notice::Left { address: at, .. })] if *at == address(&leader))
    });
}

fn says_what_it_is(run: &Run) -> bool {
    let known = run.pods.known();
    run.living().all(|process| {
        let Some(seen) = process.published() else {
            return false;
        };
        let role = match seen.role {
            Role::Leader => discovery::Role::Leader,
            Role::Follower => discovery::Role::Follower,
            Role::Learner => discovery::Role::Learner,
            Role::Joining => return false,
        };
        let standing = Standing {
            cluster: seen.cluster.unwrap_or_default(),
            node: seen.node.unwrap_or_default(),
            role,
            term: seen.term,
        };
        known.standings.get(&process.name) == Some(&Some(standing))
    })
}

fn of_quorum(notice: &Notice) -> bool {
    matches!(notice, Notice::QuorumLost | Notice::QuorumRegained)
}

/// Each process asks every two seconds whether there is a leader, so some of these elections are right when it does.
#[test]
fn an_election_loses_no_quorum() {
    for eighth in 0..8 {
        let mut run = Run::clustered(3);
        run.pass(eighth * Duration::from_millis(250));
        let leader = run.leader().expect("a leader").name.clone();
        run.kill(&leader);
        run.until("another one leads", |run| run.leader().is_some());
        run.pass(SOON);
        assert_eq!(run.pods.notices(of_quorum), []);
    }
}

#[test]
fn a_majority_that_is_lost_and_regained_is_told() {
    let mut run = Run::clustered(3);
    let leader = run.leader().expect("a leader").name.clone();
    let others: Vec<String> = run.living().map(|process| process.name.clone()).collect();
    for one in &others {
        for other in others.iter().filter(|other| one < *other) {
            run.sim.partition(one.as_str(), other.as_str());
        }
    }
    // The leader, too: it goes on naming itself.
    run.pass(SOON);
    let lost = run.pods.notices(of_quorum);
    let told: BTreeSet<&String> = lost.iter().map(|(name, _)| name).collect();
    assert!(
        told.contains(&leader) && told.len() == 3 && lost.len() == 3,
        "{lost:?}"
    );
    for one in &others {
        for other in others.iter().filter(|other| one < *other) {
            run.sim.repair(one.as_str(), other.as_str());
        }
    }
    run.until("all have a leader again", |run| {
        run.pods.notices(of_quorum).len() == 6
    });
    let regained = run.pods.notices(|notice| *notice == Notice::QuorumRegained);
    assert_eq!(regained.len(), 3);
}
