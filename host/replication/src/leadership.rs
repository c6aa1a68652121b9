//! Who leads, as one node knows it, and waiting for that to change.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::types::{Member, NodeId, Raft, TypeConfig};

/// Who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term that the node is in.
    pub term: u64,
    /// The leader of that term, if the node knows one.
    pub leader: Option<(NodeId, Member)>,
    /// How many nodes vote.
    pub voters: usize,
}

impl Leadership {
    fn of(seen: &RaftServerMetrics<TypeConfig>) -> Self {
        let membership = &seen.membership_config;
        let member = |node: &NodeId| membership.get_node(node).cloned();
        Self {
            term: seen.vote.leader_id.term,
            leader: seen
                .current_leader
                .and_then(|node| Some((node, member(&node)?))),
            voters: membership.voter_ids().count(),
        }
    }

    /// The leader's address, or nothing.
    #[must_use]
    pub fn address(&self) -> String {
        let leader = self.leader.as_ref();
        leader.map_or_else(String::new, |(_, member)| member.peer.clone())
    }

    /// Why a request that has waited for so long was not served.
    #[must_use]
    pub fn why_unavailable(&self, waited: Duration) -> String {
        let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        if let Some((_, leader)) = &self.leader {
            let majority = self.voters / 2 + 1;
            return format!(
                "the cluster's leader, at {}, has not answered within {waited:?}, or this node has not caught up with it: \
                 of the cluster's {} voters, {majority} must be up and reach each other and this node",
                leader.peer, self.voters
            );
        }
        if self.voters == 0 {
            return format!(
                "this node has joined a cluster, and has not heard of its leader for {waited:?}"
            );
        }
        let majority = self.voters / 2 + 1;
        format!(
            "this node has reached no leader with a majority for {waited:?}: of the cluster's {} voters, {majority} must \
             be up and reach each other and this node",
            self.voters
        )
    }
}

/// Keeps a receiver up to date for as long as the node runs.
#[must_use]
pub fn watch_leadership(raft: &Raft) -> watch::Receiver<Leadership> {
    let mut metrics = raft.server_metrics();
    let (sender, receiver) = watch::channel(Leadership::of(&metrics.borrow_watched()));
    tokio::spawn(async move {
        while metrics.changed().await.is_ok() {
            let now = Leadership::of(&metrics.borrow_watched());
            sender.send_if_modified(|known| {
                let changed = *known != now;
                *known = now;
                changed
            });
        }
    });
    receiver
}

/// Waits until somebody leads; nothing if nobody does at the deadline, or the node stops.
pub async fn leader_by(
    leadership: &mut watch::Receiver<Leadership>,
    deadline: Instant,
) -> Option<(NodeId, Member)> {
    let known = leadership.wait_for(|known| known.leader.is_some());
    let found = timeout_at(deadline, known).await.ok()?.ok()?;
    found.leader.clone()
}

/// Waits until `node` leads, and says in which term; nothing where the node stops.
pub async fn led_term(leadership: &mut watch::Receiver<Leadership>, node: NodeId) -> Option<u64> {
    let leads = |known: &Leadership| matches!(known.leader, Some((leader, _)) if leader == node);
    let known = leadership.wait_for(leads).await.ok()?;
    Some(known.term)
}

/// Waits until somebody else leads than `leader` in `term`, or nobody. Never ends once the node stops.
pub async fn changed_from(leadership: &mut watch::Receiver<Leadership>, leader: NodeId, term: u64) {
    let other = |known: &Leadership| {
        known.term != term || known.leader.as_ref().map(|(node, _)| *node) != Some(leader)
    };
    if leadership.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
}
