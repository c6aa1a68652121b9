//! The versions of the protocol: in calls, in answers, and in a cluster that a node wants to join.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Status};

use super::peer::{CLUSTER, MAX_MESSAGE_BYTES, Peer, peers};
use super::soon;
use crate::network::spoken::Spoken;
use crate::node::{Node, Parts};
use crate::protocol as wire;
use crate::protocol::join_reply::Outcome;
use crate::types::Member;
use crate::versions::{Version, Versions};

const PROGRAM: &str = env!("CARGO_PKG_VERSION");

fn up_to(newest: u32) -> Versions {
    Versions::own_up_to(Version(newest)).expect("it is spoken")
}

fn range(text: &str) -> Versions {
    text.parse().expect("a range")
}

/// What a process that speaks all that this program knows makes of a call.
fn call(protocol: Option<&[u8]>, program: Option<&str>) -> Result<Versions, Status> {
    let mut call = MetadataMap::new();
    if let Some(protocol) = protocol {
        let protocol = AsciiMetadataValue::try_from(protocol).expect("a value");
        call.insert("spindrift-protocol", protocol);
    }
    if let Some(program) = program {
        call.insert("spindrift-program", program.parse().expect("a value"));
    }
    Spoken(Versions::OWN).check_call(&call)
}

#[test]
fn a_call_of_a_version_that_both_speak_is_answered() {
    for text in ["4", "5", "4-5", "1-4", "5-99"] {
        let heard = call(Some(text.as_bytes()), Some("9.9.9"));
        assert_eq!(heard.expect(text), range(text));
    }
}

#[test]
fn a_call_without_a_version_in_common_is_refused_in_words() {
    let cases: [(&str, Option<&str>, &[&str]); 4] = [
        // The versions that had to be the same on both sides: they name one number, and no program.
        (
            "3",
            None,
            &["speaks version 3:", "does not say its own version"],
        ),
        (
            "1-3",
            Some("0.0.7"),
            &["spindrift 0.0.7, speaks versions 1 to 3:"],
        ),
        (
            "6-8",
            Some("2.0.0"),
            &["spindrift 2.0.0, speaks versions 6 to 8:"],
        ),
        ("9", Some("3.0.0"), &["spindrift 3.0.0, speaks version 9:"]),
    ];
    for (protocol, program, parts) in cases {
        let status = call(Some(protocol.as_bytes()), program).expect_err(protocol);
        assert_eq!(status.code(), Code::FailedPrecondition, "{protocol}");
        let own = format!("this node, spindrift {PROGRAM}, speaks versions 4 to 5 ");
        let parts = parts.iter().copied();
        for part in parts.chain([own.as_str(), "update by way of a release"]) {
            assert!(status.message().contains(part), "{part:?} in {status:?}");
        }
    }
}

#[test]
fn what_is_no_range_of_versions_is_refused_in_words_and_not_repeated_at_length() {
    let long = "4".repeat(1000);
    let cases: [(Option<&[u8]>, &str); 5] = [
        (None, "names no version"),
        (Some(b""), "names \"\""),
        (Some(b"1.0"), "names \"1.0\""),
        (Some(long.as_bytes()), "names \"4444"),
        (Some("1ü".as_bytes()), "names \"?\""),
    ];
    for (protocol, part) in cases {
        let status = call(protocol, None).expect_err(part);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains(part), "{status:?}");
        assert!(status.message().contains("versions 4 to 5"), "{status:?}");
        assert!(status.message().len() < 300, "{status:?}");
    }
}

#[test]
fn an_answer_of_other_versions_is_not_used() {
    let answer = |protocol: Option<&str>| {
        let mut answer = MetadataMap::new();
        if let Some(protocol) = protocol {
            answer.insert("spindrift-protocol", protocol.parse().expect("a value"));
        }
        Spoken(up_to(4)).check_answer(&answer)
    };
    for protocol in [None, Some("4"), Some("4-5"), Some("2-9")] {
        assert_eq!(answer(protocol), Ok(()), "{protocol:?}");
    }
    let refused = answer(Some("5-6")).expect_err("none in common");
    for part in ["versions 5 to 6", "version 4:", PROGRAM] {
        assert!(refused.contains(part), "{part:?} in {refused}");
    }
}

fn probe() -> wire::ProbeRequest {
    wire::ProbeRequest {
        application: "test".into(),
        ..wire::ProbeRequest::default()
    }
}

