//! What other nodes hear of one that recovers.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;

use super::peer::Peer;
use super::soon;
use crate::lifecycle::recover;
use crate::protocol as wire;
use crate::types::{ClusterId, Identity, Member};

const OLD: ClusterId = ClusterId(7);

/// A node of the old cluster.
fn old(node: u64) -> Identity {
    Identity { cluster: OLD, node }
}

/// Makes `peer` a node of a cluster of two, whose other one is at `other`.
async fn pair_with(peer: &Peer, other: &str) {
    let member = |peer: &str| Member {
        peer: peer.to_owned(),
        ..Member::default()
    };
    let members = BTreeMap::from([(1, member(&peer.address)), (2, member(other))]);
    let node = peer.node();
    node.raft.initialize(members).await.expect("two members");
}

/// A node of a cluster of two, whose other one is gone.
async fn survivor() -> Peer {
    let peer = Peer::start(Some(old(1))).await;
    pair_with(&peer, "127.0.0.1:2").await;
    peer
}

fn asked_by(cluster: ClusterId) -> wire::ProbeRequest {
    wire::ProbeRequest {
        application: "test".into(),
        cluster: cluster.to_bytes().to_vec().into(),
        node: 2,
    }
}

/// Whoever heard that it has none could form another one.
#[tokio::test]
async fn at_no_moment_does_it_say_that_it_belongs_to_no_cluster() {
    let peer = survivor().await;
    let node = peer.node();
    let mut recovering = std::pin::pin!(recover(&peer.host, &node));
    let mut between = 0;
    let recovered = loop {
        let answer = peer.host.probe(&asked_by(OLD)).await;
        match (peer.host.node(), answer) {
            (None, Err(_)) => between += 1,
            (Some(_), Ok(_)) => {}
            (node, answer) => {
                let node = node.map(|node| node.identity);
                panic!("{node:?}: {answer:?}");
            }
        }
        // Between any two of its steps.
        tokio::select! {
            biased;
            recovered = &mut recovering => break recovered,
            () = tokio::task::yield_now() => {}
        }
    };
    let recovered = recovered.map_err(|reason| panic!("{reason}"));
    assert_ne!(
        recovered.map(|node| node.identity.cluster),
        Ok::<_, ()>(OLD)
    );
    assert!(between > 0, "it was asked while it was no node");
}

/// Its predecessors follow it, and nobody else.
#[tokio::test]
async fn it_tells_members_of_the_old_cluster_that_it_succeeds_that() {
    let peer = survivor().await;
    let node = peer.node();
    let recovered = recover(&peer.host, &node).await;
    let recovered = recovered.unwrap_or_else(|reason| panic!("{reason}"));
    let leads = async {
        while !recovered.leads() {
            tokio::task::yield_now().await;
        }
    };
    soon("it leads", leads).await;
    let own = recovered.identity.cluster;
    for (cluster, succeeded) in [(OLD, true), (own, false), (ClusterId(8), false)] {
        let answer = peer.host.probe(&asked_by(cluster)).await;
        let answer = answer.unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!(answer.succeeded, succeeded, "{cluster}");
        assert_eq!(answer.cluster, own.to_bytes().to_vec());
    }
}

/// An address of loopback at which nobody listens.
async fn vacant() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// Its majority may have acknowledged writes by then, and this node with it.
#[tokio::test]
async fn it_does_not_recover_once_the_majority_is_back() {
    // It takes the question whether it has recovered the cluster already, and is slow to answer.
    let slow = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let slow_address = slow.local_addr().expect("an address").to_string();
    let peer = Peer::start_beside([slow_address], Some(old(1))).await;
    let second = vacant().await;
    pair_with(&peer, &second).await;
    let node = peer.node();
    let back = async {
        let asked = slow.accept().await.expect("a connection");
        let second = Peer::start_at(&second, Some(old(2))).await;
        while !node.reaches_majority().await {
            sleep(Duration::from_millis(5)).await;
        }
        drop(asked);
        second
    };
    let (recovered, second) = tokio::join!(recover(&peer.host, &node), soon("a majority", back));
    let reason = recovered.map(|node| node.identity).expect_err("refused");
    assert!(reason.contains("reaches a majority"), "{reason}");
    assert_eq!(peer.node().identity, old(1), "it goes on as it was");
    peer.end().await;
    second.end().await;
}

/// It has joined, and heard nothing yet: it is still to hear of its cluster, and not to end.
#[tokio::test]
async fn a_node_that_holds_nothing_does_not_recover_and_goes_on() {
    let peer = Peer::start(Some(old(2))).await;
    let recovered = recover(&peer.host, &peer.node()).await;
    let reason = recovered.map(|node| node.identity).expect_err("refused");
    assert!(reason.contains("holds nothing"), "{reason}");
    assert_eq!(peer.node().identity, old(2));
    let alive = peer.node().raft.with_raft_state(|_| ()).await;
    alive.expect("it runs");
    peer.end().await;
}
