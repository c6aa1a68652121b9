//! A node of another cluster at an address that is known: it is called, asked to let somebody in, and asked how it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::peer::{CLUSTER, MAX_MESSAGE_BYTES, Peer, identity};
use super::soon;
use crate::network::{Authentication, Peers, Tcp};
use crate::node::Node;
use crate::protocol as wire;
use crate::protocol::join_reply::Outcome;
use crate::types::{ClusterId, Identity, Member};

const OTHER: ClusterId = ClusterId(0xc2);

/// Where the caller says that it is.
const CALLER: &str = "node-9:7000";

fn peers_of(own: Option<&str>) -> Peers {
    let authentication = Authentication::default();
    Peers::new(Arc::new(Tcp), None, authentication, MAX_MESSAGE_BYTES, own)
}

/// A process that leads a cluster of one.
async fn leader(cluster: ClusterId) -> Peer {
    let peer = Peer::start(None).await;
    let node = Node::found(&peer.host.parts, cluster, Member::default());
    let node = soon("a cluster", node).await.expect("a node");
    peer.host.set_node(Some(Arc::new(node)));
    peer
}

/// The cluster and the address of each caller that a process has noted.
fn noted(peer: &Peer) -> Vec<(String, String)> {
    let callers = peer.host.callers.recent().into_iter();
    callers
        .map(|caller| (caller.cluster, caller.address))
        .collect()
}

#[tokio::test]
async fn whoever_looks_for_a_member_of_another_cluster_is_noted() {
    let peers = peers_of(Some(CALLER));
    let missed = vec![(OTHER.to_string(), CALLER.to_owned())];
    let called = Identity {
        cluster: OTHER,
        node: 2,
    };
    for own in [None, Some(identity(2))] {
        let peer = Peer::start(own).await;
        let call = async |peers: &Peers, target| {
            let request = wire::LeaveRequest { node: 9 };
            soon("an answer", peers.leave(&peer.address, target, request)).await
        };
        if own.is_some() {
            call(&peers, identity(2)).await.expect("an answer");
            call(&peers, identity(3))
                .await
                .expect_err("another node is meant");
        }
        for nameless in [None, Some("nowhere"), Some("node 9:7000")] {
            let refused = call(&peers_of(nameless), called).await;
            refused.expect_err("another cluster is meant");
        }
        assert_eq!(noted(&peer), [], "{own:?}");
        call(&peers, called)
            .await
            .expect_err("another cluster is meant");
        assert_eq!(noted(&peer), missed, "{own:?}");
        peer.end().await;
    }
}

#[tokio::test]
async fn who_wants_to_join_another_cluster_is_let_into_none() {
    let peer = leader(CLUSTER).await;
    let ask = async |cluster: ClusterId, application: &str| {
        let request = wire::JoinRequest {
            application: application.into(),
            nonce: Bytes::from_static(&[1; 16]),
            member: Some(wire::Member {
                peer: CALLER.into(),
                vote_lease_ms: 300,
                ..wire::Member::default()
            }),
            stores: peer.host.store_labels(),
            max_message_bytes: peer.host.max_message_bytes(),
            cluster: Bytes::copy_from_slice(&cluster.to_bytes()),
        };
        soon("an answer", peers_of(None).join(&peer.address, request)).await
    };
    // To be refused is the end of a process, and what it asks for may be elsewhere.
    for application in ["test", "another"] {
        let reply = ask(OTHER, application).await.expect("an answer");
        let unknown = Outcome::NotLeader(wire::NotLeader::default());
        assert_eq!(reply.outcome, Some(unknown), "{application}");
    }
    ask(CLUSTER, "another").await.expect_err("refused");
    let reply = ask(CLUSTER, "test").await.expect("an answer");
    match reply.outcome {
        Some(Outcome::Joined(joined)) => {
            assert_eq!(ClusterId::from_bytes(&joined.cluster), Some(CLUSTER));
        }
        other => panic!("not let in: {other:?}"),
    }
    peer.end().await;
}

#[tokio::test]
async fn a_node_of_another_cluster_does_not_speak_for_a_member() {
    for (cluster, is_member) in [(OTHER, false), (CLUSTER, true)] {
        let (first, own) = (leader(cluster).await, Peer::start(Some(identity(2))).await);
        let at = |peer: &Peer| Member {
            peer: peer.address.clone(),
            ..Member::default()
        };
        let members = BTreeMap::from([(1, at(&first)), (2, at(&own))]);
        own.node()
            .raft
            .initialize(members)
            .await
            .expect("two members");
        let asked = own.host.status(wire::StatusRequest::default());
        let status = soon("the status", asked).await;
        assert_eq!(ClusterId::from_bytes(&status.cluster), Some(CLUSTER));
        let [member, _] = status.nodes.as_slice() else {
            panic!("{status:?}");
        };
        assert_eq!(member.node, 1);
        assert_eq!(member.role == "leader", is_member, "{member:?}");
        assert_eq!(member.revision.is_some(), is_member, "{member:?}");
        if !is_member {
            assert_eq!(member.health, "its address has another node");
        }
        first.end().await;
        own.end().await;
    }
}
