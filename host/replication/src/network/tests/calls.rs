//! Calls between nodes: for whom they are meant, how they fail, and how long they take at most.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Code;

use super::peer::{CLUSTER, MAX_MESSAGE_BYTES, Peer, identity, peers};
use super::soon;
use crate::network::{Authentication, Io, Listener, PeerError, Peers, Transport};
use crate::protocol as wire;
use crate::types::{ClusterId, Identity};

async fn leave(peers: &Peers, peer: &Peer, target: Identity) -> Result<(), PeerError> {
    let request = wire::LeaveRequest { node: 9 };
    let left = soon("an answer", peers.leave(&peer.address, target, request)).await;
    left.map(drop)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, PeerError>) -> String {
    match result {
        Err(PeerError::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn probe() -> wire::ProbeRequest {
    wire::ProbeRequest {
        application: "test".into(),
        ..wire::ProbeRequest::default()
    }
}

/// Whoever hears that a process has no cluster may form another one.
#[tokio::test]
async fn a_process_that_may_be_forming_a_cluster_does_not_say_that_it_has_none() {
    let (peers, peer) = (peers(MAX_MESSAGE_BYTES), Peer::start(None).await);
    let asked = async || peers.probe(&peer.address, probe()).await;
    assert!(asked().await.expect("an answer").cluster.is_empty());
    let given = peer.host.pledge.give();
    match asked().await {
        Err(PeerError::Unreachable { reason, .. }) => {
            assert!(reason.contains("forming a cluster"), "{reason}");
        }
        other => panic!("it must not answer, and it is no refusal either: {other:?}"),
    }
    drop(given);
    assert!(asked().await.expect("an answer").cluster.is_empty());
}

#[tokio::test]
async fn a_call_that_is_meant_for_another_node_is_refused_in_words() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    leave(&peers, &peer, identity(2)).await.expect("an answer");
    let elsewhere = Identity {
        cluster: ClusterId(0xc2),
        node: 2,
    };
    let reason = refusal(leave(&peers, &peer, elsewhere).await);
    assert!(
        reason.contains(&format!("belongs to cluster {CLUSTER}")),
        "{reason}"
    );
    assert!(
        reason.contains(&format!("meant for cluster {}", elsewhere.cluster)),
        "{reason}"
    );
    let reason = refusal(leave(&peers, &peer, identity(3)).await);
    assert_eq!(
        reason,
        "this is node 2 of the cluster, and the call is meant for node 3"
    );
    // Streams are no exception.
    let (_requests, outgoing) = mpsc::channel(1);
    let stream = peers.submit(&peer.address, identity(3), outgoing).await;
    let reason = refusal(stream);
    assert!(reason.contains("meant for node 3"), "{reason}");

    peer.node().stop().await;
    peer.host.set_node(None);
    let reason = refusal(leave(&peers, &peer, identity(2)).await);
    assert_eq!(reason, "this node belongs to no cluster at the moment");
    peer.end().await;
}

#[tokio::test]
async fn a_call_that_does_not_say_for_whom_it_is_is_refused() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let signed = || {
        let message = wire::LeaveRequest { node: 9 };
        let target = Some(identity(2));
        let timeout = Duration::from_secs(5);
        let unary = peers.unary(&peer.address, message, target, timeout);
        unary.expect("an address")
    };
    let cluster = CLUSTER.to_string();
    let spoilt = [
        ("spindrift-cluster", None),
        ("spindrift-cluster", Some("")),
        ("spindrift-cluster", Some("c1")),
        (
            "spindrift-cluster",
            Some("+00000000000000000000000000000c1"),
        ),
        (
            "spindrift-cluster",
            Some("g00000000000000000000000000000c1"),
        ),
        ("spindrift-to", None),
        ("spindrift-to", Some("-1")),
        ("spindrift-to", Some("18446744073709551616")),
        ("spindrift-to", Some(cluster.as_str())),
    ];
    for (key, value) in spoilt {
        let (mut client, mut request) = signed();
        request.metadata_mut().remove(key);
        if let Some(value) = value {
            let value = value.parse().expect("a value");
            request.metadata_mut().insert(key, value);
        }
        let status = client.leave(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{key} {value:?}");
        assert!(status.message().contains(key), "{status:?}");
    }
    let (mut client, request) = signed();
    client.leave(request).await.expect("an answer");
    peer.end().await;
}

#[tokio::test]
async fn another_application_is_told_so() {
    let (peers, peer) = (peers(MAX_MESSAGE_BYTES), Peer::start(None).await);
    let mut other = probe();
    other.application = "other".into();
    let reason = refusal(peers.probe(&peer.address, other).await);
    assert!(
        reason.contains("\"test\"") && reason.contains("\"other\""),
        "{reason}"
    );
    let reply = peers
        .probe(&peer.address, probe())
        .await
        .expect("an answer");
    assert!(reply.cluster.is_empty(), "it belongs to no cluster");
    peer.end().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_harms_no_other_call() {
    let peer = Peer::start(Some(identity(2))).await;
    let large = peers(8 * MAX_MESSAGE_BYTES);
    let mut request = probe();
    request.cluster = Bytes::from(vec![0; 2 * MAX_MESSAGE_BYTES]);
    large
        .probe(&peer.address, request.clone())
        .await
        .expect_err("too long for the other node");
    large
        .probe(&peer.address, probe())
        .await
        .expect("an answer");
    let small = peers(MAX_MESSAGE_BYTES);
    small
        .probe(&peer.address, request)
        .await
        .expect_err("too long to be sent");
    small
        .probe(&peer.address, probe())
        .await
        .expect("an answer");

    // In a stream, it ends the stream and nothing else.
    let (requests, outgoing) = mpsc::channel(1);
    let mut replies = large
        .submit(&peer.address, identity(2), outgoing)
        .await
        .expect("a stream");
    let batch = wire::Batch {
        commits: Bytes::from(vec![0; 2 * MAX_MESSAGE_BYTES]),
        ..wire::Batch::default()
    };
    let request = wire::SubmitRequest {
        id: 1,
        request: Some(wire::submit_request::Request::Batch(batch)),
    };
    requests.send(request).await.expect("open");
    let status = soon("the end of the stream", replies.message()).await;
    let status = status.expect_err("too long for the other node");
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    large
        .probe(&peer.address, probe())
        .await
        .expect("an answer");
    peer.end().await;
}

#[tokio::test]
async fn requests_of_a_stream_are_each_answered() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let (requests, outgoing) = mpsc::channel(8);
    let mut replies = peers
        .submit(&peer.address, identity(2), outgoing)
        .await
        .expect("a stream");
    const COUNT: u64 = 1000;
    let sending = async {
        for id in 0..COUNT {
            let read_index = wire::submit_request::Request::ReadIndex(wire::ReadIndexRequest {});
            let request = wire::SubmitRequest {
                id,
                request: (id % 2 == 0).then_some(read_index),
            };
            requests.send(request).await.expect("open");
        }
    };
    let receiving = async {
        let mut answered = std::collections::BTreeSet::new();
        while answered.len() < COUNT as usize {
            let reply = replies.message().await.expect("no failure");
            let reply = reply.expect("no end");
            // It leads nothing.
            let outcome = reply.outcome.expect("an outcome");
            assert!(matches!(outcome, wire::submit_reply::Outcome::NotLeader(_)));
            assert!(answered.insert(reply.id), "{} is answered twice", reply.id);
        }
    };
    soon("all answers", async { tokio::join!(sending, receiving) }).await;
    // The stream is open, and keeps nobody from stopping.
    peer.end().await;
    let end = soon("the end of the stream", replies.message()).await;
    assert!(!matches!(end, Ok(Some(_))), "{end:?}");
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_given_up_in_time() {
    let peers = peers(MAX_MESSAGE_BYTES);
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let before = Instant::now();
    let error = peers.probe(&address, probe()).await.expect_err("no answer");
    assert!(matches!(error, PeerError::Unreachable { .. }), "{error}");
    assert!(before.elapsed() < Duration::from_secs(4), "{error}");
    let (_requests, outgoing) = mpsc::channel(1);
    let stream = soon("its end", peers.submit(&address, identity(2), outgoing)).await;
    assert!(matches!(stream, Err(PeerError::Unreachable { .. })));

    // Nobody is there.
    drop(silent);
    let error = peers.probe(&address, probe()).await.expect_err("no answer");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    for address in ["", "no port:", "::1:7000", "[::1"] {
        let error = peers.probe(address, probe()).await.expect_err(address);
        assert!(matches!(error, PeerError::Unreachable { .. }), "{error}");
    }
}

/// A network in which nobody answers, and nothing fails.
#[derive(Debug)]
pub struct Nowhere;

impl Transport for Nowhere {
    fn connect(&self, _address: &str) -> BoxFuture<'static, io::Result<Io>> {
        Box::pin(future::pending())
    }

    fn listen(&self, _address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(future::pending())
    }
}

#[tokio::test]
async fn the_time_of_a_call_includes_that_of_connecting() {
    let authentication = Authentication::default();
    let peers = Peers::new(
        Arc::new(Nowhere),
        None,
        authentication,
        MAX_MESSAGE_BYTES,
        None,
    );
    let probed = soon("its end", peers.probe("nowhere:1", probe())).await;
    let error = probed.expect_err("no answer").to_string();
    assert!(error.ends_with("no answer within 2s"), "{error}");
}

#[tokio::test]
async fn a_node_that_comes_back_is_reached_again() {
    let peers = peers(MAX_MESSAGE_BYTES);
    let first = Peer::start(None).await;
    peers
        .probe(&first.address, probe())
        .await
        .expect("an answer");
    let address = first.address.clone();
    first.end().await;
    peers
        .probe(&address, probe())
        .await
        .expect_err("it is gone");
    let second = Peer::start_at(&address, None).await;
    soon("an answer", async {
        while peers.probe(&address, probe()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    second.end().await;
}

#[tokio::test]
async fn connections_to_very_many_addresses_are_not_all_kept() {
    let (peers, peer) = (peers(MAX_MESSAGE_BYTES), Peer::start(None).await);
    for port in 1..=600 {
        let unary = peers.unary(
            &format!("10.0.0.1:{port}"),
            probe(),
            None,
            Duration::from_secs(1),
        );
        drop(unary.expect("an address"));
        assert!(peers.connections() <= 256);
    }
    peers
        .probe(&peer.address, probe())
        .await
        .expect("an answer");
    peer.end().await;
}
