//! What becomes of a node whose replication fails.

use super::peer::{Peer, identity};
use super::soon;
use crate::left_behind::left_behind;
use crate::node::NodeError;

/// It would answer nobody, and nobody would start it again.
#[tokio::test]
async fn a_node_whose_raft_has_panicked_ends() {
    let peer = Peer::start(Some(identity(1))).await;
    let node = peer.node();
    let panicked = node.raft.with_raft_state(|_| panic!("for a test")).await;
    let panicked: Result<(), _> = panicked;
    panicked.expect_err("a panic");
    let ended = soon("its end", left_behind(&peer.host, &node)).await;
    assert!(
        matches!(&ended, Err(NodeError::Stopped(reason)) if reason.contains("panicked")),
        "{ended:?}"
    );
    peer.end().await;
}
