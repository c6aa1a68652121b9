//! One node, from the moment that it has an id until it has it no more: its Raft, with log and state machine, and the
//! tasks that go with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use spindrift_discovery::Discovery;
use spindrift_memory::Budget;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::command::Command;
use super::compaction::{Bounds, keep_short};
use super::elections::{Elections, watch as watch_elections};
use super::leader_link::{LeaderLink, ReadPolicy};
use super::leadership::{Leadership, watch_leadership};
use super::limits::LimitsDuty;
use super::log::Log;
use super::membership::{Departures, Duty, Refusals};
use super::metrics::ReplicationMetrics;
use super::network::{CommitNews, Cutoff, OwnNode, Peers};
use super::options::ReplicationOptions;
use super::predecessors::Predecessors;
use super::read_index::ReadIndex;
use super::replicated::Replicated;
use super::state_machine::{FIRST_NODE, Remains, StateMachine};
use super::submit::Submitter;
use super::suspension::SuspendedFor;
use super::types::{ClusterId, Identity, LeaderTerm, Member, NodeId, Raft, Vote};
use super::upgrade::{Admissions, UpgradeDuty};
use super::versions::{Version, Versions};
use super::vote_lease::Leases;

mod config;
mod error;

use config::{config, max_log_bytes};
pub use error::NodeError;

/// A node that is a member of a cluster, or about to be.
pub struct Node {
    /// Which.
    pub identity: Identity,
    /// The clusters that its own was recovered from.
    pub predecessors: Predecessors,
    /// Its part in the cluster.
    pub raft: Raft,
    /// Its log.
    pub log: Log,
    /// Who leads, as it knows.
    pub leadership: watch::Receiver<Leadership>,
    /// The index after the last entry that it has applied.
    pub applied: watch::Receiver<u64>,
    /// What it has seen of elections.
    pub elections: Elections,
    /// Whom it is to remove where it leads.
    pub departures: Departures,
    /// How it confirms reads where it leads.
    pub read_policy: ReadPolicy,
    /// How it brings its followers word of commits where it leads.
    pub news: CommitNews,
    /// The version of the peers' protocol in force in its cluster; `None` before the first one.
    pub in_force: watch::Receiver<Option<Version>>,
    /// Held while it lets a node in.
    pub admissions: Admissions,
    /// The budget for what is held for clients, those of other nodes among them.
    pub memory: Arc<Budget>,
    tasks: parking_lot::Mutex<JoinSet<()>>,
}

/// A node that takes part in its cluster, and whose own tasks do not run yet.
struct Idle {
    node: Node,
    link: LeaderLink,
    cutoff: Cutoff,
}

impl Idle {
    /// The node with its tasks.
    fn at_work(self, parts: &Parts) -> Node {
        self.node
            .spawn_tasks(parts, Arc::new(self.link), self.cutoff);
        self.node
    }
}

/// What a node is made with.
#[derive(Clone)]
pub struct Parts {
    /// What it was told.
    pub options: Arc<ReplicationOptions>,
    /// Who its peers are, and where people see what becomes of it.
    pub discovery: Arc<dyn Discovery>,
    /// The application that it runs.
    pub application: String,
    /// Its side of the store.
    pub backend: Arc<Replicated>,
    /// The way to other nodes.
    pub peers: Peers,
    /// Where nothing listens, of where it leads to.
    pub refusals: Refusals,
    /// What is counted.
    pub metrics: ReplicationMetrics,
    /// For how long the machine was suspended.
    pub suspended_for: SuspendedFor,
}

impl Node {
    /// The first and only member of a new cluster.
    ///
    /// Before anybody can have a commit put into the log, the limits of the stores are in it: nodes that join later may be
    /// configured with others, and must not check these commits against theirs. So is the version of the peers' protocol: the
    /// newest that this node speaks.
    ///
    /// # Errors
    ///
    /// The options contradict each other, or replication has stopped.
    pub async fn found(
        parts: &Parts,
        cluster: ClusterId,
        member: Member,
    ) -> Result<Self, NodeError> {
        let identity = Identity {
            cluster,
            node: FIRST_NODE,
        };
        let new = Self::empty(parts, identity, Predecessors::default()).await?;
        let members = BTreeMap::from([(FIRST_NODE, member)]);
        let initialized = new.node.raft.initialize(members).await;
        initialized.map_err(|error| NodeError::Stopped(error.to_string()))?;
        let begun =
            new.node.upgrade_duty(parts).begin().await && new.node.limits_duty(parts).begin().await;
        if !begun {
            return Err(NodeError::Stopped("the cluster has not begun".into()));
        }
        Ok(new.at_work(parts))
    }

