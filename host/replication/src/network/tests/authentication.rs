//! What calls carry: the cluster token, where there are certificates beside it. And where the port may be without either.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::stream;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Code, Request, Status, Streaming};

use super::peer::{MAX_MESSAGE_BYTES, Peer, identity};
use super::soon;
use crate::network::authentication::{Authentication, check_exposure};
use crate::network::{ClusterToken, Peers, Tcp};
use crate::protocol as wire;

const TOKEN: &str = "correct-horse-battery-staple";

fn authentication(token: Option<&str>) -> Authentication {
    let token = token.map(|token| ClusterToken::parse(token.as_bytes()).expect("a token"));
    Authentication::new(token.as_ref())
}

#[test]
fn a_token_is_not_in_what_is_logged() {
    let authentication = authentication(Some(TOKEN));
    let shown = format!("{authentication:?} {:?}", authentication.metadata());
    assert!(!shown.contains("horse"), "{shown}");
}

/// What becomes of a call with this metadata.
fn call(authentication: &mut Authentication, metadata: MetadataMap) -> Result<(), Status> {
    let call = Request::from_parts(metadata, tonic::Extensions::default(), ());
    authentication.call(call).map(drop)
}

/// The metadata of a call.
fn metadata(authorization: Option<&str>) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    if let Some(value) = authorization {
        let value = AsciiMetadataValue::try_from(value).expect("a value");
        metadata.insert("authorization", value);
    }
    metadata
}

#[test]
fn nodes_with_the_same_token_hear_each_other() {
    for token in [None, Some(TOKEN)] {
        let mut authentication = authentication(token);
        let mut signed = metadata(None);
        if let Some(value) = authentication.metadata() {
            signed.insert("authorization", value);
        }
        assert_eq!(
            signed.get("authorization").is_some(),
            token.is_some(),
            "{token:?}"
        );
        call(&mut authentication, signed).expect("accepted");
    }
}

#[test]
fn a_call_without_the_token_is_refused_in_words() {
    let right = format!("Bearer {TOKEN}");
    let scheme = format!("bearer {TOKEN}");
    let longer = format!("{right}r");
    let shorter = &right[..right.len() - 1];
    let changed = right.replace("staple", "stable");
    let cases = [
        (Some(TOKEN), None, "token is missing"),
        (Some(TOKEN), Some(""), "is another one"),
        (Some(TOKEN), Some(TOKEN), "is another one"),
        (Some(TOKEN), Some("Bearer "), "is another one"),
        (Some(TOKEN), Some(&scheme), "is another one"),
        (Some(TOKEN), Some(&longer), "is another one"),
        (Some(TOKEN), Some(shorter), "is another one"),
        (Some(TOKEN), Some(&changed), "is another one"),
        (None, Some(&right), "this node has none"),
    ];
    for (token, given, expected) in cases {
        let call = call(&mut authentication(token), metadata(given));
        let status = call.expect_err("refused");
        assert_eq!(status.code(), Code::Unauthenticated, "{given:?}");
        assert!(status.message().contains(expected), "{status:?}");
        assert!(status.message().contains("--cluster-token-file"));
        assert!(!status.message().contains("horse"), "{status:?}");
    }
}

#[test]
fn both_tokens_are_accepted_while_one_takes_the_place_of_the_other() {
    let (old, new) = ("the-old-secret-of-all-nodes", "the-new-secret-of-all-nodes");
    let (both, turned) = (format!("{old}\n{new}"), format!("{new}\n{old}"));
    // What one node sends, and whether another one that has these takes it.
    let accepts = |sender: &str, receiver: &mut Authentication| {
        let mut signed = metadata(None);
        let sent = authentication(Some(sender)).metadata();
        signed.insert("authorization", sent.expect("a token"));
        call(receiver, signed).is_ok()
    };
    for (earlier, later) in [(old, both.as_str()), (&both, &turned), (&turned, new)] {
        assert!(
            accepts(earlier, &mut authentication(Some(later))),
            "{later}"
        );
        assert!(
            accepts(later, &mut authentication(Some(earlier))),
            "{later}"
        );
    }
    let mut receiver = authentication(Some(&turned));
    let clone = receiver.clone();
    assert!(accepts(old, &mut receiver));
    clone.change(&ClusterToken::parse(new.as_bytes()).expect("a token"));
    assert!(!accepts(old, &mut receiver));
    assert!(accepts(new, &mut receiver));
}

