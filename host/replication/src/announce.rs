//! What people see of a node where discovery shows it to them: what it is in its cluster, and what happens to it. Which
//! members come and go is told by the leader's duty, in `membership`.
//!
//! Nothing here waits for discovery, and nothing in a cluster depends on it.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use spindrift_discovery::{ClusterEvent, MemberState, Role};
use tokio::time::{Instant, sleep, timeout};

use super::host::Host;
use super::node::{Node, Parts};
use super::queue::Ended;
use super::status;

/// A node that no leader answers for so long has lost the majority. An election takes a fraction of it.
const QUORUM_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between asking whether there is a leader and asking again.
const QUORUM_INTERVAL: Duration = Duration::from_secs(2);

/// How long discovery may take to pass on the last of it, before the process ends without.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Announces what the node is at each change, and when it is elected. Never ends.
pub async fn announce(host: &Host, node: &Node) {
    let discovery = &host.parts.discovery;
    let mut metrics = node.raft.server_metrics();
    let mut leadership = node.leadership.clone();
    let mut announced: Option<MemberState> = None;
    loop {
        let standing = standing(node);
        let led = announced.as_ref().filter(|last| last.role == Role::Leader);
        if standing.role == Role::Leader && led.map(|last| last.term) != Some(standing.term) {
            discovery.notify(ClusterEvent::Elected {
                term: standing.term,
            });
        }
        if announced.as_ref() != Some(&standing) {
            discovery.announce(Some(standing.clone()));
            announced = Some(standing);
        }
        let changed = async {
            tokio::select! {
                changed = metrics.changed() => changed.is_ok(),
                changed = leadership.changed() => changed.is_ok(),
            }
        };
        if !changed.await {
            // The node has stopped: it is nothing any more that could be announced.
            std::future::pending::<()>().await;
        }
    }
}

fn standing(node: &Node) -> MemberState {
    MemberState {
        cluster: node.identity.cluster.to_string(),
        recovered_from: node.predecessors.iter().map(|id| id.to_string()).collect(),
        node: node.identity.node,
        role: match node.role() {
            status::Role::Leader => Role::Leader,
            status::Role::Follower => Role::Follower,
            status::Role::Learner | status::Role::Joining => Role::Learner,
        },
        term: node.leadership.borrow().term,
    }
}

/// Notices when no leader that reaches a majority answers any more, and when one does again. Never ends.
///
/// Only an answer tells: a node goes on naming the last leader that it heard of, and a leader that is cut off goes on
/// naming itself. So it asks as a read would that wants the newest.
pub async fn watch_quorum(host: &Host) {
    let mut lost = false;
    loop {
        let deadline = Instant::now() + QUORUM_TIMEOUT;
        let read = host.parts.backend.reads.add((), deadline);
        match read.answer().await {
            // A node that has not caught up has had no leader to lose.
            Ended::Answered(Ok(())) if lost => {
                lost = false;
                host.parts.discovery.notify(ClusterEvent::QuorumRegained);
            }
            Ended::Answered(Err(_)) | Ended::TakenBack | Ended::Unanswered
                if !lost && host.parts.backend.is_caught_up() =>
            {
                lost = true;
                host.parts.discovery.notify(ClusterEvent::QuorumLost);
            }
            _ => {}
        }
        sleep(QUORUM_INTERVAL).await;
    }
}

/// Says that this process is no node any more, and gives discovery a moment to pass on what it was told.
pub async fn say_goodbye(parts: &Parts) {
    parts.discovery.announce(None);
    if timeout(CLOSE_TIMEOUT, parts.discovery.close())
        .await
        .is_err()
    {
        tracing::warn!("what became of this node could not be passed on within {CLOSE_TIMEOUT:?}");
    }
}
