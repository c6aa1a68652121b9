//! Corners of HTTP: versions, forms of targets, hosts, connections.

use super::Received;
use http::Method;

use crate::harness::{Answer, App, Host, RawConnection};

fn start() -> Host {
    App::new().guest("trouble", "").start(&[])
}

/// Sends a request and takes the answer as the host wrote it: head, and body as JSON.
async fn exchange(host: &Host, request: &str) -> (String, Answer) {
    let mut connection = host.connect().await;
    connection.send(request).await;
    connection.finish_sending().await;
    let text = connection.read_to_end().await;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{head}"));
    let answer = Answer {
        status,
        headers: http::HeaderMap::new(),
        body: body.to_owned().into(),
    };
    (head.to_ascii_lowercase(), answer)
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let host = start();
    let mut connection = host.connect().await;
    // The client's side stays open: the host has to close.
    connection
        .send("GET /trouble/method-and-headers HTTP/1.0\r\n\r\n")
        .await;
    let answer = connection.read_to_end().await;
    assert!(
        answer.starts_with("HTTP/1.0 200 ") || answer.starts_with("HTTP/1.1 200 "),
        "{answer}"
    );
    assert!(
        !answer.to_ascii_lowercase().contains("transfer-encoding"),
        "{answer}"
    );
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json: serde_json::Value = serde_json::from_str(body).expect("a JSON body");
    // Without a `Host`, the address that the host listens on stands for it.
    assert_eq!(json["ok"]["authority"], host.address().to_string());

    let mut connection = host.connect().await;
    for _ in 0..2 {
        connection
            .send("GET /trouble/count HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            .await;
        assert!(connection.read_response().await.contains("{\"ok\":"));
    }
}

#[tokio::test]
async fn a_target_in_absolute_form_names_the_host() {
    let host = start();
    let request = "GET http://example.test:81/trouble/method-and-headers?a HTTP/1.1\r\nhost: other.test\r\n\r\n";
    let (_, answer) = exchange(&host, request).await;
    let seen = Received::of(&answer);
    assert_eq!(seen.authority, "example.test:81");
    assert_eq!(seen.path_with_query, "/trouble/method-and-headers?a");
    assert_eq!(
        seen.header("spin-full-url"),
        "http://example.test:81/trouble/method-and-headers?a"
    );
}

#[tokio::test]
async fn the_host_header_is_the_authority() {
    let host = start();
    for (header, authority) in [
        ("shop.test", "shop.test"),
        ("shop.test:8080", "shop.test:8080"),
        ("[::1]:3000", "[::1]:3000"),
    ] {
        let request = format!("GET /trouble/method-and-headers HTTP/1.1\r\nhost: {header}\r\n\r\n");
        let (_, answer) = exchange(&host, &request).await;
        let seen = Received::of(&answer);
        assert_eq!(seen.authority, authority);
        assert_eq!(
            seen.header("spin-full-url"),
            format!("http://{authority}/trouble/method-and-headers")
        );
    }
}

/// What is asked of the public port: of the application, of the host, and of nobody.
const PATHS: [&str; 4] = [
    "/trouble/count",
    "/.well-known/spin/health",
    "/.well-known/spindrift/live",
    "/none",
];

#[tokio::test]
async fn http_1_1_names_one_host() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--admin-listen", "127.0.0.1:0"]);
    let ports = PATHS.map(|path| (host.address(), path));
    for (address, path) in ports.into_iter().chain([(host.admin_address(), "/live")]) {
        let mut connection = RawConnection::open(address).await;
        for (version, headers) in [
            ("1.1", ""),
            ("1.1", "host: a\r\nhost: a\r\n"),
            ("1.0", "connection: keep-alive\r\nhost: a\r\nHost: b\r\n"),
            ("1.1", "host:\r\n"),
            ("1.1", "host: a b\r\n"),
            ("1.1", "host: a/b\r\n"),
            ("1.1", "host: http://x\r\n"),
            ("1.1", "host: x:y\r\n"),
            ("1.1", "host: x:y:z\r\n"),
            ("1.1", "host: me@x\r\n"),
            ("1.1", "host: [::1\r\n"),
            ("1.1", "host: \u{e9}\r\n"),
        ] {
            let request = format!("GET {path} HTTP/{version}\r\n{headers}\r\n");
            connection.send(&request).await;
            let answer = connection.read_response().await;
            assert_eq!(answer.split(' ').nth(1), Some("400"), "{request}: {answer}");
            assert!(
                answer.contains("{\"detail\":\"") && answer.contains("Host header"),
                "{answer}"
            );
        }
        // The connection goes on.
        for request in [
            format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n"),
            format!("HEAD {path} HTTP/1.0\r\n\r\n"),
        ] {
            connection.send(request).await;
            connection.wait_for_some().await;
        }
        let answers = connection.read_to_end().await;
        assert_eq!(
            answers.matches(" 200 OK\r\n").count() + 2 * usize::from(path == "/none"),
            2,
            "{answers}"
        );
    }
}