/// A stream of requests to a node, and their answers.
struct Submitting {
    requests: mpsc::Sender<wire::SubmitRequest>,
    replies: Streaming<wire::SubmitReply>,
}

impl Submitting {
    async fn open(peers: &Peers, peer: &Peer) -> Self {
        let (requests, outgoing) = mpsc::channel(1);
        let opened = soon(
            "a stream",
            peers.submit(&peer.address, identity(2), outgoing),
        )
        .await;
        Self {
            requests,
            replies: opened.expect("a stream"),
        }
    }

    /// Whether the node answers a request.
    async fn is_open(&mut self) -> bool {
        let request = wire::SubmitRequest::default();
        let sent = self.requests.send(request).await.is_ok();
        sent && has_more(&mut self.replies).await
    }
}

/// Whether one more answer comes, and not the end.
async fn has_more<T>(replies: &mut Streaming<T>) -> bool {
    matches!(
        soon("an answer or the end", replies.message()).await,
        Ok(Some(_))
    )
}

#[tokio::test]
async fn a_stream_ends_once_the_token_that_has_opened_it_is_no_longer_trusted() {
    let (old, new) = ("the-old-secret-of-all-nodes", "the-new-secret-of-all-nodes");
    let trusts = authentication(Some(&format!("{old}\n{new}")));
    let peer = Peer::start_under(trusts.clone(), Some(identity(2))).await;
    let with = |token| {
        let carried = authentication(Some(token));
        Peers::new(Arc::new(Tcp), None, carried, MAX_MESSAGE_BYTES, None)
    };
    let mut of_old = Submitting::open(&with(old), &peer).await;
    let mut of_new = Submitting::open(&with(new), &peer).await;
    let entries = async |token| {
        let peers = with(token);
        let opened = peers.append(&peer.address, identity(2), stream::pending());
        soon("a stream", opened).await.expect("a stream")
    };
    let (mut entries_of_old, _entries_of_new) = (entries(old).await, entries(new).await);
    // Where both stay trusted nothing ends.
    let change =
        |token: &str| trusts.change(&ClusterToken::parse(token.as_bytes()).expect("a token"));
    change(&format!("{new}\n{old}"));
    assert!(of_old.is_open().await && of_new.is_open().await);
    change(new);
    assert!(!has_more(&mut entries_of_old).await);
    assert!(!has_more(&mut of_old.replies).await);
    assert!(of_new.is_open().await);
    // To be trusted again is no way back for what has ended.
    change(&format!("{new}\n{old}"));
    assert!(!of_old.is_open().await);
    assert!(Submitting::open(&with(old), &peer).await.is_open().await);
    peer.end().await;
}

proptest! {
    /// No other header is taken for the token, and none brings the check down.
    #[test]
    fn only_the_token_is_the_token(given: Vec<u8>) {
        let Ok(value) = AsciiMetadataValue::try_from(given.as_slice()) else {
            return Ok(());
        };
        let mut metadata = metadata(None);
        metadata.insert("authorization", value);
        prop_assert!(call(&mut authentication(Some(TOKEN)), metadata).is_err());
    }
}

#[test]
fn an_open_port_off_loopback_is_refused_with_what_to_do() {
    for listen in [
        "127.0.0.1:7000",
        "127.9.8.7:0",
        "[::1]:7000",
        "[::ffff:127.0.0.1]:1",
    ] {
        let listen: SocketAddr = listen.parse().expect("an address");
        assert_eq!(check_exposure(listen, false, false), Ok(()), "{listen}");
    }
    for listen in [
        "0.0.0.0:7000",
        "10.1.2.3:7000",
        "[::]:7000",
        "[::ffff:10.1.2.3]:1",
    ] {
        let listen: SocketAddr = listen.parse().expect("an address");
        assert_eq!(check_exposure(listen, true, false), Ok(()), "{listen}");
        assert_eq!(check_exposure(listen, false, true), Ok(()), "{listen}");
        let error = check_exposure(listen, false, false).expect_err("refused");
        let error = error.to_string();
        for part in [
            listen.to_string().as_str(),
            "--cluster-token-file",
            "--peer-tls-cert, --peer-tls-key and --peer-tls-ca",
            "--peer-listen 127.0.0.1:",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
