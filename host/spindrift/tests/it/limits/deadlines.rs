//! How long a request may take that waits for a store which does not answer: a node of a cluster that it never finds.

use std::time::{Duration, Instant};

use http::Method;

use super::detail;
use crate::harness::{App, Host, STORE};

/// Longer than a request takes that does not wait for it.
const LONG: &str = "60s";

/// A node on its own application and guests, which looks for its cluster where none is.
fn lost(args: &[&str]) -> Host {
    let nowhere = [
        "--replicated",
        "--join",
        "127.0.0.1:9",
        "--peer-listen",
        "127.0.0.1:0",
    ];
    let app = App::new()
        .guest("kv3", STORE)
        .component("put", "/put", "spindrift_put.wasm", STORE)
        .component("get", "/get/...", "spindrift_get.wasm", STORE)
        .component("delete", "/delete/...", "spindrift_delete.wasm", STORE);
    app.command().args(&nowhere).args(args).start()
}

const ITEM: &str = r#"{"key":"k","value":"v"}"#;

#[tokio::test]
async fn the_request_timeout_bounds_the_whole_request() {
    let host = lost(&["--request-timeout", "1s", "--leader-wait", LONG]);
    for client in host.clients() {
        for (method, path, body) in [
            (Method::PUT, "/put", ITEM),
            (Method::GET, "/get/k", ""),
            (Method::DELETE, "/delete/k", ""),
            // It reads only when it is told to, so nobody waits for it beforehand.
            (Method::GET, "/kv3/set?key=k&value=v", ""),
        ] {
            let begun = Instant::now();
            let answer = client.send(method.clone(), path, &[], body).await;
            let took = begun.elapsed();
            let detail = detail(&answer, 504);
            for part in ["nothing was written", "time is up", "not joined a cluster"] {
                assert!(detail.contains(part), "{method} {path}: {detail}");
            }
            assert!(
                (Duration::from_millis(990)..Duration::from_secs(30)).contains(&took),
                "{method} {path}: {took:?}"
            );
        }
        let head = client.send(Method::HEAD, "/get/k", &[], "").await;
        assert_eq!(head.status, 504);
        assert_eq!(client.get("/.well-known/spin/health").await.status, 200);
    }
}

#[tokio::test]
async fn a_shorter_leader_wait_is_a_503() {
    let host = lost(&["--request-timeout", LONG, "--leader-wait", "300ms"]);
    let client = host.http1();
    for (method, path, body) in [
        (Method::PUT, "/put", ITEM),
        (Method::GET, "/get/k", ""),
        (Method::DELETE, "/delete/k", ""),
    ] {
        let begun = Instant::now();
        let answer = client.send(method.clone(), path, &[], body).await;
        let detail = detail(&answer, 503);
        assert!(detail.contains("nothing was written"), "{method}: {detail}");
        assert!(!detail.contains("time is up"), "{method}: {detail}");
        let took = begun.elapsed();
        assert!(
            (Duration::from_millis(290)..Duration::from_secs(30)).contains(&took),
            "{method} {path}: {took:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_makes_room_for_others() {
    let host = lost(&[
        "--request-timeout",
        "500ms",
        "--leader-wait",
        LONG,
        "--max-concurrent-requests",
        "4",
    ]);
    let client = host.http1();
    for _ in 0..3 {
        let puts = (0..4).map(|_| client.put("/put", ITEM));
        for answer in futures::future::join_all(puts).await {
            detail(&answer, 504);
        }
    }
}

#[tokio::test]
async fn a_write_after_the_head_says_that_nothing_was_written() {
    let host = lost(&["--request-timeout", LONG, "--leader-wait", "300ms"]);
    // It has read and written nothing by its head, so that can be sent.
    let answer = host.http1().get("/kv3/late?ms=1&key=k").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(
        text.contains("nothing was written") && text.contains("not joined a cluster"),
        "{text:?}"
    );
}
