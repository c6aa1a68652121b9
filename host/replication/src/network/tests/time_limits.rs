//! What a node does for another one ends before that one gives up: it answers, and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::async_runtime::WatchReceiver;
use openraft::entry::RaftEntry;
use openraft::raft::AppendEntriesRequest;
use tokio::time::{sleep, timeout};

use super::append::{place, vote};
use super::calls::Nowhere;
use super::peer::{CLUSTER, Peer, identity, peers_over};
use super::soon;
use crate::host::Host;
use crate::network::{CHANGE_TIMEOUT, STATUS_TIMEOUT};
use crate::node::Node;
use crate::options::ReplicationOptions;
use crate::protocol as wire;
use crate::protocol::join_reply::Outcome;
use crate::types::{Entry, Member, Membership};
use crate::upgrade::UpgradeDuty;
use crate::versions::Versions;

/// Nobody is there.
const DESERTED: &str = "127.0.0.1:1";

/// For how long a leader goes on proposing that hears nothing of its majority.
const LEASE: Duration = Duration::from_secs(20);

fn member(peer: &Peer) -> Member {
    Member {
        peer: peer.address.clone(),
        vote_lease_ms: 60_000,
        ..Member::default()
    }
}

/// A leader whose majority has just gone.
async fn without_majority() -> Peer {
    let options = || ReplicationOptions {
        election_timeout: LEASE,
        ..ReplicationOptions::default()
    };
    let leader = Peer::start_told(options(), None).await;
    let node = Node::found(&leader.host.parts, CLUSTER, member(&leader));
    let node = Arc::new(soon("a cluster", node).await.expect("a node"));
    leader.host.set_node(Some(node.clone()));
    let other = Peer::start_told(options(), Some(identity(2))).await;
    let added = node.raft.add_learner(2, member(&other), false).await;
    added.expect("a learner");
    let votes = async {
        loop {
            let seen = node.raft.metrics().borrow_watched().clone();
            let membership = &seen.committed_membership_config;
            if membership.get_joint_config().len() == 1 && membership.voter_ids().count() == 2 {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon("two voters", votes).await;
    other.end().await;
    leader
}

#[tokio::test]
async fn a_node_that_wants_to_join_is_told_that_it_cannot_before_it_gives_up() {
    let leader = without_majority().await;
    let request = wire::JoinRequest {
        application: "test".into(),
        nonce: Bytes::from_static(&[1; 16]),
        member: Some(wire::Member {
            peer: DESERTED.into(),
            vote_lease_ms: 300,
            ..wire::Member::default()
        }),
        stores: leader.host.store_labels(),
        max_message_bytes: leader.host.max_message_bytes(),
        cluster: Bytes::copy_from_slice(&CLUSTER.to_bytes()),
    };
    let joining = leader.host.join(request, Versions::OWN);
    let reply = timeout(CHANGE_TIMEOUT, joining).await.expect("an answer");
    let outcome = reply.expect("no refusal").outcome;
    assert!(
        matches!(outcome, Some(Outcome::NotLeader(_))),
        "{outcome:?}"
    );
    leader.end().await;
}

#[tokio::test]
async fn a_leader_without_a_majority_gives_up_putting_machines_down() {
    let leader = without_majority().await;
    let node = leader.node();
    let duty = UpgradeDuty {
        identity: node.identity,
        raft: node.raft.clone(),
        peers: leader.host.parts.peers.clone(),
        leadership: node.leadership.clone(),
        in_force: node.in_force.clone(),
        admissions: node.admissions.clone(),
    };
    let seen = node.raft.metrics().borrow_watched().clone();
    let on_a_machine = Member {
        machine: "machine-1".into(),
        ..member(&leader)
    };
    let told = BTreeMap::from([(1, on_a_machine)]);
    let put_down = duty.put_down(&seen.membership_config, told);
    let failed = soon("its end", put_down).await.expect_err("no majority");
    assert!(failed.contains("not done within"), "{failed}");
    leader.end().await;
}

#[tokio::test]
async fn a_node_whose_leader_does_not_answer_says_how_the_cluster_is_before_the_asker_gives_up() {
    let peer = Peer::start(Some(identity(2))).await;
    let members = BTreeMap::from([(1, member(&peer)), (2, member(&peer))]);
    let voters = BTreeSet::from([1, 2]);
    let membership = Membership::new(vec![voters], members).expect("a membership");
    let request = AppendEntriesRequest {
        vote: vote(),
        prev_log_id: None,
        entries: vec![Entry::new(place(0), EntryPayload::Membership(membership))],
        leader_commit: None,
    };
    let node = peer.node();
    node.raft.append_entries(request).await.expect("appended");
    let mut leadership = node.leadership.clone();
    let named = leadership.wait_for(|known| known.leader.is_some());
    soon("a leader", named).await.expect("it runs");
    // On a network on which nothing happens but that time passes.
    let mut parts = peer.host.parts.clone();
    parts.peers = peers_over(Nowhere);
    let host = Arc::new(Host::new(parts, Member::default()).0);
    host.set_node(Some(node));
    tokio::time::pause();
    let asked = host.status(wire::StatusRequest::default());
    let status = timeout(STATUS_TIMEOUT, asked).await.expect("an answer");
    let nodes: Vec<u64> = status.nodes.iter().map(|status| status.node).collect();
    assert_eq!(nodes, [1, 2]);
    assert_eq!(status.leader, 0, "who does not answer leads nobody");
    tokio::time::resume();
    peer.end().await;
}
