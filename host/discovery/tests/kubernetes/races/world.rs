//! The processes as they see each other, and the clusters that they make.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use spindrift_discovery::Pledge;

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
    recovered: usize,
}

struct Living {
    address: String,
    pledge: Pledge,
    cluster: Option<String>,
}

struct Cluster {
    /// The clusters that it was recovered from.
    predecessors: BTreeSet<String>,
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
                predecessors: BTreeSet::new(),
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

    /// Recovers a cluster that has lost its majority, from one of its members, as a person who gives up what the others hold.
    /// Gives the new one's id.
    pub fn recover(&self, id: ProcessId) -> Option<String> {
        let mut state = self.0.lock();
        let old = state.processes.get(&id)?.cluster.clone()?;
        let lost = state.clusters.get(&old)?;
        if state.has_majority(lost) {
            return None;
        }
        let mut predecessors = lost.predecessors.clone();
        predecessors.insert(old.clone());
        let cluster = format!("{old}-recovered-by-{id}");
        state.recovered += 1;
        state.processes.get_mut(&id)?.cluster = Some(cluster.clone());
        state.clusters.insert(
            cluster.clone(),
            Cluster {
                predecessors,
                members: [id].into(),
                leader: id,
                term: 1,
            },
        );
        state
            .log
            .push(format!("process {id} recovers {old} as {cluster}"));
        Some(cluster)
    }

    /// Has a member give up a cluster that has lost its majority, and was recovered as one other that lives. Says whether it did.
    pub fn leave_behind(&self, id: ProcessId) -> bool {
        let mut state = self.0.lock();
        let own = state.processes.get(&id).and_then(|p| p.cluster.clone());
        let Some(own) = own else { return false };
        let lives = state
            .clusters
            .get(&own)
            .is_none_or(|c| state.has_majority(c));
        let successors = state.alive();
        let successors = successors.filter(|cluster| state.came_before(&own, cluster));
        if lives || successors.count() != 1 {
            return false;
        }
        if let Some(process) = state.processes.get_mut(&id) {
            process.cluster = None;
        }
        true
    }

    /// The cluster that a process belongs to, and those that it was recovered from.
    pub fn member_of(&self, id: ProcessId) -> Option<(String, Vec<String>)> {
        let state = self.0.lock();
        let cluster = state.processes.get(&id)?.cluster.clone()?;
        let predecessors = state.clusters.get(&cluster)?.predecessors.iter();
        Some((cluster.clone(), predecessors.cloned().collect()))
    }

    /// The Lease has recorded a cluster, and another one from now on. Notes if the first one lives.
    pub fn record_changes(&self, from: &str, to: &str) {
        let mut state = self.0.lock();
        state
            .log
            .push(format!("the Lease records {to} and not {from}"));
        if state.alive().any(|cluster| cluster == from) {
            let violation = format!("the Lease of {from}, which lives, was taken for {to}");
            state.violation.get_or_insert(violation);
        }
    }

    /// Members of clusters that have lost their majority and were not recovered.
    pub fn stranded(&self) -> Vec<ProcessId> {
        let state = self.0.lock();
        let stranded = |cluster: &str| {
            let lost = state.clusters.get(cluster);
            lost.is_some_and(|lost| !state.has_majority(lost))
                && !state.alive().any(|other| state.came_before(cluster, other))
        };
        let processes = state.processes.iter();
        let stranded = processes.filter(|(_, p)| p.cluster.as_deref().is_some_and(stranded));
        stranded.map(|(id, _)| *id).collect()
    }

    /// How many clusters were recovered.
    pub fn recovered(&self) -> usize {
        self.0.lock().recovered
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

    /// Whether `cluster` was recovered from `old`.
    fn came_before(&self, old: &str, cluster: &str) -> bool {
        let found = self.clusters.get(cluster);
        found.is_some_and(|found| found.predecessors.contains(old))
    }

    fn alive(&self) -> impl Iterator<Item = &str> {
        let all = self.clusters.iter();
        let alive = all.filter(|(_, cluster)| self.has_majority(cluster));
        alive.map(|(name, _)| name.as_str())
    }
}
