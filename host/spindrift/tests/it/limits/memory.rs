//! The memory of guests, on the budget for all clients; what goes back to the system; and the address space.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use http::Method;
use serde_json::json;

use super::detail;
use crate::harness::{Answer, App, Client, Host, STORE, eventually};

const MEBIBYTE: u64 = 1 << 20;

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", STORE)
        .start(args)
}

/// Asks for `path` so many times at once, while another client reads and writes and must notice nothing. Leaves out answers that
/// were cut off: a component that has begun to answer may find no memory for the rest.
async fn beside_another(host: &Host, path: &str, count: usize) -> Vec<Answer> {
    let (greedy, innocent) = (host.http1(), host.http1());
    let done = Cell::new(false);
    let trouble = async {
        let get = |_| greedy.try_send(Method::GET, path, &[], "");
        let answers = join_all((0..count).map(get)).await;
        done.set(true);
        answers.into_iter().flatten().collect()
    };
    let others = async {
        let mut count = 0;
        while !done.get() {
            let path = format!("/kv3/set?key=k&value={count}");
            assert_eq!(
                innocent.get(&path).await.expect_for(200, "set"),
                json!({"ok": true})
            );
            count += 1;
        }
        assert!(count > 0);
    };
    join(trouble, others).await.0
}

/// How many were answered; the others must have been refused for the budget.
fn answered(answers: &[Answer]) -> usize {
    let answered = answers.iter().filter(|answer| answer.status == 200);
    let answered = answered.count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let told = detail(answer, 503);
        assert!(told.contains("--memory-budget"), "{told}");
    }
    answered
}