    /// A node with an id and nothing else.
    ///
    /// # Errors
    ///
    /// The options contradict each other.
    pub async fn start(
        parts: &Parts,
        identity: Identity,
        predecessors: Predecessors,
    ) -> Result<Self, NodeError> {
        let new = Self::empty(parts, identity, predecessors).await?;
        Ok(new.at_work(parts))
    }

    async fn empty(
        parts: &Parts,
        identity: Identity,
        predecessors: Predecessors,
    ) -> Result<Idle, NodeError> {
        let map = parts.backend.map.clone();
        let (machine, applied) =
            StateMachine::new(map, parts.metrics.clone(), parts.backend.faults);
        let log = Log::default();
        Self::idle(parts, identity, predecessors, log, machine, applied).await
    }

    /// The first and only member of a cluster that is made of what is left of the last of `predecessors`.
    ///
    /// # Errors
    ///
    /// The options contradict each other, or nothing is left.
    pub async fn recover(
        parts: &Parts,
        cluster: ClusterId,
        predecessors: Predecessors,
        member: Member,
        remains: Remains,
    ) -> Result<Self, NodeError> {
        let map = parts.backend.map.clone();
        let (machine, applied, node, last) = StateMachine::recovered(map, remains, member, parts);
        let last = last.ok_or_else(|| NodeError::Stopped("this node holds nothing".into()))?;
        let identity = Identity { cluster, node };
        // Terms go on where the log ends.
        let log = Log::after(last, Vote::new(last.committed_leader_id().term, node));
        let recovered = Self::idle(parts, identity, predecessors, log, machine, applied).await?;
        Ok(recovered.at_work(parts))
    }

    async fn idle(
        parts: &Parts,
        identity: Identity,
        predecessors: Predecessors,
        log: Log,
        machine: StateMachine,
        applied: watch::Receiver<u64>,
    ) -> Result<Idle, NodeError> {
        let options = &parts.options;
        let config = config(parts)?.validate();
        let config = Arc::new(config.map_err(|error| NodeError::Options(Box::new(error)))?);
        let (news, cutoff) = (CommitNews::default(), Cutoff::default());
        let elections = Elections::new(
            identity.node,
            options.election_timeout,
            options.heartbeat_interval,
            parts.metrics.elections.clone(),
        );
        let network = parts.peers.network(OwnNode {
            identity,
            log: log.clone(),
            max_log_bytes: max_log_bytes(options),
            news: news.clone(),
            cutoff: cutoff.clone(),
            metrics: parts.metrics.clone(),
            elections: elections.clone(),
            suspended_for: parts.suspended_for.clone(),
            memory: parts.backend.map.stores().memory().clone(),
        });
        let in_force = machine.in_force();
        let raft = Raft::new(identity.node, config, network, log.clone(), machine)
            .await
            .map_err(|error| NodeError::Stopped(error.to_string()))?;
        let leadership = watch_leadership(&raft);
        let read_policy = ReadPolicy {
            lease: options.read_lease,
            leases: Leases::new(parts.suspended_for.clone()),
            wait: options.election_timeout,
        };
        let link = LeaderLink::new(
            identity,
            raft.clone(),
            parts.peers.clone(),
            read_policy.clone(),
            elections.clone(),
        );
        let node = Self {
            identity,
            predecessors,
            raft,
            log,
            leadership,
            applied,
            elections,
            departures: Departures::default(),
            read_policy,
            news,
            in_force,
            admissions: Admissions::default(),
            memory: parts.backend.map.stores().memory().clone(),
            tasks: parking_lot::Mutex::new(JoinSet::new()),
        };
        Ok(Idle { node, link, cutoff })
    }

