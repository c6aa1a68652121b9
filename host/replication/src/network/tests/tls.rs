//! Mutual TLS: who is let in, who is not, and which files are refused.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::certificates::{Authority, Issued, expired, for_both, for_clients, for_servers};
use super::soon;
use crate::network::connection::Io;
use crate::network::tls::PeerTls;
use crate::options::PeerTlsFiles;

/// A node's side of TLS, with a certificate for `names`.
fn node(authority: &Authority, names: &[&str]) -> PeerTls {
    with(authority, &authority.issue(names))
}

fn with(authority: &Authority, issued: &Issued) -> PeerTls {
    let folder = tempfile::tempdir().expect("a folder");
    PeerTls::load(&authority.files(folder.path(), issued)).expect("usable files")
}

/// Has one node connect to another, which is `node-1`.
async fn meet(client: &PeerTls, server: &PeerTls) -> io::Result<()> {
    let (near, far) = pipe();
    let accept = server.server();
    let handshake = async { tokio::join!(client.client("node-1", near), accept.accept(far)) };
    let (connected, accepted) = soon("a handshake", handshake).await;
    connected.and(accepted).map(drop)
}

fn pipe() -> (Io, Io) {
    let (near, far) = duplex(64 << 10);
    (Box::new(near), Box::new(far))
}

