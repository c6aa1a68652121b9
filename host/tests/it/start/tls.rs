//! HTTPS.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::assert_refused;
use crate::harness::{App, Host, HostCommand, within};

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

/// The application with `cert.pem` and `key.pem` beside it.
fn command(certificate: &str, key: &str) -> HostCommand {
    let app = App::new()
        .guest("trouble", "")
        .file("cert.pem", certificate)
        .file("key.pem", key);
    let files =
        ["cert.pem", "key.pem"].map(|name| app.path().join(name).to_string_lossy().into_owned());
    app.command()
        .args(&["--tls-cert", &files[0], "--tls-key", &files[1]])
}

fn start(certified: &CertifiedKey<KeyPair>) -> Host {
    command(
        &certified.cert.pem(),
        &certified.signing_key.serialize_pem(),
    )
    .start()
}

/// A session that trusts the certificate and offers these protocols.
async fn connect(
    address: SocketAddr,
    certified: &CertifiedKey<KeyPair>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certified.cert.der().clone())
        .expect("a certificate to trust");
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    let stream = within("a connection", TcpStream::connect(address)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    within(
        "a TLS session",
        TlsConnector::from(Arc::new(config)).connect(name, stream),
    )
    .await
}

fn request(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri)
        .header("host", "localhost")
        .body(Empty::new())
        .expect("a request")
}

async fn seen(response: http::Response<hyper::body::Incoming>) -> serde_json::Value {
    assert_eq!(response.status(), 200);
    let body = within("the body", response.into_body().collect())
        .await
        .expect("a whole body")
        .to_bytes();
    serde_json::from_slice::<serde_json::Value>(&body).expect("a JSON body")["ok"].take()
}

fn full_url(seen: &serde_json::Value) -> &str {
    let headers = seen["headers"].as_array().expect("headers");
    headers
        .iter()
        .find(|header| header[0] == "spin-full-url")
        .and_then(|header| header[1].as_str())
        .expect("the URL")
}

#[tokio::test]
async fn https_is_served_in_both_versions_of_http() {
    let certified = certificate();
    let host = start(&certified);
    assert!(host.base().starts_with("https://"), "{}", host.base());

    for protocols in [&["http/1.1"][..], &[]] {
        let stream = connect(host.address(), &certified, protocols)
            .await
            .expect("a session");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP/1.1");
        tokio::spawn(connection);
        let response = within(
            "an answer",
            sender.send_request(request("/trouble/method-and-headers")),
        )
        .await;
        let seen = seen(response.expect("an answer")).await;
        assert_eq!(seen["scheme"], "https");
        assert_eq!(
            full_url(&seen),
            "https://localhost/trouble/method-and-headers"
        );
    }

    let stream = connect(host.address(), &certified, &["h2", "http/1.1"])
        .await
        .expect("a session");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = request("https://localhost/trouble/method-and-headers");
    let seen = seen(
        within("an answer", sender.send_request(request))
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(seen["scheme"], "https");
    assert_eq!(
        full_url(&seen),
        "https://localhost/trouble/method-and-headers"
    );
}

#[tokio::test]
async fn a_client_without_tls_gets_no_answer_and_harms_nobody() {
    let certified = certificate();
    let host = start(&certified);
    let mut plain = host.connect().await;
    plain
        .send("GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(!plain.read_to_end().await.contains("200"));
    connect(host.address(), &certified, &["h2"])
        .await
        .expect("a session");
    // One that trusts another certificate.
    assert!(
        connect(host.address(), &certificate(), &["h2"])
            .await
            .is_err()
    );
    connect(host.address(), &certified, &["h2"])
        .await
        .expect("a session");
}

#[tokio::test]
async fn a_tls_session_that_is_never_made_ends() {
    let certified = certificate();
    let host = command(
        &certified.cert.pem(),
        &certified.signing_key.serialize_pem(),
    )
    .args(&["--header-timeout", "500ms"])
    .start();
    assert_eq!(host.connect().await.read_to_end().await, "");
}

#[tokio::test]
async fn files_that_are_no_certificate_or_key_are_named() {
    let (certified, other) = (certificate(), certificate());
    let (cert, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    for (cert, key, parts) in [
        ("nonsense", key.as_str(), &["--tls-cert", "cert.pem"][..]),
        (&cert, "nonsense", &["--tls-key", "key.pem"]),
        (&cert, &cert, &["--tls-key", "key.pem"]),
        (
            &cert,
            &other.signing_key.serialize_pem(),
            &["certificate", "key"],
        ),
    ] {
        assert_refused(command(cert, key), parts);
    }
    let missing = App::new().guest("trouble", "").command();
    assert_refused(
        missing.args(&["--tls-cert", "/no/cert.pem", "--tls-key", "/no/key.pem"]),
        &["/no/cert.pem"],
    );
}