#[tokio::test]
async fn every_answer_says_which_versions_are_spoken() {
    let (peers, peer) = (peers(MAX_MESSAGE_BYTES), Peer::start(None).await);
    let ask = async |protocol: &str| {
        let unary = peers.unary(&peer.address, probe(), None, Duration::from_secs(5));
        let (mut client, mut request) = unary.expect("an address");
        let said = protocol.parse().expect("a value");
        request.metadata_mut().insert("spindrift-protocol", said);
        soon("an answer", client.probe(request)).await
    };
    let said = |metadata: &MetadataMap| {
        ["spindrift-protocol", "spindrift-program"].map(|key| {
            metadata
                .get(key)
                .expect(key)
                .to_str()
                .expect(key)
                .to_owned()
        })
    };
    let own = ["4-5".to_owned(), PROGRAM.to_owned()];
    let answer = ask("1-4").await.expect("an answer");
    assert_eq!(said(answer.metadata()), own);
    let refused = ask("3").await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(said(refused.metadata()), own);
    peer.end().await;
}

/// A process that leads a cluster of one, in which the newest version that `speaks` has is in force.
async fn leader(speaks: Versions) -> Peer {
    let peer = Peer::start(None).await;
    let parts = Parts {
        peers: peer.host.parts.peers.clone().speaking(speaks),
        ..peer.host.parts.clone()
    };
    let member = Member {
        protocol: speaks.newest().0,
        machine: "rack-1".into(),
        ..Member::default()
    };
    let member = member.in_version(speaks.newest());
    let node = soon("a cluster", Node::found(&parts, CLUSTER, member)).await;
    let node = node.expect("a node");
    assert_eq!(*node.in_force.borrow(), Some(speaks.newest()));
    peer.host.set_node(Some(Arc::new(node)));
    peer
}

/// Asks `leader` to let a process in that speaks these versions and is on the machine `rack-2`.
async fn join(leader: &Peer, speaks: Versions) -> Result<Option<Outcome>, String> {
    let request = wire::JoinRequest {
        application: "test".into(),
        nonce: Bytes::from_static(&[1; 16]),
        member: Some(wire::Member {
            peer: "127.0.0.1:1".into(),
            version: "0.0.1".into(),
            machine: "rack-2".into(),
            ..wire::Member::default()
        }),
        stores: leader.host.store_labels(),
        max_message_bytes: leader.host.max_message_bytes(),
        cluster: Bytes::copy_from_slice(&CLUSTER.to_bytes()),
    };
    let peers = peers(MAX_MESSAGE_BYTES).speaking(speaks);
    let asked = soon("an answer", peers.join(&leader.address, request)).await;
    asked
        .map(|reply| reply.outcome)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_node_that_does_not_speak_the_version_in_force_is_not_let_in() {
    let new = leader(Versions::OWN).await;
    let refused = join(&new, up_to(4)).await.expect_err("refused");
    for part in [
        "uses version 5",
        "spindrift 0.0.1, speaks version 4;",
        "does not go back",
    ] {
        assert!(refused.contains(part), "{part:?} in {refused}");
    }
    let joined = join(&new, range("5-6")).await;
    assert!(matches!(joined, Ok(Some(Outcome::Joined(_)))), "{joined:?}");
    new.end().await;
}

/// What the members of the cluster know of the machines of nodes 1 and 2.
fn machines(leader: &Peer) -> Vec<String> {
    use openraft::async_runtime::WatchReceiver;
    let seen = leader.node().raft.metrics().borrow_watched().clone();
    let members = seen.membership_config.nodes();
    members.map(|(_, member)| member.machine.clone()).collect()
}

#[tokio::test]
async fn nothing_newer_than_the_version_in_force_is_written() {
    for (speaks, expected) in [(up_to(4), ["", ""]), (Versions::OWN, ["rack-1", "rack-2"])] {
        let leader = leader(speaks).await;
        let joined = join(&leader, Versions::OWN).await;
        assert!(matches!(joined, Ok(Some(Outcome::Joined(_)))), "{joined:?}");
        assert_eq!(machines(&leader), expected, "{speaks}");
        leader.end().await;
    }
}

#[tokio::test]
async fn a_node_ends_where_a_version_is_in_force_that_it_does_not_speak() {
    let peer = leader(Versions::OWN).await;
    let node = peer.node();
    let ended = async |own| tokio::time::timeout(Duration::ZERO, node.outdated(own)).await;
    ended(Versions::OWN).await.expect_err("it speaks it");
    let error = ended(up_to(4)).await.expect("it is told so").to_string();
    for part in ["uses version 5", "this node speaks version 4:"] {
        assert!(error.contains(part), "{part:?} in {error}");
    }
    peer.end().await;
}
