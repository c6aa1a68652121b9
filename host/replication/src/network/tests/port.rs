//! A whole node's port: what it says to those that it does not let in, and that they do it no harm.

use std::collections::BTreeMap;
use std::sync::Arc;

use spindrift_discovery::StaticList;
use spindrift_store::Stores;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::certificates::Authority;
use super::soon;
use crate::network::{ClusterToken, Tcp};
use crate::options::PeerTlsFiles;
use crate::remote::{Credentials, RemoteError, status};
use crate::{Ended, Faults, LifecycleError, Publish, Replication, ReplicationOptions, Setup, Stop};

/// A process that is or becomes a node, on loopback.
pub struct Node {
    pub address: String,
    pub publish: Arc<dyn Publish>,
    stop: Stop,
    running: JoinHandle<Result<Ended, LifecycleError>>,
}

impl Node {
    /// A cluster of one node.
    pub async fn start(credentials: &Credentials) -> Self {
        let options = ReplicationOptions {
            peer_listen: "127.0.0.1:0".parse().expect("an address"),
            cluster_token: credentials.token.clone(),
            peer_tls: credentials.tls.clone(),
            ..ReplicationOptions::default()
        };
        Self::start_told(options, None).await
    }

    /// One that joins the cluster at `seed`, or forms one without it.
    pub async fn start_told(options: ReplicationOptions, seed: Option<String>) -> Self {
        let forms = seed.is_none();
        let setup = Setup {
            options,
            discovery: Arc::new(StaticList::new(seed, "127.0.0.1:0", forms)),
            application: "test".into(),
            version: "0.0.0".into(),
            stores: Stores::new(BTreeMap::new()),
            transport: Arc::new(Tcp),
            faults: Faults::default(),
        };
        let replication = Replication::bind(setup).await.expect("a port");
        let address = replication.address().to_string();
        let publish = replication.publish();
        let stop = Stop::default();
        let running = tokio::spawn(replication.run(stop.clone()));
        Self {
            address,
            publish,
            stop,
            running,
        }
    }

    /// What a node that shows these credentials is told.
    pub async fn ask(&self, credentials: &Credentials) -> Result<(), RemoteError> {
        let asked = soon("an answer", status(&self.address, credentials)).await;
        asked.map(drop)
    }

    pub async fn refusal(&self, credentials: &Credentials) -> String {
        let refused = self.ask(credentials).await;
        refused.expect_err("refused").to_string()
    }

    /// Says `garbage`, and waits until the node closes.
    async fn annoy(&self, garbage: &[u8]) {
        let mut stream = TcpStream::connect(&self.address).await.expect("a port");
        // It may be closed before all is written.
        stream.write_all(garbage).await.ok();
        let mut answer = Vec::new();
        soon("its close", stream.read_to_end(&mut answer))
            .await
            .ok();
    }

    /// Tells it to stop.
    pub fn stop(&self) {
        self.stop.hand_over.cancel();
        self.stop.leave.cancel();
    }

    /// Waits for its end.
    pub async fn ended(self) -> Ended {
        let ended = soon("its end", self.running).await.expect("no panic");
        ended.expect("no failure")
    }

    pub async fn end(self) {
        self.stop();
        self.ended().await;
    }
}

pub fn token(token: &str) -> Credentials {
    Credentials {
        token: Some(ClusterToken::parse(token.as_bytes()).expect("a token")),
        tls: None,
    }
}

fn certificates(files: PeerTlsFiles) -> Credentials {
    Credentials {
        token: None,
        tls: Some(files),
    }
}

/// Credentials of a node at 127.0.0.1, in files that are there as long as the folder.
fn certificates_of(authority: &Authority) -> (tempfile::TempDir, Credentials) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = authority.files(folder.path(), &authority.issue(&["127.0.0.1"]));
    (folder, certificates(files))
}

/// Things that a port scanner, a browser or a fuzzer would say.
fn garbage() -> Vec<Vec<u8>> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let with = |frame: &[u8]| [preface.as_slice(), frame].concat();
    vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0; 70_000],
        vec![0xff; 70_000],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(40),
        // A frame far too long, one of no stream, and settings that cannot be.
        with(&[0xff; 4096]),
        with(&[0, 0, 4, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4]),
        with(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]),
    ]
}

