//! The leader's duty: see who is there, and make the next change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftMetrics;
use openraft::raft::Precondition;
use openraft::{ChangeMembers, Instant as _};
use spindrift_discovery::{Discovery, PeerSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Departures;
use super::comings::Comings;
use super::plan::{Change, Seen, View, next_change};
use super::refusals::Refusals;
use super::silence::Silence;
use crate::types::{NodeId, Raft, StoredMembership, TypeConfig};

/// How often the leader looks, where nothing tells it to look sooner.
const INTERVAL: Duration = Duration::from_millis(200);

/// A learner that lacks no more entries than this has caught up.
const CAUGHT_UP_ENTRIES: u64 = 128;

/// How long a change may take until the leader looks again. It may yet come to pass.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a voter is silent, at least, before it is removed so that another one can leave. A paused or slow node is back
/// by then, and a node that leaves still has the time for the rest.
const PATIENCE: Duration = Duration::from_millis(2500);

/// The duty of one node, done while it leads.
pub struct Duty {
    /// The node's part in the cluster.
    pub raft: Raft,
    /// Who is to be removed.
    pub departures: Departures,
    /// Where nothing listens.
    pub refusals: Refusals,
    /// Who is gone, and where people see who comes and goes.
    pub discovery: Arc<dyn Discovery>,
    /// How many voters there should be.
    pub wanted_voters: usize,
    /// A member that is silent for so long is removed.
    pub evict_after: Duration,
    /// An acknowledgement that is older than this is no sign of life any more, and a member that does not answer within this
    /// is not waited for.
    pub alive_within: Duration,
}

impl Duty {
    /// Does the duty whenever this node leads. Never ends.
    pub async fn run(self) {
        let mut departures = self.departures.watch();
        let mut peers = self.discovery.peers();
        let mut comings = Comings::default();
        let mut silence = Silence::default();
        loop {
            let seen = self.raft.metrics().borrow_watched().clone();
            if seen.current_leader == Some(seen.id) && seen.state.is_leader() {
                let members = seen.membership_config.nodes().map(|(node, _)| *node);
                let members: BTreeSet<NodeId> = members.collect();
                silence.lead(seen.current_term, &members);
                let committed = addresses(&seen.committed_membership_config);
                // Those that are still to be told of are still to be known.
                let both = members.iter().chain(committed.keys()).copied();
                let both: BTreeSet<NodeId> = both.collect();
                comings.tell(committed, &self.departures, &*self.discovery);
                self.departures.keep(&both);
                let peers = peers.borrow_and_update().clone();
                let looking = Looking {
                    silence: &silence,
                    peers: &peers,
                };
                if let Some(view) = self.view(&seen, &looking, self.lately())
                    && let Some(change) = next_change(&view)
                    && let Some(seen) = self.confirmed(&change, &seen, &looking).await
                {
                    self.make(change, &seen).await;
                }
            } else {
                silence.forget();
                comings.forget();
            }
            let paused = Instant::now();
            tokio::select! {
                () = sleep(INTERVAL) => {}
                Ok(()) = departures.changed() => {}
                Ok(()) = peers.changed() => {}
            }
            // This process stood still. What others have said meanwhile is still to be read.
            if paused.elapsed() > INTERVAL + self.alive_within {
                silence.forget();
            }
        }
    }

    /// Since when an acknowledgement is a sign of life at the first look.
    fn lately(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.alive_within).unwrap_or(now)
    }

    /// Asks all members for a sign of life, and waits until there are enough for `change`. Gives what the leader saw then, or
    /// nothing if they do not come.
    ///
    /// A member that has died a moment ago has been heard lately. A change that counts on it would be the last one: it could
    /// never be committed, nor taken back. So nothing counts but what was sent after the change was thought of.
    async fn confirmed(
        &self,
        change: &Change,
        before: &RaftMetrics<TypeConfig>,
        looking: &Looking<'_>,
    ) -> Option<RaftMetrics<TypeConfig>> {
        if *change == Change::Finish {
            return Some(before.clone());
        }
        let asked = Instant::now();
        // openraft has stopped where this fails.
        self.raft.trigger().heartbeat().await.ok()?;
        let mut metrics = self.raft.metrics();
        let confirming = async {
            loop {
                let seen = metrics.borrow_watched().clone();
                let same = seen.current_term == before.current_term
                    && seen.membership_config.log_id() == before.membership_config.log_id();
                if !same {
                    return None;
                }
                let view = self.view(&seen, looking, asked)?;
                if next_change(&view).as_ref() == Some(change) {
                    return Some(seen);
                }
                metrics.changed().await.ok()?;
            }
        };
        timeout_at(asked + self.alive_within, confirming)
            .await
            .ok()
            .flatten()
    }

    /// What the leader sees, where what it has sent since `since` is a sign of life if it was acknowledged. Nothing while its
    /// last change is not committed, nor anything else of its term: until then it does not know what is.
    ///
    /// openraft notes acknowledgements anew for each term, each with the time at which the message was sent.
    fn view(
        &self,
        seen: &RaftMetrics<TypeConfig>,
        looking: &Looking<'_>,
        since: Instant,
    ) -> Option<View> {
        let committed = seen.cluster_committed.as_ref()?;
        if committed.committed_leader_id().term != seen.current_term
            || seen.membership_config.log_id() != seen.committed_membership_config.log_id()
        {
            return None;
        }
        let (heard, replicated) = (seen.heartbeat.as_ref()?, seen.replication.as_ref()?);
        let last = seen.last_log_index.unwrap_or(0);
        let departing = self.departures.current();
        let voters: BTreeSet<NodeId> = seen.membership_config.voter_ids().collect();
        let Looking { silence, peers } = looking;
        let recent = since.elapsed();
        let members = seen.membership_config.nodes().map(|(node, member)| {
            let heard = heard.get(node).copied().flatten();
            let matched = replicated.get(node).copied().flatten();
            let matched = matched.map_or(0, |log_id| log_id.index);
            Seen {
                node: *node,
                voter: voters.contains(node),
                heard: heard.is_some_and(|heard| heard.elapsed() <= recent),
                silent: silence.of(*node, heard.map(|heard| heard.elapsed())),
                refusing: self.refusals.lasting(&member.peer),
                caught_up: matched > 0 && matched + CAUGHT_UP_ENTRIES >= last,
                gone: peers.gone.contains(&member.peer) && !peers.present.contains(&member.peer),
                departing: departing.contains(node),
            }
        });
        Some(View {
            leader: seen.id,
            members: members.collect(),
            changing: seen.membership_config.get_joint_config().len() > 1,
            wanted_voters: self.wanted_voters,
            evict_after: self.evict_after,
            alive_within: self.alive_within,
            patience: PATIENCE.max(self.alive_within),
            places: seen
                .membership_config
                .nodes()
                .filter_map(|(node, member)| Some((*node, peers.places.get(&member.peer)?.clone())))
                .collect(),
        })
    }

    async fn make(&self, change: Change, seen: &RaftMetrics<TypeConfig>) {
        let (members, retain) = match &change {
            Change::Finish => {
                let last = seen.membership_config.get_joint_config().last();
                (
                    ChangeMembers::ReplaceAllVoters(last.cloned().unwrap_or_default()),
                    false,
                )
            }
            Change::SetVoters(voters) => (ChangeMembers::ReplaceAllVoters(voters.clone()), false),
            Change::MoveSeat(voters) => (ChangeMembers::ReplaceAllVoters(voters.clone()), true),
            Change::Demote(node) => (ChangeMembers::RemoveVoters([*node].into()), true),
            Change::RemoveLearner(node) => (ChangeMembers::RemoveNodes([*node].into()), true),
        };
        // It was thought of for this membership, and for no other.
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: *seen.membership_config.log_id(),
        };
        let changed = self.raft.change_membership_if(members, retain, [unchanged]);
        match timeout(CHANGE_TIMEOUT, changed).await {
            Ok(Ok(_)) => tracing::info!("changed the membership: {change:?}"),
            Ok(Err(error)) => {
                tracing::debug!("the membership could not be changed: {change:?}: {error}")
            }
            Err(_) => tracing::debug!("changing the membership takes long: {change:?}"),
        }
    }
}

