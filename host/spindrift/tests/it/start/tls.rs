//! HTTPS.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair};

use super::assert_refused;
use crate::harness::{
    App, Host, HostCommand, Starting, certificate, tls_session, with_certificate, within,
};

/// An application with `cert.pem` and `key.pem` beside it, and the flags that name them.
fn app(certificate: &str, key: &str) -> (App, [String; 4]) {
    with_certificate(App::new().guest("trouble", ""), certificate, key)
}

/// A host on that application.
fn command(certificate: &str, key: &str) -> HostCommand {
    let (app, flags) = app(certificate, key);
    app.command().args(&flags)
}

fn start(certified: &CertifiedKey<KeyPair>) -> Host {
    command(
        &certified.cert.pem(),
        &certified.signing_key.serialize_pem(),
    )
    .start()
}

fn request(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri)
        .header("host", "localhost")
        .body(Empty::new())
        .expect("a request")
}

async fn seen(response: Response<Incoming>) -> serde_json::Value {
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
        let stream = tls_session(host.address(), &certified, protocols)
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

    let stream = tls_session(host.address(), &certified, &["h2", "http/1.1"])
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

/// The status of an answer whose body comes to its end.
async fn status(answer: impl Future<Output = hyper::Result<Response<Incoming>>>) -> u16 {
    let answer = within("an answer", answer).await.expect("an answer");
    let status = answer.status().as_u16();
    within("its body", answer.into_body().collect())
        .await
        .expect("a whole body");
    status
}

#[tokio::test]
async fn sessions_that_were_made_before_the_application_is_served_go_on() {
    const PATH: &str = "/trouble/count";
    const URL: &str = "https://localhost/trouble/count";
    let certified = certificate();
    let (app, flags) = app(
        &certified.cert.pem(),
        &certified.signing_key.serialize_pem(),
    );
    let starting = Starting::new(app, "trouble", &flags);
    let session = async |protocol| {
        let stream = tls_session(starting.host.address(), &certified, &[protocol]).await;
        TokioIo::new(stream.expect("a session"))
    };
    let (mut one, connection) = http1::handshake(session("http/1.1").await)
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    let (mut two, connection) = http2::handshake(TokioExecutor::new(), session("h2").await)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    assert_eq!(status(one.send_request(request(PATH))).await, 503);
    assert_eq!(status(two.send_request(request(URL))).await, 503);
    starting.serve();
    assert_eq!(status(one.send_request(request(PATH))).await, 200);
    assert_eq!(status(two.send_request(request(URL))).await, 200);
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
    tls_session(host.address(), &certified, &["h2"])
        .await
        .expect("a session");
    // One that trusts another certificate.
    assert!(
        tls_session(host.address(), &certificate(), &["h2"])
            .await
            .is_err()
    );
    tls_session(host.address(), &certified, &["h2"])
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

#[tokio::test]
async fn connections_without_a_session_are_a_line_and_a_count() {
    let host = start(&certificate());
    for _ in 0..50 {
        let mut connection = host.connect().await;
        connection.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        connection.read_to_end().await;
        // Whoever only looks whether somebody listens is no failure.
        drop(host.connect().await);
    }
    host.logged(&["no more connections without a TLS session", "total=50"]);
    let log = host.log();
    let warnings: Vec<_> = log.iter().filter(|line| line.contains("WARN")).collect();
    assert!(warnings.len() <= 8, "{warnings:#?}");
    let full = warnings
        .iter()
        .filter(|line| line.contains("no TLS session:"));
    assert_eq!(full.count(), 1, "{warnings:#?}");
}
