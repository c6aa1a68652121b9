//! The state machine: applies the log's entries to the map, in their order, the same on every node.
//!
//! A revision is the map's own count of commits, not the log index: an entry carries many commits, and each has to
//! have a revision that no other commit has. Every node counts alike, since it applies the same commits.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use spindrift_failures::{Kind, log_failure};
use spindrift_store::Map;
use tokio::sync::watch;
use tokio::time::Instant;

use super::command::{Batch, BatchReply, Command, Refusal, Reply, decode_commits};
use super::faults::Faults;
use super::limits;
use super::log::Log;
use super::metrics::ReplicationMetrics;
use super::node::Parts;
use super::origins::{Known, Origins};
use super::snapshot::{Form, StateSnapshot};
use super::types::{
    Entry, LeaderTerm, LogId, Member, Membership, NodeId, SnapshotMeta, StoredMembership,
    TypeConfig,
};
use super::versions::Version;

#[cfg(test)]
mod tests;

/// The node that forms a cluster. Every other id is allocated.
pub const FIRST_NODE: NodeId = 1;

/// How many nonces are remembered. A node asks again within seconds, if at all; a nonce that is forgotten costs an id.
const REMEMBERED_ALLOCATIONS: usize = 64;

/// Commits that are applied before other tasks of the thread get their turn, heartbeats among them.
const COMMITS_AT_A_TIME: usize = 256;

/// What the state machine keeps beside the entries of the map.
#[derive(Clone, Debug)]
pub(super) struct Bookkeeping {
    /// The next id to give.
    pub(super) next_node: NodeId,
    /// The last ids given, by nonce.
    pub(super) allocations: VecDeque<(u128, NodeId)>,
    /// The batches that were applied.
    pub(super) origins: Origins,
    /// The version of the peers' protocol in force; `None` before the first one.
    pub(super) version: Option<Version>,
}

impl Default for Bookkeeping {
    fn default() -> Self {
        Self {
            next_node: FIRST_NODE + 1,
            allocations: VecDeque::new(),
            origins: Origins::default(),
            version: None,
        }
    }
}

/// What is left of a cluster on one of its nodes, beside the entries in its map.
#[derive(Debug)]
pub struct Remains {
    bookkeeping: Bookkeeping,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    /// Not applied.
    entries: Vec<Entry>,
}

/// The state machine of one node.
#[derive(Debug)]
pub struct StateMachine {
    map: Arc<Map>,
    bookkeeping: Bookkeeping,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    /// Tells how many entries are applied: the index after the last one.
    applied: watch::Sender<u64>,
    /// Tells which version of the peers' protocol is in force.
    in_force: watch::Sender<Option<Version>>,
    metrics: ReplicationMetrics,
    faults: Faults,
    /// Whether another one goes on in its place.
    retired: bool,
}

impl StateMachine {
    /// An empty state, whose entries go into `map`. The receiver hears the index after the last entry applied.
    #[must_use]
    pub fn new(
        map: Arc<Map>,
        metrics: ReplicationMetrics,
        faults: Faults,
    ) -> (Self, watch::Receiver<u64>) {
        let (applied, receiver) = watch::channel(0);
        let machine = Self {
            map,
            bookkeeping: Bookkeeping::default(),
            last_applied: None,
            membership: StoredMembership::default(),
            applied,
            in_force: watch::channel(None).0,
            metrics,
            faults,
            retired: false,
        };
        (machine, receiver)
    }

