//! TLS that follows from a cluster token: who trusts whom, what both sides hear, and what becomes of it when the token is
//! replaced.

use std::io;
use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, PKCS_ED25519,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CipherSuite, ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;

use super::certificates::{Authority, for_clients};
use super::soon;
use crate::network::connection::Io;
use crate::network::tls::{Distrust, PeerTls};
use crate::network::token::ClusterToken;

/// The old token, the new one, and another cluster's, each of which is derived once for all tests.
static TOKENS: LazyLock<[ClusterToken; 3]> = LazyLock::new(|| {
    [
        "the-old-secret-of-all-nodes",
        "the-new-secret-of-all-nodes",
        "another-clusters-own-secret",
    ]
    .map(|token| ClusterToken::parse(token.as_bytes()).expect("a token"))
});

fn old() -> ClusterToken {
    TOKENS[0].clone()
}

fn new() -> ClusterToken {
    TOKENS[1].clone()
}

fn other() -> ClusterToken {
    TOKENS[2].clone()
}

fn tls(token: &ClusterToken) -> PeerTls {
    PeerTls::of(token).expect("memory")
}

fn pipe() -> (Io, Io) {
    let (near, far) = duplex(64 << 10);
    (Box::new(near), Box::new(far))
}

/// Has one process connect to another.
async fn meet(client: &PeerTls, server: &PeerTls) -> (io::Result<Io>, io::Result<Io>) {
    let (near, far) = pipe();
    let accept = server.server();
    soon("a handshake", async {
        tokio::join!(client.client("10.1.2.3", near), accept.accept(far))
    })
    .await
}

/// Both ends of a connection between two that trust each other.
async fn connection(client: &PeerTls, server: &PeerTls) -> (Io, Io) {
    let (near, far) = meet(client, server).await;
    (near.expect("let in"), far.expect("let in"))
}

/// Whether what one end says arrives at the other, both ways.
async fn is_open((near, far): &mut (Io, Io)) -> bool {
    let mut heard = [0; 4];
    let said = async {
        near.write_all(b"ping").await?;
        near.flush().await?;
        far.read_exact(&mut heard).await?;
        far.write_all(&heard).await?;
        far.flush().await?;
        near.read_exact(&mut heard).await
    };
    soon("an answer", said)
        .await
        .is_ok_and(|_| &heard == b"ping")
}

/// What each side hears of the other that it does not trust.
async fn words(client: &PeerTls, server: &PeerTls) -> (String, String) {
    let (near, far) = meet(client, server).await;
    let word = |result: io::Result<Io>| {
        let error = result.map(drop).expect_err("refused");
        assert!(Distrust::of(&error).is_some(), "{error}");
        error.to_string()
    };
    (word(near), word(far))
}

#[tokio::test]
async fn processes_with_one_token_trust_each_other() {
    let (client, server) = (tls(&old()), tls(&old()));
    assert!(is_open(&mut connection(&client, &server).await).await);
    assert!(is_open(&mut connection(&server, &client).await).await);
}

#[tokio::test]
async fn tokens_that_differ_are_named_on_both_sides() {
    let (near, far) = words(&tls(&other()), &tls(&old())).await;
    for words in [near, far] {
        assert!(words.contains("cluster token"), "{words}");
        assert!(words.contains("another one"), "{words}");
        assert!(words.contains("--cluster-token-file"), "{words}");
    }
}

#[tokio::test]
async fn a_server_that_trusts_the_other_side_no_more_tells_it() {
    let client = tls(&ClusterToken::parse(both("the-old", "the-new").as_bytes()).expect("tokens"));
    let (near, far) = words(&client, &tls(&new())).await;
    assert!(
        near.contains("does not trust the cluster token of this process"),
        "{near}"
    );
    assert!(far.contains("another one than that of this node"), "{far}");
}

/// What a process with the token shows of itself, after a change.
fn showing(token: &PeerTls, change: impl FnOnce(&mut CertifiedKey)) -> TlsConnector {
    let mut config = (*token.configurations().0).clone();
    let own = config
        .client_auth_cert_resolver
        .resolve(&[], &[SignatureScheme::ED25519])
        .expect("a certificate");
    let mut own = CertifiedKey::new(own.cert.clone(), own.key.clone());
    change(&mut own);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
    TlsConnector::from(Arc::new(config))
}