#[tokio::test]
async fn the_memory_of_all_guests_together_is_within_the_budget() {
    let host = start(&["--memory-budget", "128MiB", "--workers", "2"]);
    let client = host.http1();
    for path in ["/trouble/long?bytes=1000", "/kv3/get?key=k"] {
        assert_eq!(client.get(path).await.status, 200);
    }
    let base = host.resident_bytes();
    let answers = beside_another(&host, "/trouble/long?bytes=30000000", 100).await;
    let answered = answered(&answers);
    assert!(answered > 0, "one fits");
    assert!(answered < 100, "all of them were answered: {answered}");
    let most = host.most_resident_bytes().saturating_sub(base) / MEBIBYTE;
    // The client reads what it is sent, and what is on the way to it is in the host too.
    assert!(most < 128 + 128, "{most} MiB more than at the beginning");
    // What was taken has been given back.
    eventually("as much fits as before", async || {
        // Cut off while guests of those requests still end.
        let answer = client.try_send(Method::GET, "/trouble/long?bytes=30000000", &[], "");
        let answer = answer.await;
        answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_the_host_keeps_for_all_guests_together_is_within_the_budget() {
    for path in [
        // 30 MB of headers.
        "/trouble/hold-fields?count=300&bytes=100000&ms=300",
        // 26 MB of bodies that nobody reads.
        "/trouble2/hold-bodies?count=200&ms=300",
        // Handles that are never given back.
        "/trouble/leak-fields?times=90000",
    ] {
        let app = App::new().guest("kv3", STORE).guest("trouble", STORE);
        let app = app.guest("trouble2", "");
        // On a busy machine forty of them take long.
        let time = ["--request-timeout", "600s"];
        let host = app.command().args(&time);
        let host = host
            .args(&["--memory-budget", "128MiB", "--workers", "2"])
            .start();
        let client = host.http1();
        for path in ["/trouble/count", "/trouble2/count", "/kv3/get?key=k"] {
            assert_eq!(client.get(path).await.status, 200);
        }
        let base = host.resident_bytes();
        let answers = beside_another(&host, path, 40).await;
        let answered = answered(&answers);
        assert!(answered > 0, "{path}: one fits");
        assert!(answered < 40, "{path}: all of them were answered");
        let most = host.most_resident_bytes().saturating_sub(base) / MEBIBYTE;
        assert!(
            most < 128 + 64,
            "{path}: {most} MiB more than at the beginning"
        );
        // What was taken has been given back.
        assert_eq!(client.get_patiently(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_for_its_memory_has_written_nothing() {
    let host = start(&["--memory-budget", "32MiB"]);
    let client = host.http1();
    let answer = client.get("/trouble/set-then-alloc?mb=40").await;
    let told = detail(&answer, 503);
    assert!(told.contains("--memory-budget"), "{told}");
    let read = client.get("/kv3/get?key=key").await;
    assert_eq!(read.expect(200), json!({"ok": null}));
    host.logged(&["no memory for the component", "trouble"]);
    // Its own limit is another thing.
    let host = start(&["--memory-budget", "1GiB", "--max-instance-memory", "32MiB"]);
    let answer = host.http1().get("/trouble/alloc?mb=40").await;
    assert!(detail(&answer, 500).contains("out of memory"));
}

#[tokio::test]
async fn idle_instances_make_room_for_others() {
    let app = App::new().guest("trouble", STORE);
    let app = app.component("other", "/other/...", "guest_trouble.wasm", STORE);
    let host = app.start(&["--memory-budget", "64MiB", "--workers", "2"]);
    for client in host.clients() {
        for component in ["trouble", "other"] {
            // It leaves an instance behind that has grown to a third of the budget.
            let path = format!("/{component}/alloc?mb=20");
            client.get(&path).await.expect(200);
            let another = if component == "other" {
                "trouble"
            } else {
                "other"
            };
            let path = format!("/{another}/alloc?mb=50");
            client.get(&path).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_thousand_small_requests_run_at_once_with_the_budget_of_a_small_pod() {
    let host = start(&["--memory-budget", "256MiB"]);
    let client = host.http2();
    client.get("/trouble/count").await.expect(200);
    let answers = join_all((0..990).map(|_| client.get("/trouble/slow?ms=3000"))).await;
    assert_eq!(answered(&answers), 990);
}

/// Waits until `host` is back to what it had in memory at `start`, with `margin` on top.
async fn gives_back(host: &Host, start: u64, margin: u64) {
    // Within 10 s of the last request; on a machine that is busy with other things a little later.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = host.resident_bytes();
        if now <= start + margin {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{} MiB at the start, {} MiB now",
            start / MEBIBYTE,
            now / MEBIBYTE
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn put(key: usize, client: &Client) -> impl Future<Output = Answer> {
    let body = json!({"key": format!("key-{key}"), "value": "v".repeat(1_000_000)});
    let client = client.clone();
    async move { client.put("/put", body.to_string()).await }
}

#[tokio::test]
async fn memory_goes_back_to_the_system_when_a_host_is_idle() {
    let host = Host::start(&["--memory-budget", "1GiB"]);
    let client = host.http1();
    for path in ["/put", "/get/none", "/delete/none"] {
        let warm = [client.get(path).await, client.delete(path).await];
        assert!(warm.iter().all(|answer| answer.status.as_u16() < 500));
    }
    let start = host.resident_bytes();
    let answers = join_all((0..200).map(|key| put(key, &client))).await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    let answers = join_all((0..200).map(|key| {
        let path = format!("/delete/key-{key}");
        let client = client.clone();
        async move { client.delete(&path).await }
    }))
    .await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    let most = host.most_resident_bytes();
    assert!(
        most > start + 100 * MEBIBYTE,
        "{} MiB were not enough to show anything",
        most / MEBIBYTE
    );
    gives_back(&host, start, 32 * MEBIBYTE).await;
}

#[tokio::test]
async fn a_host_serves_in_a_small_address_space() {
    for args in [&[][..], &["--max-concurrent-requests", "10"]] {
        let app = App::new().guest("kv3", STORE);
        let host = app.command().args(args).address_space(8 << 20).start();
        host.logged(&["ulimit -v", "--max-instance-memory"]);
        let client = host.http1();
        client.get("/kv3/set?key=k&value=v").await.expect(200);
        let read = client.get("/kv3/get?key=k").await;
        assert_eq!(read.expect(200), json!({"ok": "v"}));
    }
}

#[test]
fn an_address_space_that_is_too_small_is_refused_in_words() {
    let app = App::new().guest("kv3", STORE);
    let refused = app
        .command()
        .args(&["--max-instance-memory", "4GiB"])
        .address_space(8 << 20)
        .refuse();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["ulimit -v", "--max-instance-memory"] {
        assert!(refused.stderr.contains(part), "no {part:?}: {refused:?}");
    }
}
