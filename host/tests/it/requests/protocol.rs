//! Corners of HTTP: versions, forms of targets, hosts, connections.

use super::Received;
use crate::harness::{Answer, App, Host};

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

#[tokio::test]
async fn a_host_header_that_is_missing_or_malformed_is_no_crash() {
    let host = start();
    // Lenient, as most servers are to clients that leave it out.
    let (_, answer) = exchange(&host, "GET /trouble/method-and-headers HTTP/1.1\r\n\r\n").await;
    assert_eq!(Received::of(&answer).authority, host.address().to_string());
    for header in ["a b", "a/b", "http://x", "x:y:z", "\u{e9}"] {
        let request = format!("GET /trouble/count HTTP/1.1\r\nhost: {header}\r\n\r\n");
        let (_, answer) = exchange(&host, &request).await;
        let json = answer.expect_for(400, header);
        assert!(
            json["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("Host")),
            "{header}: {json}"
        );
    }
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