/// What the leader sees beside what openraft knows.
struct Looking<'a> {
    silence: &'a Silence,
    peers: &'a PeerSet,
}

/// Where the members are.
fn addresses(membership: &StoredMembership) -> BTreeMap<NodeId, String> {
    let members = membership.nodes();
    members
        .map(|(node, member)| (*node, member.peer.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use spindrift_discovery::StaticList;
    use spindrift_store::{StoreLimits, Stores};
    use tokio::time::advance;

    use super::*;
    use crate::network::{Authentication, Peers, Tcp};
    use crate::node::{Node, Parts};
    use crate::suspension::SuspendedFor;
    use crate::types::{ClusterId, Member};
    use crate::{Faults, Replicated, ReplicationMetrics, ReplicationOptions};

    const EVICT_AFTER: Duration = Duration::from_secs(60);

    /// Nobody is there.
    const SILENT: &str = "127.0.0.1:1";

    /// The only voter of a cluster.
    async fn voter() -> Node {
        let options = ReplicationOptions {
            voters: 1,
            evict_after: EVICT_AFTER,
            ..ReplicationOptions::default()
        };
        let stores = Stores::new([("default".to_owned(), StoreLimits::default())].into());
        let backend = Replicated::new(stores, options.leader_wait, Faults::default());
        let authentication = Authentication::default();
        let parts = Parts {
            options: Arc::new(options),
            discovery: Arc::new(StaticList::new([], "127.0.0.1:7000", true)),
            application: "test".into(),
            backend: Arc::new(backend),
            peers: Peers::new(Arc::new(Tcp), None, authentication, 1 << 20, None),
            refusals: Refusals::default(),
            metrics: ReplicationMetrics::default(),
            suspended_for: SuspendedFor::default(),
        };
        let founded = Node::found(&parts, ClusterId(1), Member::default()).await;
        founded.expect("a cluster")
    }

    fn is_member(node: &Node, other: NodeId) -> bool {
        let seen = node.raft.metrics().borrow_watched().clone();
        seen.membership_config.get_node(&other).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_removed_for_a_time_in_which_the_leader_stood_still() {
        let node = voter().await;
        let learner = Member {
            peer: SILENT.to_owned(),
            vote_lease_ms: 300,
            ..Member::default()
        };
        let added = node.raft.add_learner(2, learner, false).await;
        added.expect("a learner");
        sleep(EVICT_AFTER / 2).await;
        advance(EVICT_AFTER).await;
        sleep(EVICT_AFTER / 2).await;
        assert!(is_member(&node, 2), "it could not be heard");
        sleep(EVICT_AFTER).await;
        assert!(!is_member(&node, 2), "it could be heard, and was silent");
        node.stop().await;
    }
}
