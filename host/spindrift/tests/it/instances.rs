//! How long an instance lives: for a bounded number of requests, a bounded time of idleness, and never after a failure.

use crate::harness::{App, Client, Host, STORE, eventually};

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("trouble", "")
        .guest("trouble2", "")
        .start(args)
}

/// Which request of its instance this one is, counted from 1.
async fn count(client: &Client) -> u64 {
    let answer = client.get("/trouble/count").await.expect(200);
    answer["ok"]
        .as_u64()
        .unwrap_or_else(|| panic!("no count: {answer}"))
}

/// Asks until an instance has served at least `least` requests.
async fn warm_up(client: &Client, least: u64) {
    eventually(
        format!("an instance that has served {least} requests"),
        async || (count(client).await >= least).then_some(()),
    )
    .await;
}

#[tokio::test]
async fn an_instance_serves_as_many_requests_as_it_may() {
    let host = start(&["--max-instance-reuse-count", "3"]);
    let client = host.http1();
    let mut counts = Vec::new();
    for _ in 0..60 {
        counts.push(count(&client).await);
    }
    assert_eq!(counts.iter().max(), Some(&3), "{counts:?}");
    // Each instance begins with its first.
    let begun = counts.iter().filter(|&&count| count == 1).count();
    assert!(begun >= 20, "{counts:?}");
}

#[tokio::test]
async fn a_count_of_one_makes_every_instance_fresh() {
    let host = start(&["--max-instance-reuse-count", "1"]);
    let client = host.http1();
    for _ in 0..30 {
        assert_eq!(count(&client).await, 1);
    }
}

#[tokio::test]
async fn a_range_gives_each_instance_its_own_count() {
    let host = start(&["--max-instance-reuse-count", "2..4"]);
    let client = host.http1();
    let mut last_counts = std::collections::BTreeSet::new();
    let mut before = count(&client).await;
    for _ in 0..200 {
        let now = count(&client).await;
        assert!(now <= 3, "{now}");
        if now == 1 {
            last_counts.insert(before);
        }
        before = now;
    }
    assert!(
        last_counts.contains(&2) && last_counts.contains(&3),
        "{last_counts:?}"
    );
}

#[tokio::test]
async fn instances_are_reused_by_default() {
    let host = start(&[]);
    for client in host.clients() {
        warm_up(&client, 20).await;
    }
}

#[tokio::test]
async fn an_instance_of_a_0_2_handler_serves_one_request() {
    let host = start(&[]);
    let client = host.http1();
    for _ in 0..10 {
        assert_eq!(client.get("/trouble2/count").await.expect(200)["ok"], 1);
    }
}

#[tokio::test]
async fn an_idle_instance_is_dropped() {
    // Between two requests of this test it is idle for longer. It is never dropped for the number of its requests.
    let host = start(&[
        "--idle-instance-timeout",
        "1ms",
        "--max-instance-reuse-count",
        "1000000",
    ]);
    let client = host.http1();
    for _ in 0..3 {
        eventually("a fresh instance", async || {
            (count(&client).await == 1).then_some(())
        })
        .await;
        warm_up(&client, 2).await;
    }
}

#[tokio::test]
async fn a_failed_instance_serves_no_other_request() {
    let host = start(&["--request-timeout", "1s"]);
    let client = host.http1();
    for (operation, status) in [
        ("trap", 500),
        ("exit", 500),
        ("stall", 504),
        ("spin", 504),
        ("alloc?mb=100", 500),
    ] {
        // The instance that was used last is the one that is used next.
        warm_up(&client, 3).await;
        client
            .get(&format!("/trouble/{operation}"))
            .await
            .expect_for(status, operation);
        let after = count(&client).await;
        assert!(after < 3, "{operation}: {after} requests before");
    }
}

#[tokio::test]
async fn a_trap_leaves_the_other_instances_alone() {
    let host = start(&[]);
    let client = host.http1();
    let slow = (0..4).map(|_| {
        let client = host.http1();
        async move { client.get("/trouble/trickle?chunks=20&ms=20").await }
    });
    let traps = async {
        for _ in 0..20 {
            client.get("/trouble/trap").await.expect(500);
        }
    };
    let (answers, ()) = futures::future::join(futures::future::join_all(slow), traps).await;
    for answer in answers {
        assert_eq!(answer.text().lines().count(), 20);
    }
}

/// A guest in an instance that serves as many requests as it can.
fn start_leaking(guest: &str) -> Host {
    App::new().guest(guest, STORE).start(&[
        "--workers",
        "1",
        "--max-instance-reuse-count",
        "1000000",
    ])
}

#[tokio::test]
async fn no_request_fails_for_stores_that_earlier_ones_left_open() {
    for guest in ["kv3", "kv2-03", "wasikv"] {
        let host = start_leaking(guest);
        let client = host.http1();
        // With the handle that the guest uses, one request may have 256. Many, few, and all in turn.
        let leaks = [255, 1, 3, 254, 100].into_iter().cycle().take(60);
        for (request, times) in leaks.chain([3; 200]).enumerate() {
            let path = format!("/{guest}/leak?times={times}");
            let answer = client.get(&path).await.expect(200);
            assert_eq!(answer["ok"], true, "{guest}, request {request}: {answer}");
        }
    }
}

#[tokio::test]
async fn no_request_fails_for_what_else_earlier_ones_did_not_give_back() {
    for (guest, operation) in [
        ("wasikv", "leak-swaps"),
        ("trouble", "leak-fields"),
        ("trouble", "leak-streams"),
    ] {
        let host = start_leaking(guest);
        let client = host.http1();
        for times in [40_000; 4].into_iter().chain([900; 120]) {
            let path = format!("/{guest}/{operation}?times={times}");
            let answer = client.get(&path).await.expect_for(200, &path);
            assert_eq!(answer["ok"], true, "{path}");
        }
    }
}

#[tokio::test]
async fn an_instance_that_keeps_a_handle_is_kept() {
    let host = start_leaking("kv3");
    let client = host.http1();
    for request in 1..=300 {
        let answer = client.get("/kv3/requests?kept=yes").await.expect(200);
        assert_eq!(answer["ok"], request);
    }
}
