//! The heads of responses: statuses and headers that a guest of `wasi:http` 0.3 sets, and answers to `HEAD`.

use http::Method;
use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, STORE};

fn start() -> Guests {
    Guests::start(App::new().guest("trouble", STORE))
}

#[tokio::test]
async fn a_status_is_passed_on() {
    let guests = start();
    for client in guests.host.clients() {
        for status in [
            200, 201, 202, 301, 400, 404, 409, 418, 422, 451, 500, 503, 599,
        ] {
            let answer = client
                .get(&format!("/trouble/status?status={status}"))
                .await;
            assert_eq!(answer.expect(status), json!({"ok": true}), "{status}");
        }
    }
}

#[tokio::test]
async fn a_status_without_a_body_has_none() {
    let guests = start();
    for client in guests.host.clients() {
        for status in [204, 304] {
            // The guest gives a body all the same.
            let answer = client
                .get(&format!("/trouble/status?status={status}"))
                .await;
            assert_eq!(answer.status, status, "{:?}", client.version());
            assert_eq!(answer.body, "", "{:?} {status}", client.version());
        }
        // The connection is in step: the next answer is the next request's.
        let answer = client.get("/trouble/status").await;
        assert_eq!(answer.expect(200), json!({"ok": true}));
    }
}

#[tokio::test]
async fn an_informational_status_is_no_answer() {
    let guests = start();
    for status in [100, 101, 103] {
        let path = format!("/trouble/status?status={status}");
        // A client would take some of these for the beginning of something else.
        let mut connection = guests.host.connect().await;
        connection
            .send(format!(
                "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
            ))
            .await;
        let answer = connection.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{status}: {answer}");
        assert!(
            answer.contains("the component failed"),
            "{status}: {answer}"
        );

        let problem = guests.host.http2().get(&path).await.expect_for(500, status);
        assert_eq!(problem["detail"], json!("the component failed"), "{status}");
    }
    let answer = guests.host.http1().get("/trouble/status").await;
    assert_eq!(answer.expect(200), json!({"ok": true}));
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let guests = start();
    let length = r#"{"ok":true}"#.len().to_string();
    for client in guests.host.clients() {
        let answer = client.send(Method::HEAD, "/trouble/status", &[], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]));
        assert_eq!(
            answer.header("content-length"),
            length,
            "{:?}",
            client.version()
        );
        // A body that is still being written when the head goes out, and one that never ends.
        for path in [
            "/trouble/big?bytes=8388608",
            "/trouble/trickle?chunks=1000000&ms=10",
        ] {
            let answer = client.send(Method::HEAD, path, &[], "").await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body[..]),
                (200, &b""[..]),
                "{path}"
            );
        }
    }
    // On one connection: a body that was sent after all would stand in the next answer's place.
    let mut connection = guests.host.connect().await;
    for _ in 0..3 {
        connection
            .send("HEAD /trouble/status HTTP/1.1\r\nhost: test\r\n\r\n")
            .await;
        connection
            .send("GET /trouble/count HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            .await;
        let answers = connection.read_to_end().await;
        let (head, rest) = answers.split_once("\r\n\r\n").expect("the answer to HEAD");
        assert!(head.starts_with("HTTP/1.1 200"), "{answers}");
        assert!(rest.starts_with("HTTP/1.1 200"), "{answers}");
        connection = guests.host.connect().await;
    }
}

#[tokio::test]
async fn many_headers_and_a_large_one_are_passed_on() {
    let guests = start();
    for (path, name, found) in [
        ("many-headers?count=1000", "x-number-", 1_000),
        ("huge-header?bytes=100000", "x-huge", 1),
    ] {
        // Clients have limits of their own for heads.
        let mut connection = guests.host.connect().await;
        connection
            .send(format!(
                "GET /trouble/{path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
            ))
            .await;
        let answer = connection.read_to_end().await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "{path}: {:.200}",
            answer
        );
        let headers = answer.lines().filter(|line| line.starts_with(name));
        assert_eq!(headers.count(), found, "{path}");
        assert!(answer.ends_with(r#"{"ok":true}"#), "{path}");
    }
}

#[tokio::test]
async fn more_headers_than_a_guest_may_have_are_its_own_failure() {
    let guests = start();
    let client = guests.host.http1();
    for path in ["many-headers?count=20000", "huge-header?bytes=1000000"] {
        let answer = client.get(&format!("/trouble/{path}")).await;
        assert_eq!(
            answer.expect_for(500, path)["detail"],
            json!("the component trapped")
        );
        let answer = client.get("/trouble/status").await;
        assert_eq!(answer.expect(200), json!({"ok": true}));
    }
}