    /// A state machine that goes on where another one ended, as that of a new cluster, which so far has one member.
    /// Entries that the other one had in its log and not applied are applied: they may have been acknowledged.
    ///
    /// Says which id that member has, and the last entry applied.
    #[must_use]
    pub fn recovered(
        map: Arc<Map>,
        left: Remains,
        member: Member,
        parts: &Parts,
    ) -> (Self, watch::Receiver<u64>, NodeId, Option<LogId>) {
        let (mut machine, receiver) = Self::new(map, parts.metrics.clone(), parts.backend.faults);
        machine.bookkeeping = left.bookkeeping;
        machine.membership = left.membership;
        machine.last_applied = left.last_applied;
        for entry in left.entries {
            let log_id = entry.log_id();
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(command) => {
                    machine.apply_command(command);
                }
                EntryPayload::Membership(membership) => {
                    machine.membership = StoredMembership::new(Some(log_id), membership);
                }
            }
            machine.last_applied = Some(log_id);
        }
        let node = machine.bookkeeping.next_node;
        machine.bookkeeping.next_node += 1;
        machine.bookkeeping.origins = Origins::default();
        let version = machine.bookkeeping.version;
        machine.in_force.send_replace(version);
        let member = member.in_version(version.unwrap_or(Version::RANGES));
        let nodes = BTreeMap::from([(node, member)]);
        let membership = Membership::from(nodes);
        let last_applied = machine.last_applied;
        machine.set_membership(StoredMembership::new(last_applied, membership));
        machine.set_applied(last_applied);
        (machine, receiver, node, last_applied)
    }

    /// Ends it and its log, and gives what a new cluster can be made of.
    ///
    /// The state machine of that cluster has the same map, and applies what this one had not: an entry that this one applied
    /// after all would be applied twice. An entry that its log took after all would be acknowledged, and lost.
    #[must_use]
    pub fn retire(&mut self, log: &Log) -> Remains {
        self.retired = true;
        log.close();
        Remains {
            bookkeeping: self.bookkeeping.clone(),
            last_applied: self.last_applied,
            membership: self.membership.clone(),
            entries: log.entries_after(self.last_applied.map(|log_id| log_id.index)),
        }
    }

    /// Hears which version of the peers' protocol is in force.
    #[must_use]
    pub fn in_force(&self) -> watch::Receiver<Option<Version>> {
        self.in_force.subscribe()
    }

    /// A version does not go back, and none is brought into force that a member does not speak.
    fn bring_into_force(&mut self, version: Version) {
        let books = &mut self.bookkeeping;
        let members = self.membership.nodes();
        let mut members = members.map(|(_, member)| member.newest_version());
        if books.version < Some(version) && members.all(|newest| version <= newest) {
            tracing::info!("version {version} of the peers' protocol is in force from now on");
            books.version = Some(version);
            self.in_force.send_replace(books.version);
        }
    }

    fn check_in_office(&self) -> Result<(), io::Error> {
        if self.retired {
            return Err(io::Error::other(
                "another state machine goes on in the place of this one",
            ));
        }
        Ok(())
    }

    /// The id that would be given next.
    #[must_use]
    pub fn next_node(&self) -> NodeId {
        self.bookkeeping.next_node
    }

    fn apply_command(&mut self, command: Command) -> (Reply, usize) {
        match command {
            Command::Batch(batch) => {
                let reply = self.apply_batch(batch);
                let commits = match &reply {
                    BatchReply::Applied(commits) => commits.len(),
                    BatchReply::Refused(_) => 0,
                };
                (Reply::Batch(reply), commits)
            }
            Command::AllocateNode { nonce } => (Reply::Node(self.allocate(nonce)), 0),
            Command::SetLimits { max_total_bytes } => {
                let before = limits::in_force(&self.map);
                limits::bring_into_force(&self.map, &max_total_bytes);
                limits::tell_changes(&self.map, &before);
                (Reply::Nothing, 0)
            }
            Command::BringIntoForce { version } => {
                self.bring_into_force(version);
                (Reply::Nothing, 0)
            }
        }
    }

    fn apply_batch(&mut self, batch: Batch) -> BatchReply {
        let origins = &mut self.bookkeeping.origins;
        match origins.look_up(batch.origin, batch.sequence, batch.settled) {
            Known::Answer(reply) if !self.faults.no_dedup => return reply,
            _ => {}
        }
        let reply = match decode_commits(batch.commits) {
            Ok(commits) => {
                let applied = commits
                    .into_iter()
                    .map(|commit| self.map.apply_next(commit));
                BatchReply::Applied(applied.collect())
            }
            Err(error) => {
                log_failure!(
                    ERROR,
                    Kind::DamagedBatches,
                    "",
                    node = batch.origin,
                    "{error}"
                );
                BatchReply::Refused(Refusal::Damaged)
            }
        };
        origins.remember(batch.origin, batch.sequence, reply.clone());
        reply
    }

    fn allocate(&mut self, nonce: u128) -> NodeId {
        let books = &mut self.bookkeeping;
        if let Some((_, node)) = books.allocations.iter().find(|(known, _)| *known == nonce) {
            return *node;
        }
        let node = books.next_node;
        books.next_node += 1;
        if books.allocations.len() == REMEMBERED_ALLOCATIONS {
            books.allocations.pop_front();
        }
        books.allocations.push_back((nonce, node));
        node
    }

    fn set_membership(&mut self, membership: StoredMembership) {
        let members = membership.nodes().map(|(node, _)| *node);
        self.bookkeeping.origins.set_members(members);
        self.membership = membership;
    }

    fn set_applied(&mut self, log_id: Option<LogId>) {
        self.last_applied = log_id;
        self.applied
            .send_replace(log_id.map_or(0, |log_id| log_id.index + 1));
    }

    fn cut(&self) -> Snapshot<LeaderTerm, NodeId, Member, StateSnapshot> {
        let began = Instant::now();
        let cut = Snapshot {
            meta: SnapshotMeta {
                last_log_id: self.last_applied,
                last_membership: self.membership.clone(),
            },
            snapshot: StateSnapshot(Form::Cut {
                bookkeeping: self.bookkeeping.clone(),
                entries: self.map.snapshot(),
            }),
        };
        self.metrics.snapshot_built(began.elapsed());
        cut
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = StateSnapshot;
    type SnapshotBuilder = SnapshotCut;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        self.check_in_office()?;
        let mut commits_in_turn = 0;
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let log_id = entry.log_id();
            let reply = match entry.payload {
                EntryPayload::Blank => Reply::Nothing,
                EntryPayload::Normal(command) => {
                    let (reply, commits) = self.apply_command(command);
                    commits_in_turn += commits;
                    reply
                }
                EntryPayload::Membership(membership) => {
                    self.set_membership(StoredMembership::new(Some(log_id), membership));
                    Reply::Nothing
                }
            };
            self.set_applied(Some(log_id));
            if let Some(responder) = responder {
                responder.send(reply);
            }
            if commits_in_turn >= COMMITS_AT_A_TIME {
                commits_in_turn = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotCut {
        SnapshotCut(Some(self.cut()))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: StateSnapshot,
    ) -> Result<(), io::Error> {
        self.check_in_office()?;
        let received = snapshot
            .into_received(&self.map)
            .map_err(io::Error::other)?;
        let limits_before = limits::in_force(&self.map);
        received
            .restoration
            .finish(received.revision)
            .map_err(io::Error::other)?;
        limits::tell_changes(&self.map, &limits_before);
        self.bookkeeping = received.bookkeeping;
        self.in_force.send_replace(self.bookkeeping.version);
        self.set_membership(meta.last_membership.clone());
        self.set_applied(meta.last_log_id);
        Ok(())
    }

    /// A cut of this moment, whichever one was built last: it costs microseconds, and nobody has to hold on to an
    /// older one.
    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<LeaderTerm, NodeId, Member, StateSnapshot>>, io::Error> {
        Ok(self.last_applied.map(|_| self.cut()))
    }
}

/// A cut, as openraft's builder of snapshots: it was made when the builder was asked for.
#[derive(Debug)]
pub struct SnapshotCut(Option<Snapshot<LeaderTerm, NodeId, Member, StateSnapshot>>);

impl RaftSnapshotBuilder<TypeConfig> for SnapshotCut {
    type SnapshotData = StateSnapshot;

    async fn build_snapshot(
        &mut self,
    ) -> Result<Snapshot<LeaderTerm, NodeId, Member, StateSnapshot>, io::Error> {
        self.0
            .take()
            .ok_or_else(|| io::Error::other("this snapshot was built already"))
    }
}