/// A search for a path through certificates that a stranger has made up would hold up the thread that sends heartbeats.
#[tokio::test]
async fn certificates_between_a_nodes_own_and_the_authoritys_are_refused_unseen() {
    let server = tls(&old());
    let between = Authority::new("between").pem();
    let between = CertificateDer::from_pem_slice(between.as_bytes()).expect("a certificate");
    let name = ServerName::try_from("peer.spindrift.internal").expect("a name");
    for (extra, expected) in [
        (0, None),
        (1, Some("certificates between")),
        (10, Some("10")),
    ] {
        let client = showing(&server, |own| {
            own.cert.extend(std::iter::repeat_n(between.clone(), extra));
        });
        let (near, far) = pipe();
        let (accept, name) = (server.server(), name.clone());
        let (_, accepted) = soon("a handshake", async {
            tokio::join!(client.connect(name, near), accept.accept(far))
        })
        .await;
        let words = accepted.err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(words, None, "as a node does"),
            Some(expected) => assert!(
                words.as_ref().is_some_and(|words| words.contains(expected)),
                "{words:?}"
            ),
        }
    }
}

/// The authority of a token, for those who make something else of it than a node does.
fn authority_of(token: &ClusterToken) -> Issuer<'static, KeyPair> {
    // What comes before the seed in an Ed25519 private key (RFC 8410, section 7).
    let mut key = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    key.extend_from_slice(token.own().seed().expect("memory"));
    let key = PrivatePkcs8KeyDer::from(key);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519).expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = "spindrift cluster token";
    params.distinguished_name.push(DnType::CommonName, name);
    Issuer::new(params, key)
}

