//! Requests that use the same keys at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use serde_json::json;

use super::{set, value};
use crate::harness::{App, Client, Host, STORE, within};

const CLIENTS: usize = 8;

#[tokio::test]
async fn of_concurrent_deletes_of_one_key_exactly_one_succeeds() {
    let host = Host::start(&[]);
    let clients = host.clients();
    for round in 0..40 {
        let key = format!("key-{round}");
        let body = json!({"key": key, "value": "v"}).to_string();
        clients[0].put("/put", body).await.expect(200);
        let deletes = (0..CLIENTS).map(|number| {
            let (client, path) = (clients[number % 2].clone(), format!("/delete/{key}"));
            async move { client.delete(&path).await.status.as_u16() }
        });
        let mut statuses = join_all(deletes).await;
        statuses.sort_unstable();
        let mut expected = vec![404; CLIENTS];
        expected[0] = 200;
        assert_eq!(statuses, expected, "round {round}");
    }
}

/// Sends `path` until the host answers 200: a request that met conflict after conflict may be told to come back.
async fn persist(client: &Client, path: &str) {
    let json = client.get_patiently(path).await.expect_for(200, path);
    assert!(json.get("ok").is_some(), "{path}: {json}");
}

#[tokio::test]
async fn increments_lose_nothing() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    const EACH: usize = 25;
    let workers = (0..CLIENTS).map(|number| {
        // Connections of their own.
        let client = if number % 2 == 0 {
            host.http1()
        } else {
            host.http2()
        };
        async move {
            for _ in 0..EACH {
                persist(&client, "/kv3/increment?key=count").await;
            }
        }
    });
    within("all increments", join_all(workers)).await;
    assert_eq!(
        value(&host.http1(), "count").await,
        (CLIENTS * EACH).to_string()
    );
}

#[tokio::test]
async fn transfers_and_swaps_between_three_keys_keep_their_sum() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let client = host.http1();
    for key in ["x", "y", "z"] {
        set(&client, key, "100").await;
    }
    // Every way between the three, so that the sum of no two of them is fixed, but that of all three is.
    let pairs = [
        ("x", "y"),
        ("y", "z"),
        ("z", "x"),
        ("y", "x"),
        ("z", "y"),
        ("x", "z"),
    ];
    let transfers = pairs.map(|(a, b)| {
        let client = host.http1();
        async move {
            for _ in 0..20 {
                persist(&client, &format!("/kv3/transfer?a={a}&b={b}")).await;
            }
        }
    });
    let swaps = async {
        let client = host.http2();
        for _ in 0..20 {
            persist(&client, "/kv3/swap?a=x&b=z").await;
        }
    };
    within(
        "all transfers",
        futures::future::join(join_all(transfers), swaps),
    )
    .await;
    let mut sum = 0;
    for key in ["x", "y", "z"] {
        sum += value(&client, key)
            .await
            .as_str()
            .and_then(|count| count.parse::<i64>().ok())
            .expect("a count");
    }
    assert_eq!(sum, 300);
}

#[tokio::test]
async fn a_reader_of_two_keys_sees_one_moment() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let client = host.http1();
    set(&client, "a", "1000").await;
    set(&client, "b", "1000").await;
    let stop = Arc::new(AtomicBool::new(false));
    // Not so many that a reader meets one each time.
    let writers = ["a=a&b=b", "a=b&b=a"].map(|keys| {
        let (client, stop) = (host.http1(), stop.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                persist(&client, &format!("/kv3/transfer?{keys}&wait=5")).await;
            }
        }
    });
    let readers = async {
        let readers = (0..4).map(|number| {
            let client = if number % 2 == 0 {
                host.http1()
            } else {
                host.http2()
            };
            async move {
                let mut seen = std::collections::BTreeSet::new();
                for read in 0..60 {
                    // With a pause between the two reads, a commit comes between them.
                    let path = format!("/kv3/two?a=a&b=b&wait={}", read % 2);
                    let answer = client.get_patiently(&path).await;

                    let json = answer.expect(200);
                    let numbers: Vec<i64> = json["ok"]
                        .as_array()
                        .unwrap_or_else(|| panic!("{json}"))
                        .iter()
                        .map(|count| {
                            count
                                .as_str()
                                .and_then(|count| count.parse().ok())
                                .expect("a count")
                        })
                        .collect();
                    assert_eq!(numbers.iter().sum::<i64>(), 2000, "{numbers:?}");
                    seen.insert(numbers[0]);
                }
                seen.len()
            }
        });
        let seen = join_all(readers).await;
        stop.store(true, Ordering::Relaxed);
        seen
    };
    let (_, seen) = within(
        "all reads",
        futures::future::join(join_all(writers), readers),
    )
    .await;
    // Otherwise the writers stood still and the sums prove nothing.
    assert!(
        seen.iter().any(|&moments| moments > 3),
        "the readers saw {seen:?} moments"
    );
}

#[tokio::test]
async fn writes_of_two_keys_are_seen_both_or_not_at_all() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let stop = Arc::new(AtomicBool::new(false));
    let writers = (0..3).map(|number| {
        let (client, stop) = (host.http1(), stop.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let value = format!("of writer {number}");
                client
                    .post("/kv3/set-two?a=a&b=b&wait=1", value)
                    .await
                    .expect(200);
            }
        }
    });
    let client = host.http2();
    let reader = async {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let answer = client.get("/kv3/two?a=a&b=b").await.expect(200);
            assert_eq!(answer["ok"][0], answer["ok"][1], "{answer}");
            seen.insert(answer["ok"][0].to_string());
        }
        stop.store(true, Ordering::Relaxed);
        seen
    };
    let (_, seen) = within(
        "all reads",
        futures::future::join(join_all(writers), reader),
    )
    .await;
    assert!(seen.len() > 1, "the reader saw only {seen:?}");
}
