//! Clients that are slow with their requests, or that send too much of them.

use std::time::Duration;

use crate::harness::{App, Host, eventually};

/// Longer than any time-out of these tests, on the busiest machine.
const MUCH_LONGER: Duration = Duration::from_secs(20);

fn start(args: &[&str]) -> Host {
    App::new().guest("trouble", "").start(args)
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let host = start(&["--header-timeout", "500ms"]);
    for sent in [
        "GET /trouble/count HTTP/1.1\r\nhost: x\r\n",
        "GET /trouble/co",
        "G",
        // What might become HTTP/2, and nothing at all.
        "PRI * HTTP/2",
        "",
        // HTTP/2 that stops after its first words.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut connection = host.connect().await;
        connection.send(sent).await;
        // What the host says before the end is its own affair, but it is no success.
        let answer = match tokio::time::timeout(MUCH_LONGER, connection.read_to_end()).await {
            Ok(answer) => answer,
            Err(_) => panic!("{MUCH_LONGER:?} after {sent:?} the connection is open"),
        };
        assert!(!answer.starts_with("HTTP/1.1 200"), "{sent:?}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_a_byte_at_a_time_gains_nothing() {
    let host = start(&["--header-timeout", "500ms"]);
    let mut connection = host.connect().await;
    connection.send("GET / HTTP/1.1\r\n").await;
    let mut number = 0;
    let end = connection.read_to_end_while_sending(async || {
        number += 1;
        format!("x-{number}: y\r\n")
    });
    assert!(!end.await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_in_use_is_not_ended() {
    let host = start(&["--header-timeout", "500ms"]);
    let mut connection = host.connect().await;
    // A request that takes longer than the head may.
    connection
        .send("GET /trouble/slow?ms=1000 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(
        connection
            .read_response()
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let client = host.http2();
    client.get("/trouble/slow?ms=1000").await.expect(200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_431() {
    let host = start(&["--http1-max-buf-size", "8192"]);
    let head = |bytes: usize| {
        format!(
            "GET /trouble/count HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    let mut connection = host.connect().await;
    connection.send(head(4000)).await;
    assert!(
        connection
            .read_response()
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    connection.send(head(10_000)).await;
    let answer = connection.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");

    let client = host.http2();
    let long = "x".repeat(100_000);
    let answer = client
        .try_send(
            http::Method::GET,
            "/trouble/count",
            &[("x-long", &long)],
            "",
        )
        .await;
    assert!(
        answer.as_ref().map_or(true, |answer| answer.status == 431),
        "{answer:?}"
    );
    client.get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn what_is_no_http_is_told_so() {
    let host = start(&[]);
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000));
    for (sent, status) in [
        ("\0\0\0\0\r\n\r\n", 400),
        ("GET  HTTP/1.1\r\n\r\n", 400),
        ("GET /trouble/count HTTP/9.9\r\n\r\n", 400),
        (
            "GET /trouble/count HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            400,
        ),
        (&long, 414),
    ] {
        let mut connection = host.connect().await;
        connection.send(sent).await;
        let answer = connection.read_to_end().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{:?}: {answer:?}",
            sent.split_at(sent.len().min(20)).0
        );
    }
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let host = start(&[]);
    for sent in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"HELO there\r\n\r\n",
        b"GET /trouble/count HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /trouble/count HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"GET /trouble/count HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /trouble/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, not even nearly",
        // A TLS greeting.
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    ] {
        let mut connection = host.connect().await;
        connection.send(sent).await;
        connection.finish_sending().await;
        let answer = connection.read_to_end().await;
        let sent = String::from_utf8_lossy(sent);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{sent:?}: {answer}");
    }
    host.http1().get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn clients_that_go_away_leave_nothing_behind() {
    let host = start(&["--max-concurrent-requests", "2", "--max-connections", "3"]);
    for path in ["trickle?chunks=100000&ms=1", "big?bytes=1000000000"] {
        for _ in 0..3 {
            let mut gone = host.connect().await;
            gone.send(format!("GET /trouble/{path} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
        }
    }
    // Their places are free again, long before their time is up.
    let client = host.http1();
    for _ in 0..4 {
        eventually("an answer", async || {
            let answer = client
                .try_send(http::Method::GET, "/trouble/count", &[], "")
                .await;
            answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(())
        })
        .await;
    }
}