/// A certificate with a name of its own that the authority of `token` has signed, or that one has signed which this authority has
/// signed. And its key.
fn leaf(
    token: &ClusterToken,
    change: impl Fn(&mut CertificateParams),
    indirect: bool,
) -> CertifiedKey {
    let authority = authority_of(token);
    let mut params = CertificateParams::new(["peer.example.com".to_owned()]).expect("a name");
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let chain = if indirect {
        let mut between = CertificateParams::default();
        between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let between_key = KeyPair::generate().expect("a key");
        let between = CertifiedIssuer::signed_by(between, between_key, &authority);
        let between = between.expect("an authority");
        let leaf = params.signed_by(&key, &between).expect("a leaf");
        vec![leaf.der().clone(), between.der().clone()]
    } else {
        let leaf = params.signed_by(&key, &authority).expect("a leaf");
        vec![leaf.der().clone()]
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    CertifiedKey::new(chain, any_supported_type(&key).expect("a key"))
}

/// Somebody who knows the old token makes a certificate of it that no node would make. It opens nothing that outlives the token.
#[tokio::test]
async fn an_odd_certificate_does_not_outlive_the_token_that_it_is_made_of() {
    let name = ServerName::try_from("peer.spindrift.internal").expect("a name");
    let first = ClusterToken::parse(both("the-old", "the-new").as_bytes()).expect("tokens");
    let server = tls(&first);
    let connect = async |own: CertifiedKey| {
        let client = showing(&tls(&old()), |shown| *shown = own);
        let (near, far) = pipe();
        let accept = server.server();
        soon("a handshake", async {
            tokio::join!(client.connect(name.clone(), near), accept.accept(far))
        })
        .await
    };
    type Change = fn(&mut CertificateParams);
    let odd: [(Change, bool, &str); 3] = [
        // The authority behind a certificate is found out by what it is good for as a server's.
        (
            for_clients,
            false,
            "no node makes a certificate like its own",
        ),
        (|_| {}, true, "1 certificates between"),
        (for_clients, true, "1 certificates between"),
    ];
    for (change, indirect, expected) in odd {
        let (_, accepted) = connect(leaf(&old(), change, indirect)).await;
        let refused = accepted.map(drop).expect_err("refused").to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    // One that has everything but the name of a node's is let in, and out again with its token.
    let (near, far) = connect(leaf(&old(), |_| {}, false)).await;
    let near = near.expect("let in");
    let mut open = (Box::new(near) as Io, far.expect("let in"));
    assert_eq!(open.0.read_u8().await.expect("a welcome"), b'+');
    assert!(is_open(&mut open).await);
    server.trust(&new()).expect("memory");
    assert!(!is_open(&mut open).await);
    let (_, late) = connect(leaf(&old(), |_| {}, false)).await;
    late.map(drop).expect_err("the token is no longer trusted");
}

fn both(first: &str, second: &str) -> String {
    format!("{first}-secret-of-all-nodes\n{second}-secret-of-all-nodes")
}

#[tokio::test]
async fn tokens_and_certificates_are_told_apart_on_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("ours");
    let files = authority.files(folder.path(), &authority.issue(&["10.1.2.3"]));
    let certificates = PeerTls::load(&files).expect("usable files");
    let token = tls(&old());
    let (near, far) = words(&token, &certificates).await;
    assert!(
        near.contains("does not prove itself with a cluster token"),
        "{near}"
    );
    assert!(near.contains("--peer-tls-cert"), "{near}");
    assert!(far.contains("a cluster token alone"), "{far}");
    let (near, far) = words(&certificates, &token).await;
    assert!(
        near.contains("proves itself with a cluster token"),
        "{near}"
    );
    assert!(
        far.contains("does not prove itself with a cluster token"),
        "{far}"
    );
}

#[tokio::test]
async fn a_token_is_replaced_without_a_moment_of_distrust() {
    let first = ClusterToken::parse(both("the-old", "the-new").as_bytes()).expect("tokens");
    let second = ClusterToken::parse(both("the-new", "the-old").as_bytes()).expect("tokens");
    let steps = [old(), first, second, new()];
    // Nodes are at the same step, or at one and the next.
    for pair in steps.windows(2) {
        let (earlier, later) = (tls(&pair[0]), tls(&pair[1]));
        for (client, server) in [(&earlier, &later), (&later, &earlier), (&later, &later)] {
            assert!(is_open(&mut connection(client, server).await).await);
        }
    }
    // Both go through all of them. What is opened stays open until a token is left out that has opened it.
    let (client, server) = (tls(&steps[0]), tls(&steps[0]));
    let mut from_old = connection(&client, &server).await;
    for step in &steps[1..3] {
        server.trust(step).expect("memory");
        assert!(is_open(&mut from_old).await);
        assert!(is_open(&mut connection(&client, &server).await).await);
        client.trust(step).expect("memory");
        assert!(is_open(&mut from_old).await);
    }
    let mut from_new = connection(&client, &server).await;
    server.trust(&steps[3]).expect("memory");
    assert!(!is_open(&mut from_old).await);
    assert!(is_open(&mut from_new).await);
    client.trust(&steps[3]).expect("memory");
    assert!(is_open(&mut from_new).await);
    // Back to what was trusted before is no way for what was ended.
    server.trust(&steps[0]).expect("memory");
    assert!(!is_open(&mut from_old).await && !is_open(&mut from_new).await);
}

#[tokio::test]
async fn an_end_that_trusts_a_token_no_more_ends_what_it_has_opened_itself() {
    let (client, server) = (tls(&old()), tls(&old()));
    let mut open = connection(&client, &server).await;
    client.trust(&new()).expect("memory");
    assert!(!is_open(&mut open).await);
    words(&client, &server).await;
}

/// What is in force between two that trust each other: the newest version, with the key exchange that makes sessions secret
/// for good, and a session that cannot be resumed.
#[tokio::test]
async fn what_is_agreed_on() {
    let (client, server) = (tls(&old()), tls(&old()));
    let (client, server) = (client.configurations().0, server.configurations().1);
    let connector = tokio_rustls::TlsConnector::from(client);
    let acceptor = tokio_rustls::TlsAcceptor::from(server);
    for _ in 0..2 {
        let (near, far) = duplex(64 << 10);
        let name = "peer.spindrift.internal".try_into().expect("a name");
        let both = async { tokio::join!(connector.connect(name, near), acceptor.accept(far)) };
        let (near, far) = soon("a handshake", both).await;
        let (mut near, mut far) = (near.expect("a session"), far.expect("a session"));
        far.write_all(b"x").await.expect("written");
        far.flush().await.expect("flushed");
        near.read_u8().await.expect("read");
        let (_, session) = near.get_ref();
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let suite = session.negotiated_cipher_suite().expect("a suite").suite();
        assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(session.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert_eq!(session.tls13_tickets_received(), 0);
    }
}

/// Somebody who listens at a peer's address gets nothing with which the peer could be called.
#[tokio::test]
async fn what_is_sent_cannot_be_sent_again() {
    let (client, server) = (tls(&old()), tls(&old()));
    let (near, mut listening) = duplex(64 << 10);
    let calling = tokio::spawn(async move { client.client("10.1.2.3", Box::new(near)).await });
    let mut hello = vec![0; 4096];
    let length = soon("what it says", listening.read(&mut hello))
        .await
        .expect("read");
    hello.truncate(length);
    assert!(!hello.windows(6).any(|part| part == b"secret"), "{hello:?}");
    let (mut replaying, far) = duplex(64 << 10);
    replaying.write_all(&hello).await.expect("written");
    replaying.shutdown().await.expect("closed");
    let refused = soon("a refusal", server.server().accept(Box::new(far))).await;
    refused.map(drop).expect_err("nobody has proved anything");
    drop(listening);
    let called = soon("an end", calling).await.expect("no panic");
    called.map(drop).expect_err("nobody has answered");
}