/// A client that has its own ideas: it trusts `authority`, and shows the certificate that it is given or none.
fn stranger(authority: &Authority, shows: Option<&Issued>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    let root = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    roots.add(root).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match shows {
        None => config.with_no_client_auth(),
        Some(issued) => {
            let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .expect("a chain");
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
            config.with_client_auth_cert(chain, key).expect("a config")
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// Connects, says something and waits for an answer, over real TCP. A client learns whether it is accepted when it reads.
async fn knock(connector: TlsConnector, server: &PeerTls) -> (io::Result<()>, io::Result<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let accepting = async {
        let (stream, _) = listener.accept().await?;
        let mut io = server.server().accept(Box::new(stream)).await?;
        io.read_exact(&mut [0; 20 << 10]).await?;
        io.shutdown().await
    };
    let knocking = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("node-1").expect("a name");
        let mut io = connector.connect(name, stream).await?;
        // What it goes on saying once the server has refused must not cost it the reason.
        for _ in 0..20 {
            io.write_all(&[b'x'; 1 << 10]).await?;
            io.flush().await?;
            sleep(Duration::from_millis(5)).await;
        }
        io.read_to_end(&mut Vec::new()).await.map(drop)
    };
    soon("a handshake", async { tokio::join!(accepting, knocking) }).await
}

#[tokio::test]
async fn nodes_of_one_authority_speak_to_each_other() {
    let authority = Authority::new("ours");
    let names = ["node-1", "127.0.0.1", "::1", "*.nodes.example.com"];
    let server = node(&authority, &names);
    let indirect = with(&authority, &authority.issue_indirectly(&["node-2"]));
    let both = with(&authority, &authority.issue_with(&["node-3"], for_both));
    for client in [&indirect, &both] {
        for host in ["node-1", "127.0.0.1", "::1", "a.nodes.example.com"] {
            let (near, far) = pipe();
            let accept = server.server();
            let (near, far) = soon("a handshake", async {
                tokio::join!(client.client(host, near), accept.accept(far))
            })
            .await;
            let (mut near, mut far) = (near.expect(host), far.expect(host));
            let mut heard = [0; 4];
            near.write_all(b"ping").await.expect("written");
            near.flush().await.expect("flushed");
            far.read_exact(&mut heard).await.expect("read");
            assert_eq!(&heard, b"ping");
            far.write_all(b"pong").await.expect("written");
            far.flush().await.expect("flushed");
            near.read_exact(&mut heard).await.expect("read");
            assert_eq!(&heard, b"pong");
        }
    }
}

#[tokio::test]
async fn files_that_change_are_read_again_unless_they_are_no_use() {
    let [old, new] = ["old", "new"].map(Authority::new);
    let folder = tempfile::tempdir().expect("a folder");
    let version = |name: &str, authority: &Authority, issued: &Issued| {
        let version = folder.path().join(name);
        fs::create_dir(&version).expect("a folder");
        authority.files(&version, issued);
    };
    // As Kubernetes shows a Secret: the files are behind a link, which comes to lead elsewhere.
    let link = folder.path().join("current");
    let show = |name: &str| {
        let next = folder.path().join("next");
        symlink(folder.path().join(name), &next).expect("a link");
        fs::rename(next, &link).expect("a link");
    };
    let named = |name: &str| link.join(name);
    let files = PeerTlsFiles {
        cert: named("cert.pem"),
        key: named("key.pem"),
        ca: named("ca.pem"),
    };
    version("first", &old, &old.issue(&["node-1"]));
    version("renewed", &new, &new.issue(&["node-1"]));
    let mismatched = Issued {
        key: new.issue(&["node-1"]).key,
        ..old.issue(&["node-1"])
    };
    version("broken", &old, &mismatched);

    show("first");
    let renewing = PeerTls::load(&files).expect("usable files");
    let of = |authority: &Authority| node(authority, &["node-1"]);
    meet(&of(&old), &renewing).await.expect("let in");
    show("broken");
    meet(&of(&old), &renewing).await.expect("let in as before");
    meet(&renewing, &of(&old)).await.expect("let in as before");
    show("renewed");
    meet(&of(&new), &renewing).await.expect("let in");
    meet(&renewing, &of(&new)).await.expect("let in");
    meet(&of(&old), &renewing)
        .await
        .expect_err("another authority");
}

#[tokio::test]
async fn a_client_with_a_certificate_of_the_authority_is_let_in() {
    let authority = Authority::new("ours");
    let connector = stranger(&authority, Some(&authority.issue(&["node-2"])));
    let (accepted, connected) = knock(connector, &node(&authority, &["node-1"])).await;
    accepted.expect("accepted");
    connected.expect("let in");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_learns_why() {
    let authority = Authority::new("ours");
    let connector = stranger(&authority, None);
    let (accepted, connected) = knock(connector, &node(&authority, &["node-1"])).await;
    let accepted = accepted.expect_err("refused").to_string();
    assert!(accepted.contains("no certificate"), "{accepted}");
    let connected = connected.expect_err("refused").to_string();
    assert!(connected.contains("CertificateRequired"), "{connected}");
}

#[tokio::test]
async fn a_client_with_a_certificate_of_somebody_else_is_refused_and_learns_why() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let server = node(&authority, &["node-1"]);
    let own = authority.issue_with(&["node-2"], expired);
    let servers = authority.issue_with(&["node-2"], for_servers);
    for (shown, expected) in [
        (&other.issue(&["node-2"]), "UnknownCA"),
        (&own, "CertificateExpired"),
        (&servers, "alert"),
    ] {
        let (accepted, connected) = knock(stranger(&authority, Some(shown)), &server).await;
        let accepted = accepted.expect_err("refused").to_string();
        assert!(accepted.contains("certificate"), "{accepted}");
        let connected = connected.expect_err("refused").to_string();
        assert!(connected.contains(expected), "{connected}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_who_was_called_is_refused() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let client = node(&authority, &["node-1"]);
    for (server, host, expected) in [
        (node(&other, &["node-2"]), "node-2", "UnknownIssuer"),
        (node(&authority, &["node-3"]), "node-2", "\"node-2\""),
        (node(&authority, &["node-3"]), "10.1.2.3", "10.1.2.3"),
        (node(&authority, &[]), "node-2", "\"node-2\""),
    ] {
        let (near, far) = pipe();
        let accept = server.server();
        let handshake = async { tokio::join!(client.client(host, near), accept.accept(far)) };
        let (connected, accepted) = soon("a handshake", handshake).await;
        let error = connected.map(drop).expect_err("refused").to_string();
        assert!(
            error.contains("certificate") && error.contains(expected),
            "{error}"
        );
        accepted.map(drop).expect_err("no client");
    }
    let (near, _far) = pipe();
    let error = client.client("not a host", near).await.map(drop);
    let error = error.expect_err("no name").to_string();
    assert!(error.contains("\"not a host\""), "{error}");
}

#[tokio::test]
async fn garbage_is_no_handshake() {
    let server = node(&Authority::new("ours"), &["node-1"]).server();
    let garbage: [&[u8]; 5] = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 4096],
        &[0xff; 4096],
        &[0x16, 0x03, 0x01, 0x00, 0x05, 1, 0xff, 0xff, 0xff, 0xff],
    ];
    for garbage in garbage {
        let (mut near, far) = pipe();
        near.write_all(garbage).await.expect("written");
        near.shutdown().await.expect("closed");
        let refused = soon("a refusal", server.accept(far)).await;
        refused.map(drop).expect_err("no TLS");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let client = node(&Authority::new("ours"), &["node-1"]);
    let (near, _silent) = pipe();
    let connected = soon("giving up", client.client("node-2", near)).await;
    let error = connected.map(drop).expect_err("no answer");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
}

/// Why files of a certificate that is all right, but for what `change` does to them, are refused.
fn refusal(change: impl Fn(&PeerTlsFiles)) -> String {
    refusal_of(&Authority::new("ours").issue(&["node-1"]), change)
}

fn refusal_of(issued: &Issued, change: impl Fn(&PeerTlsFiles)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Authority::new("another").files(folder.path(), issued);
    change(&files);
    let Err(error) = PeerTls::load(&files) else {
        panic!("it was accepted");
    };
    let error = error.to_string();
    assert!(
        error.contains(&folder.path().display().to_string()),
        "{error}"
    );
    error
}

#[test]
fn files_that_are_no_use_are_named() {
    type File = fn(&PeerTlsFiles) -> &std::path::Path;
    let files: [(&str, File); 3] = [
        ("--peer-tls-cert", |files| &files.cert),
        ("--peer-tls-key", |files| &files.key),
        ("--peer-tls-ca", |files| &files.ca),
    ];
    for (option, file) in files {
        let absent = refusal(|files| fs::remove_file(file(files)).expect("removed"));
        assert!(
            absent.starts_with(option) && absent.contains("No such file"),
            "{absent}"
        );
        for content in [
            "",
            "nothing of the kind",
            "-----BEGIN NOTHING-----\n-----END NOTHING-----\n",
        ] {
            let empty = refusal(|files| fs::write(file(files), content).expect("written"));
            assert!(
                empty.starts_with(option) && empty.contains("there is none in it"),
                "{empty}"
            );
        }
        let damaged = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        let damaged = refusal(|files| fs::write(file(files), damaged).expect("written"));
        assert!(
            damaged.starts_with(option) && damaged.contains("no PEM"),
            "{damaged}"
        );
    }
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let authority = refusal(|files| fs::write(&files.ca, nonsense).expect("written"));
    assert!(authority.starts_with("--peer-tls-ca"), "{authority}");
    let own = refusal(|files| fs::write(&files.cert, nonsense).expect("written"));
    assert!(own.starts_with("--peer-tls-cert"), "{own}");
}

#[test]
fn the_key_is_that_of_the_certificate() {
    let other = Authority::new("ours").issue(&["node-1"]).key;
    let error = refusal(|files| fs::write(&files.key, &other).expect("written"));
    assert!(
        error.contains("--peer-tls-key") && error.contains("cannot be used together"),
        "{error}"
    );
}

#[test]
fn a_chain_that_is_longer_than_others_look_at_is_refused_at_the_start() {
    let authority = Authority::new("ours");
    with(&authority, &authority.issue_through(4, &["node-1"]));
    let pem = authority.pem();
    let long = authority.issue_through(5, &["node-1"]);
    let error = refusal_of(&long, |files| fs::write(&files.ca, &pem).expect("written"));
    assert!(error.contains("5 certificates between"), "{error}");
}

#[test]
fn a_certificate_that_others_would_refuse_is_refused_at_the_start() {
    let authority = Authority::new("ours");
    let under = |issued: &Issued| {
        let pem = authority.pem();
        refusal_of(issued, |files| fs::write(&files.ca, &pem).expect("written"))
    };
    let others = Authority::new("theirs").issue(&["node-1"]);
    let past = authority.issue_with(&["node-1"], expired);
    let servers = authority.issue_with(&["node-1"], for_servers);
    let clients = authority.issue_with(&["node-1"], for_clients);
    for (issued, expected) in [
        (&others, "UnknownIssuer"),
        (&past, "expired"),
        (&servers, "extended key usage"),
        (&clients, "extended key usage"),
    ] {
        let error = under(issued);
        assert!(
            error.contains("does not prove")
                && error.to_lowercase().contains(&expected.to_lowercase()),
            "{error}"
        );
    }
}
