//! The processes as they see each other, and the clusters that they make.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use spindrift::discovery::Pledge;

/// A process, for as long as it lives.
pub type ProcessId = u64;

/// All processes and clusters. Clones share it.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    processes: BTreeMap<ProcessId, Living>,
    clusters: BTreeMap<String, Cluster>,
    log: Vec<String>,
    /// The first time that two clusters lived.
    violation: Option<String>,
    formed: usize,
}

struct Living {
    address: String,
    pledge: Pledge,
    cluster: Option<String>,
}

struct Cluster {
    /// Those that died without having been removed count.
    members: BTreeSet<ProcessId>,
    leader: ProcessId,
    term: u64,
}

/// What a peer answers that is asked for its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody is there, or has given its pledge.
    Silence,
    WithoutCluster,
    Member(String),
}

impl World {
    pub fn enter(&self, id: ProcessId, address: &str, pledge: Pledge) {
        let living = Living {
            address: address.to_owned(),
            pledge,
            cluster: None,
        };
        self.0.lock().processes.insert(id, living);
    }

    /// The process ends, and what it held is lost.
    pub fn leave(&self, id: ProcessId) {
        self.0.lock().processes.remove(&id);
    }

    pub fn ask(&self, address: &str) -> Answer {
        let state = self.0.lock();
        let mut all = state.processes.values();
        match all.find(|process| process.address == address) {
            None => Answer::Silence,
            Some(process) => match &process.cluster {
                Some(cluster) => Answer::Member(cluster.clone()),
                None if process.pledge.is_given() => Answer::Silence,
                None => Answer::WithoutCluster,
            },
        }
    }

    /// Forms a cluster, and notes if another one lives.
    pub fn form(&self, id: ProcessId, cluster: &str) {
        let mut state = self.0.lock();
        let Some(process) = state.processes.get_mut(&id) else {
            return;
        };
        process.cluster = Some(cluster.to_owned());
        let alive: Vec<String> = state.alive().map(str::to_owned).collect();
        state.formed += 1;
        state.clusters.insert(
            cluster.to_owned(),
            Cluster {
                members: [id].into(),
                leader: id,
                term: 1,
            },
        );
        if !alive.is_empty() {
            let violation = format!("process {id} forms {cluster} while {alive:?} live");
            state.violation.get_or_insert(violation);
        }
    }

    /// Joins a cluster, if its leader and a majority live to let the process in.
    pub fn join(&self, id: ProcessId, cluster: &str) -> bool {
        let mut state = self.0.lock();
        let led = state.clusters.get(cluster).is_some_and(|found| {
            state.processes.contains_key(&found.leader) && state.has_majority(found)
        });
        if !led || !state.processes.contains_key(&id) {
            return false;
        }
        if let Some(found) = state.clusters.get_mut(cluster) {
            found.members.insert(id);
        }
        if let Some(process) = state.processes.get_mut(&id) {
            process.cluster = Some(cluster.to_owned());
        }
        true
    }

    /// Lets a cluster look after itself: members elect one of them if their leader is lost, and remove who is. Gives the term if
    /// `id` leads.
    pub fn lead(&self, id: ProcessId, cluster: &str) -> Option<u64> {
        let mut state = self.0.lock();
        let State {
            processes,
            clusters,
            ..
        } = &mut *state;
        let found = clusters.get_mut(cluster)?;
        let lives = |member: &ProcessId| processes.contains_key(member);
        let living = found.members.iter().filter(|member| lives(member)).count();
        if living * 2 <= found.members.len() {
            return None;
        }
        if !lives(&found.leader) {
            found.leader = id;
            found.term += 1;
        }
        let lost = found.members.iter().find(|member| !lives(member)).copied();
        if let Some(lost) = lost {
            found.members.remove(&lost);
        }
        (found.leader == id).then_some(found.term)
    }

    pub fn note(&self, what: String) {
        self.0.lock().log.push(what);
    }

    pub fn log(&self) -> Vec<String> {
        self.0.lock().log.clone()
    }

    pub fn violation(&self) -> Option<String> {
        self.0.lock().violation.clone()
    }

    pub fn formed(&self) -> usize {
        self.0.lock().formed
    }

    /// The clusters that could go on.
    pub fn alive(&self) -> Vec<String> {
        self.0.lock().alive().map(str::to_owned).collect()
    }

    /// Whether all processes belong to one cluster.
    pub fn is_one(&self) -> bool {
        let state = self.0.lock();
        let clusters: BTreeSet<_> = state
            .processes
            .values()
            .map(|p| p.cluster.clone())
            .collect();
        clusters.len() == 1 && !clusters.contains(&None) && state.alive().count() == 1
    }

    /// Whether a process holds data of a cluster that has lost its majority, so that nobody may form another one.
    pub fn has_remains(&self) -> bool {
        let state = self.0.lock();
        let mut held = state.processes.values().filter_map(|p| p.cluster.as_ref());
        held.any(|cluster| {
            let found = state.clusters.get(cluster);
            found.is_some_and(|found| !state.has_majority(found))
        })
    }
}

impl State {
    fn has_majority(&self, cluster: &Cluster) -> bool {
        let members = cluster.members.iter();
        let living = members.filter(|id| self.processes.contains_key(id)).count();
        living * 2 > cluster.members.len()
    }

    fn alive(&self) -> impl Iterator<Item = &str> {
        let all = self.clusters.iter();
        let alive = all.filter(|(_, cluster)| self.has_majority(cluster));
        alive.map(|(name, _)| name.as_str())
    }
}
