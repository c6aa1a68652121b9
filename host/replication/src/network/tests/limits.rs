//! The limits of the stores, as a node brings them into force that leads.

use std::time::Duration;

use openraft::EntryPayload;
use spindrift_memory::Purpose;
use spindrift_store::{Commit, ReadSet, StoreId, Write};
use tokio::time::Instant;

use super::peer::{CLUSTER, Peer};
use super::{PATIENCE, soon};
use crate::command::Command;
use crate::limits;
use crate::node::Node;
use crate::queue::Ended;
use crate::submit::Queued;
use crate::types::Member;

/// A cluster of one, formed by a process that has a commit waiting, and what becomes of that.
async fn found(peer: &Peer) -> Node {
    let commit = Commit {
        reads: ReadSet::default(),
        writes: vec![Write::set(StoreId::new(0), "key", b"value")],
    };
    let deadline = Instant::now() + PATIENCE;
    let backend = &peer.host.parts.backend;
    let memory = backend.map.stores().memory();
    let held = memory.charge(Purpose::Transactions, commit.size_bytes());
    let held = held.expect("it is never spent");
    let commit = backend.commits.add(Queued { commit, held }, deadline);
    let node = Node::found(&peer.host.parts, CLUSTER, Member::default());
    let node = soon("a cluster", node).await.expect("a node");
    let ended = soon("the commit", commit.answer()).await;
    assert!(matches!(ended, Ended::Answered(_)), "{ended:?}");
    node
}

/// The places of entries in the log that set limits, and of those with commits.
fn places(node: &Node) -> (Vec<u64>, Vec<u64>) {
    let (mut limits, mut commits) = (Vec::new(), Vec::new());
    for entry in node.log.entries_after(None) {
        match entry.payload {
            EntryPayload::Normal(Command::SetLimits { .. }) => limits.push(entry.log_id.index),
            EntryPayload::Normal(Command::Batch(_)) => commits.push(entry.log_id.index),
            _ => {}
        }
    }
    (limits, commits)
}

#[tokio::test]
async fn a_cluster_begins_with_its_limits() {
    let peer = Peer::start(None).await;
    let node = found(&peer).await;
    let (limits, commits) = places(&node);
    assert!(limits.first() < commits.first(), "{limits:?}, {commits:?}");
    assert_eq!((limits.len(), commits.len()), (1, 1));
    node.stop().await;
    peer.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_leader_brings_its_own_limits_into_force_once() {
    let peer = Peer::start(None).await;
    let node = found(&peer).await;
    let map = &peer.host.parts.backend.map;
    // As one that led before it may have left them.
    let other = Command::SetLimits {
        max_total_bytes: vec![7],
    };
    node.raft.client_write(other).await.expect("applied");
    let own = async {
        while limits::in_force(map) != limits::configured(map) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("its own limits", own).await;
    // No time passes but that of the clock that stands still, so all it does by then is done.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (limits, _) = places(&node);
    assert_eq!(limits.len(), 3, "the first, the other's, its own");
    node.stop().await;
    peer.end().await;
}
