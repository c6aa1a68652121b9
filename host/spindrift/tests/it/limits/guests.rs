//! Guests that trap, loop, wait for ever, or eat memory or stack, beside healthy traffic.

use std::cell::Cell;

use futures::future::join;
use serde_json::json;

use super::detail;
use crate::harness::{Answer, App, Client, Host, STORE};

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", STORE)
        .start(args)
}

/// Runs `trouble` while healthy requests go on, which must all be answered. Says how many there were.
pub(super) async fn beside_healthy_traffic<T>(
    client: &Client,
    trouble: impl Future<Output = T>,
) -> (T, u32) {
    let done = Cell::new(false);
    let healthy = async {
        let mut count = 0;
        while !done.get() {
            let path = format!("/kv3/set?key=k&value={count}");
            assert_eq!(
                client.get(&path).await.expect_for(200, "set"),
                json!({"ok": true})
            );
            let read = client.get("/kv3/get?key=k").await;
            assert_eq!(
                read.expect_for(200, "get"),
                json!({"ok": count.to_string()})
            );
            count += 1;
        }
        count
    };
    let trouble = async {
        let outcome = trouble.await;
        done.set(true);
        outcome
    };
    join(trouble, healthy).await
}

/// So many requests for `path` at a time.
async fn all_at_once(client: &Client, path: &str, count: usize) -> Vec<Answer> {
    futures::future::join_all((0..count).map(|_| client.get(path))).await
}

#[tokio::test]
async fn a_trap_fails_its_own_request_only() {
    let host = start(&[]);
    let (sick, healthy) = (host.http1(), host.http1());
    for operation in ["trap", "abort", "exit", "error", "deadlock"] {
        let path = format!("/trouble/{operation}");
        let (answers, _) = beside_healthy_traffic(&healthy, all_at_once(&sick, &path, 8)).await;
        for answer in answers {
            let told = detail(&answer, 500);
            // What the guest said is for the operator.
            assert!(
                told.contains("component") && !told.contains("as the request asked"),
                "{operation}: {told}"
            );
        }
    }
}

#[tokio::test]
async fn an_endless_loop_is_stopped_and_holds_nobody_up() {
    // More loops than threads.
    let host = start(&["--request-timeout", "2s", "--workers", "2"]);
    let (sick, healthy) = (host.http1(), host.http1());
    let (answers, count) =
        beside_healthy_traffic(&healthy, all_at_once(&sick, "/trouble/spin", 5)).await;
    for answer in answers {
        assert!(detail(&answer, 504).contains("2s"), "{answer:?}");
    }
    assert!(count >= 8, "only {count} healthy requests beside the loops");
    // Nothing loops on.
    healthy.get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn a_guest_that_waits_for_ever_is_stopped() {
    let host = start(&["--request-timeout", "1s"]);
    let (sick, healthy) = (host.http1(), host.http2());
    let (answers, count) =
        beside_healthy_traffic(&healthy, all_at_once(&sick, "/trouble/stall", 3)).await;
    for answer in answers {
        assert!(detail(&answer, 504).contains("1s"), "{answer:?}");
    }
    assert!(count > 0);
}

#[tokio::test]
async fn a_guest_that_eats_memory_fails_its_own_request_only() {
    let host = start(&["--max-instance-memory", "32MiB"]);
    let (sick, healthy) = (host.http1(), host.http1());
    sick.get("/trouble/alloc?mb=16").await.expect(200);
    let (answers, _) =
        beside_healthy_traffic(&healthy, all_at_once(&sick, "/trouble/alloc?mb=64", 6)).await;
    for answer in answers {
        let told = detail(&answer, 500);
        assert!(
            told.contains("out of memory") && told.contains(&(32 << 20).to_string()),
            "{told}"
        );
    }
    // What was taken has been given back.
    for _ in 0..10 {
        sick.get("/trouble/alloc?mb=16").await.expect(200);
    }
}

#[tokio::test]
async fn a_guest_that_recurses_for_ever_fails_its_own_request_only() {
    let host = start(&[]);
    let (sick, healthy) = (host.http1(), host.http1());
    let (answers, _) =
        beside_healthy_traffic(&healthy, all_at_once(&sick, "/trouble/recurse", 6)).await;
    for answer in answers {
        detail(&answer, 500);
    }
    sick.get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn a_guest_that_fails_after_its_head_fails_its_own_request_only() {
    let host = start(&["--request-timeout", "1s"]);
    let (sick, healthy) = (host.http1(), host.http2());
    for operation in ["trap-after-head", "stall-after-head", "spin-after-head"] {
        let path = format!("/trouble/{operation}");
        let request = sick.try_send(http::Method::GET, &path, &[], "");
        let (outcome, _) = beside_healthy_traffic(&healthy, request).await;
        // A head that is out can only be followed by a body that is cut off. One that is not out yet need not go out.
        if let Ok(answer) = outcome {
            let status = answer.status.as_u16();
            assert!([500, 504].contains(&status), "{operation}: {answer:?}");
            detail(&answer, status);
        }
    }
}

#[tokio::test]
async fn a_failure_has_an_id_that_the_log_has_too() {
    for which in 0..2 {
        // One of a kind is logged in full, so each client has a host of its own.
        let host = start(&["--request-timeout", "1s", "--log-format", "json"]);
        let client = &host.clients()[which];
        for (operation, status, level, cause) in [
            ("trap", 500, "ERROR", "trap"),
            ("error", 500, "ERROR", "as the request asked"),
            ("stall", 504, "ERROR", "1s"),
        ] {
            let answer = client.get(&format!("/trouble/{operation}")).await;
            detail(&answer, status);
            let id = answer.json()["request_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let line = host.logged(&[&id]);
            for part in [
                level,
                &format!("/trouble/{operation}"),
                &status.to_string(),
                cause,
            ] {
                assert!(line.contains(part), "{operation}: no {part:?} in {line}");
            }
        }
    }
    let host = start(&[]);
    let client = host.http1();
    let ids = [
        client.get("/trouble/trap").await,
        client.get("/trouble/trap").await,
    ]
    .map(|answer| answer.json()["request_id"].to_string());
    assert_ne!(ids[0], ids[1]);
}
