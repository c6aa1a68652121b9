//! A node of another cluster at an address that is known: it is called.

use std::sync::Arc;

use super::peer::{MAX_MESSAGE_BYTES, Peer, identity};
use super::soon;
use crate::replication::network::{Authentication, Peers, Tcp};
use crate::replication::protocol as wire;
use crate::replication::types::{ClusterId, Identity};

const OTHER: ClusterId = ClusterId(0xc2);

/// Where the caller says that it is.
const CALLER: &str = "node-9:7000";

fn peers_of(own: Option<&str>) -> Peers {
    let authentication = Authentication::new(None).expect("no token");
    Peers::new(Arc::new(Tcp), None, authentication, MAX_MESSAGE_BYTES, own)
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
