//! Request bodies, keys and values that are too large, and bodies that never come.

use serde_json::json;

use super::detail;
use crate::harness::{App, Host, STORE};

#[tokio::test]
async fn a_body_over_the_limit_is_a_413() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-request-body", "1000"]);
    for client in host.clients() {
        let answer = client.post("/trouble/echo", "x".repeat(1000)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 1000));
        let answer = client.post("/trouble/echo", "x".repeat(1001)).await;
        assert!(detail(&answer, 413).contains("1000"), "{answer:?}");

        assert_eq!(client.post("/trouble/echo", "x").await.text(), "x");
    }
}

#[tokio::test]
async fn the_answer_to_a_body_that_is_far_too_large_arrives() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-request-body", "1000"]);
    for client in host.clients() {
        for _ in 0..5 {
            // The client goes on to send: closing the connection under its hands would take the answer with it.
            let answer = client.post("/trouble/echo", "x".repeat(5_000_000)).await;
            assert!(detail(&answer, 413).contains("1000"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_not_waited_for() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-request-body", "1000"]);
    for more in ["", "expect: 100-continue\r\n"] {
        let mut connection = host.connect().await;
        let head =
            format!("POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n{more}\r\n");
        connection.send(head).await;
        let answer = connection.read_response().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(
            answer.contains(r#"{"detail":"#) && answer.contains("1000"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_chunked_body_is_counted() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-request-body", "1000"]);
    let head = "POST /trouble/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let mut connection = host.connect().await;
    connection
        .send(format!("{head}{}0\r\n\r\n", chunk.repeat(10)))
        .await;
    let answer = connection.read_response().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&"x".repeat(1000)),
        "{answer}"
    );
    // On the same connection, and its end never comes.
    connection.send(format!("{head}{}", chunk.repeat(11))).await;
    let answer = connection.read_response().await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("1000"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_has_room_for_the_largest_value_by_default() {
    let host = Host::start(&["--max-value-size", "2000", "--log-level", "warn"]);
    for client in host.clients() {
        let body = |bytes: usize| json!({"key": "k", "value": "v".repeat(bytes)}).to_string();
        client.put("/put", body(2000)).await.expect(200);
        // The component's answer names the limit of the store.
        let answer = client.put("/put", body(2001)).await;
        assert!(
            answer.expect(413)["detail"].to_string().contains("2000"),
            "{answer:?}"
        );
        // 64 KiB more than a value in escapes is more than the body may be.
        let answer = client.put("/put", body(6 * 2000 + 65 * 1024)).await;
        assert!(
            detail(&answer, 413).contains(&(6 * 2000 + 64 * 1024).to_string()),
            "{answer:?}"
        );
        assert_eq!(
            client.get("/get/k").await.expect(200)["value"],
            "v".repeat(2000)
        );
    }
}

#[tokio::test]
async fn a_key_over_the_limit_of_the_store_is_refused() {
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--max-key-size", "10"]);
    let client = host.http1();
    client
        .post("/kv3/set?key=0123456789", "v")
        .await
        .expect(200);
    let answer = client
        .post("/kv3/set?key=0123456789a", "v")
        .await
        .expect(200);
    let error = answer["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    assert!(
        error.starts_with("other: key too long") && error.contains("10 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    for limit in [["--body-grace", "250ms"], ["--request-timeout", "500ms"]] {
        let host = App::new().guest("trouble", "").start(&limit);
        let mut connection = host.connect().await;
        connection
            .send("POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
        let answer = connection.read_response().await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains(r#"{"detail":"#), "{answer}");
    }
}