    fn spawn_tasks(&self, parts: &Parts, link: Arc<LeaderLink>, cutoff: Cutoff) {
        let options = &parts.options;
        parts.backend.explain_with(self.leadership.clone());
        let submitter = Submitter {
            node: self.identity.node,
            queue: parts.backend.commits.clone(),
            link: link.clone(),
            leadership: self.leadership.clone(),
            metrics: parts.metrics.clone(),
            twice: parts.backend.faults.no_dedup,
        };
        let reads = ReadIndex {
            queue: parts.backend.reads.clone(),
            link,
            leadership: self.leadership.clone(),
            applied: self.applied.clone(),
            metrics: parts.metrics.clone(),
        };
        let duty = Duty {
            raft: self.raft.clone(),
            departures: self.departures.clone(),
            refusals: parts.refusals.clone(),
            discovery: parts.discovery.clone(),
            wanted_voters: options.voters,
            evict_after: options.evict_after,
            // Whoever has missed several heartbeats may be gone.
            alive_within: options.election_timeout * 2,
        };
        let mut tasks = self.tasks.lock();
        tasks.spawn(submitter.run());
        tasks.spawn(reads.run());
        tasks.spawn(duty.run());
        tasks.spawn(self.limits_duty(parts).run());
        tasks.spawn(self.upgrade_duty(parts).run());
        tasks.spawn(keep_short(
            self.raft.clone(),
            self.log.clone(),
            Bounds {
                entries: usize::try_from(options.snapshot_after).unwrap_or(usize::MAX),
                bytes: max_log_bytes(options),
            },
            cutoff,
        ));
        tasks.spawn(watch_elections(
            self.raft.clone(),
            self.elections.clone(),
            options.election_timeout,
            options.heartbeat_interval,
        ));
    }

    fn limits_duty(&self, parts: &Parts) -> LimitsDuty {
        LimitsDuty {
            identity: self.identity,
            raft: self.raft.clone(),
            peers: parts.peers.clone(),
            map: parts.backend.map.clone(),
            leadership: self.leadership.clone(),
        }
    }

    fn upgrade_duty(&self, parts: &Parts) -> UpgradeDuty {
        UpgradeDuty {
            identity: self.identity,
            raft: self.raft.clone(),
            peers: parts.peers.clone(),
            leadership: self.leadership.clone(),
            in_force: self.in_force.clone(),
            admissions: self.admissions.clone(),
        }
    }

    /// Waits until a version of the peers' protocol is in force that this node does not speak, of which `own` are those that it
    /// speaks. Never ends otherwise.
    pub async fn outdated(&self, own: Versions) -> NodeError {
        let mut in_force = self.in_force.clone();
        let unspoken = |version: &Option<Version>| version.is_some_and(|v| !own.include(v));
        match in_force.wait_for(unspoken).await.map(|version| *version) {
            Ok(Some(version)) => NodeError::Outdated { version, own },
            // The node has stopped.
            _ => std::future::pending().await,
        }
    }

    /// Whether this node leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        let leadership = self.leadership.borrow();
        leadership.leader.as_ref().map(|(node, _)| *node) == Some(self.identity.node)
    }

    /// Whether a majority has acknowledged this node, which leads, within an election time-out.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        let acked = self.raft.data_metrics().borrow_watched().last_quorum_acked;
        acked.is_some_and(|acked| acked.elapsed() <= self.read_policy.wait)
    }

    /// Has the cluster give an id, which only a leader can. The same nonce gets the same id. Gives as well under which
    /// leadership it was given.
    ///
    /// # Errors
    ///
    /// This node does not lead, or stops leading meanwhile.
    pub async fn allocate(&self, nonce: u128) -> Result<(NodeId, LeaderTerm), NodeError> {
        let command = Command::AllocateNode { nonce };
        match self.raft.client_write(command).await {
            Ok(response) => match response.data {
                super::command::Reply::Node(node) => {
                    Ok((node, *response.log_id.committed_leader_id()))
                }
                other => Err(NodeError::Stopped(format!("an unfitting reply: {other:?}"))),
            },
            Err(error) => Err(NodeError::Stopped(error.to_string())),
        }
    }

    /// Ends it: it takes no further part in the cluster. What is in flight is answered as of unknown outcome.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.shutdown().await;
        // It fails where openraft has panicked; there is nothing left to stop then.
        self.raft.shutdown().await.ok();
    }
}