#[tokio::test]
async fn http_2_names_no_two_hosts() {
    let host = start();
    let client = host.http2();
    let authority = host.address().to_string();
    let same = [("host", authority.as_str())];
    let path = "/trouble/method-and-headers";
    let answer = client.send(Method::GET, path, &same, "").await;
    assert_eq!(Received::of(&answer).header("host"), authority);
    for path in PATHS {
        for hosts in [
            &[("host", "other.test")][..],
            &[("host", "127.0.0.1:1")],
            &[("host", "")],
            &[same[0], same[0]],
        ] {
            let answer = client.send(Method::GET, path, hosts, "").await;
            let json = answer.expect_for(400, path);
            let detail = json["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("Host header"), "{path} {hosts:?}: {json}");
        }
    }
    client.get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn a_body_is_coded_as_the_host_knows() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--admin-listen", "127.0.0.1:0"]);
    let chunks = "2\r\nab\r\n0\r\n\r\n";
    for (version, codings, status) in [
        ("1.1", "transfer-encoding: gzip, chunked\r\n", 501),
        (
            "1.1",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
            501,
        ),
        ("1.1", "transfer-encoding: identity, chunked\r\n", 501),
        ("1.1", "transfer-encoding: chunked, chunked\r\n", 400),
        (
            "1.1",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            400,
        ),
        ("1.1", "transfer-encoding: chunked, gzip\r\n", 400),
        ("1.1", "transfer-encoding: gzip\r\n", 400),
        ("1.0", "transfer-encoding: chunked\r\n", 400),
        ("1.1", "content-length: 1\r\ncontent-length: 2\r\n", 400),
        ("1.1", "content-length: 1, 1\r\n", 400),
        ("1.1", "content-length: +1\r\n", 400),
        ("1.1", "content-length: 0x1\r\n", 400),
        ("1.1", "content-length:\r\n", 400),
        ("1.1", "content-length: 99999999999999999999\r\n", 400),
        ("1.1", "transfer-encoding : chunked\r\n", 400),
    ] {
        for (address, path) in [
            (host.address(), "/trouble/echo"),
            (host.address(), "/.well-known/spin/health"),
            (host.admin_address(), "/live"),
        ] {
            let mut connection = RawConnection::open(address).await;
            let request = format!("POST {path} HTTP/{version}\r\nhost: x\r\n{codings}\r\n{chunks}");
            // To somebody else, what follows might be part of the body.
            let next = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";
            connection.send(format!("{request}{next}")).await;
            let answer = connection.read_to_end().await;
            assert!(
                answer.starts_with(&format!("HTTP/{version} {status} "))
                    || answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{request}: {answer}"
            );
            assert_eq!(answer.matches("HTTP/1.").count(), 1, "{request}: {answer}");
        }
    }
    // A length beside the chunks does not count, and the connection ends (RFC 9112, section 6.1).
    let mut connection = host.connect().await;
    let request = format!(
        "POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
    );
    connection.send(request).await;
    let answer = connection.read_to_end().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nab"),
        "{answer}"
    );
}

#[tokio::test]
async fn targets_without_a_path_are_not_found() {
    let host = start();
    let (_, answer) = exchange(&host, "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n").await;
    answer.expect(404);
    let (head, _) = exchange(
        &host,
        "CONNECT example.test:443 HTTP/1.1\r\nhost: example.test\r\n\r\n",
    )
    .await;
    assert!(!head.starts_with("http/1.1 2"), "{head}");
}

#[tokio::test]
async fn requests_in_a_pipeline_are_answered_in_order() {
    let host = start();
    let mut connection = host.connect().await;
    let requests: String = (1..=20)
        .map(|number| {
            format!(
                "GET /trouble/status?status={} HTTP/1.1\r\nhost: x\r\n\r\n",
                400 + number
            )
        })
        .collect();
    connection.send(requests).await;
    for number in 1..=20 {
        let answer = connection.read_response().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {} ", 400 + number)),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--header-timeout", "1000"]);
    let mut connection = host.connect().await;
    let request = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";
    let (begin, rest) = request.split_at(20);
    connection.send(format!("{request}{begin}")).await;
    for _ in 0..3 {
        assert!(
            connection
                .read_response()
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        connection.send(format!("{rest}{begin}")).await;
    }
}

#[tokio::test]
async fn a_short_answer_has_its_length_and_is_not_chunked() {
    let host = Host::start(&[]);
    let (head, answer) = exchange(&host, "GET /get/none HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(answer.status, 404);
    assert!(
        head.contains(&format!("content-length: {}", answer.body.len())),
        "{head}"
    );
    assert!(!head.contains("transfer-encoding"), "{head}");
}