#[tokio::test]
async fn who_does_not_know_the_token_is_told_so() {
    let right = token("the-secret-that-all-nodes-know");
    let node = Node::start(&right).await;
    node.ask(&right).await.expect("an answer");
    let without = node.refusal(&Credentials::default()).await;
    assert!(
        without.contains("the cluster token is missing") && without.contains("refused"),
        "{without}"
    );
    let wrong = node.refusal(&token("another-secret-of-some-length")).await;
    assert!(
        wrong.contains("its cluster token is another one"),
        "{wrong}"
    );
    assert!(
        wrong.contains("--cluster-token-file") && wrong.contains(&node.address),
        "{wrong}"
    );
    let certified = certificates_of(&Authority::new("ours"));
    let certified = node.refusal(&certified.1).await;
    assert!(
        certified.contains("proves itself with a cluster token"),
        "{certified}"
    );
    node.ask(&right).await.expect("an answer");
    node.end().await;

    let open = Node::start(&Credentials::default()).await;
    open.ask(&Credentials::default()).await.expect("an answer");
    let needless = open.refusal(&right).await;
    assert!(
        needless.contains("it speaks no TLS, so it has neither a cluster token"),
        "{needless}"
    );
    let certified = certificates_of(&Authority::new("ours"));
    let certified = open.refusal(&certified.1).await;
    assert!(certified.contains("it speaks no TLS"), "{certified}");
    open.end().await;
}

#[tokio::test]
async fn who_has_no_certificate_of_the_authority_stays_outside() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let files = |index: usize, authority: &Authority, name| {
        let issued = authority.issue(&[name]);
        certificates(authority.files(folders[index].path(), &issued))
    };
    let own = files(0, &ours, "127.0.0.1");
    let node = Node::start(&own).await;
    // A client's certificate may be for any name.
    let other = files(1, &ours, "node-2");
    node.ask(&own).await.expect("an answer");
    node.ask(&other).await.expect("an answer");
    let without = node.refusal(&Credentials::default()).await;
    assert!(
        without.contains("in clear") && without.contains("--peer-tls-cert"),
        "{without}"
    );
    let with_token = node.refusal(&token("the-secret-that-all-nodes-know")).await;
    assert!(
        with_token.contains("does not prove itself with a cluster token"),
        "{with_token}"
    );
    let stranger = node.refusal(&files(2, &theirs, "127.0.0.1")).await;
    assert!(stranger.contains("certificate"), "{stranger}");
    for garbage in garbage() {
        node.annoy(&garbage).await;
    }
    node.ask(&own).await.expect("an answer");
    node.end().await;

    let misnamed = Node::start(&other).await;
    let refused = misnamed.refusal(&own).await;
    assert!(
        refused.contains("127.0.0.1") && refused.contains("node-2"),
        "{refused}"
    );
    misnamed.end().await;
}

#[tokio::test]
async fn garbage_costs_nothing_but_its_connection() {
    let node = Node::start(&Credentials::default()).await;
    let silent = TcpStream::connect(&node.address).await.expect("a port");
    for garbage in garbage() {
        node.annoy(&garbage).await;
        node.ask(&Credentials::default()).await.expect("an answer");
    }
    drop(silent);
    node.end().await;
}

/// The certificates decide who is let in, and the token, which goes with each call, as well.
#[tokio::test]
async fn beside_certificates_the_token_goes_with_each_call() {
    let (folder, alone) = certificates_of(&Authority::new("ours"));
    let with = |text: &str| Credentials {
        token: token(text).token,
        ..alone.clone()
    };
    let node = Node::start(&with(
        "the-old-secret-of-all-nodes\nthe-new-secret-of-all-nodes",
    ))
    .await;
    for text in [
        "the-old-secret-of-all-nodes",
        "the-new-secret-of-all-nodes",
        "the-new-secret-of-all-nodes\nanother-secret-of-some-length",
    ] {
        node.ask(&with(text)).await.expect("an answer");
    }
    let wrong = node.refusal(&with("another-secret-of-some-length")).await;
    assert!(
        wrong.contains("the cluster token of the call is another one"),
        "{wrong}"
    );
    let without = node.refusal(&alone).await;
    assert!(
        without.contains("the cluster token is missing"),
        "{without}"
    );
    node.end().await;
    drop(folder);
}
