//! Clients that go away while their commits wait: what waits is given back, and never applied.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::task::JoinHandle;

use super::acknowledged::TIMEOUT;
use crate::load::client::{HttpClient, Unanswered};
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

const CLIENTS: usize = 100;
const VALUE_BYTES: usize = 256 << 10;
/// Commits that two batches may have, which a node may have taken before its clients went: a batch takes no further one once it
/// has 1 MiB.
const MAY_BE_TAKEN: usize = 2 * (1 + (1 << 20) / VALUE_BYTES);
/// What clients have sent, as the node holds it, when their commits wait.
const HELD_BYTES: u64 = ((CLIENTS - MAY_BE_TAKEN) * VALUE_BYTES) as u64;
/// Longer than any request waits here for anything else.
const LONG: Duration = Duration::from_secs(600);

/// Requests wait for a majority for longer than the test takes, so it is not their time that ends them. Nodes come back as who
/// they were.
fn settings(budget: &str) -> Settings {
    Settings {
        evict_after: LONG,
        leader_wait: LONG,
        flags: ["--request-timeout", "600s", "--memory-budget", budget]
            .map(str::to_owned)
            .to_vec(),
        ..Settings::default()
    }
}

/// What a node holds on its budget for transactions, in bytes.
async fn held(cluster: &Cluster, node: NodeIndex) -> Result<u64, String> {
    let name = "spindrift_memory_held_bytes{purpose=\"transactions\"}";
    cluster.metric_named(node, name).await
}

fn put(
    client: &HttpClient,
    node: SocketAddr,
    key: String,
) -> JoinHandle<Result<(u16, Bytes), Unanswered>> {
    let client = client.clone();
    let value = "x".repeat(VALUE_BYTES);
    let body = Bytes::from(format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}"));
    tokio::spawn(async move {
        let put = client.send(Method::PUT, node, "/put", &[], body, LONG);
        put.await
    })
}

/// The answer to what [`put`] has sent.
async fn answer(put: JoinHandle<Result<(u16, Bytes), Unanswered>>) -> (u16, String) {
    match put.await.expect("no panic") {
        Ok((status, body)) => (status, String::from_utf8_lossy(&body).into_owned()),
        Err(reason) => panic!("{reason}"),
    }
}

/// Has clients of both versions of HTTP write at `node`, which reaches no majority, and go away once their commits wait.
async fn come_and_go(cluster: &Cluster, node: NodeIndex) {
    let address = cluster[node].addresses.http;
    let versions = [HttpClient::new(), HttpClient::http2()];
    let puts: Vec<_> = (0..CLIENTS)
        .map(|number| put(&versions[number % 2], address, format!("gone-{number}")))
        .collect();
    eventually("their commits wait", async || {
        let held = held(cluster, node).await?;
        (held >= HELD_BYTES).then_some(()).ok_or(format!("{held}"))
    })
    .await;
    // A request that waits for nothing notices nothing.
    let stale = [("x-consistency", "stale")];
    let other = HttpClient::new();
    let get = other.send(
        Method::GET,
        address,
        "/get/none",
        &stale,
        Bytes::new(),
        TIMEOUT,
    );
    assert_eq!(get.await.expect("an answer").0, 404);
    for put in &puts {
        assert!(!put.is_finished(), "a client has an answer");
        put.abort();
    }
    eventually("all but what was taken is given back", async || {
        let held = held(cluster, node).await?;
        let taken = (MAY_BE_TAKEN * (VALUE_BYTES + 1024)) as u64;
        (held <= taken).then_some(()).ok_or(format!("{held}"))
    })
    .await;
}

/// No more of what the clients wrote is there, once all nodes are back, than may have been taken.
async fn is_not_applied(cluster: &mut Cluster, node: NodeIndex) {
    cluster.agreed().await;
    let address = cluster[node].addresses.http;
    let client = HttpClient::new();
    // Everything that was on its way before this is applied before it.
    let body = Bytes::from_static(br#"{"key":"last","value":"v"}"#);
    let last = client.send(Method::PUT, address, "/put", &[], body, TIMEOUT);
    assert_eq!(last.await.expect("an answer").0, 200);
    let mut applied = Vec::new();
    for number in 0..CLIENTS {
        let path = format!("/get/gone-{number}");
        let (status, _) = client
            .get(address, &path, TIMEOUT)
            .await
            .expect("an answer");
        match status {
            404 => {}
            200 => applied.push(number),
            _ => panic!("{path}: {status}"),
        }
    }
    println!("applied all the same: {applied:?}");
    assert!(applied.len() <= MAY_BE_TAKEN, "{applied:?}");
}

#[test]
fn a_leader_without_a_majority_gives_back_the_commits_of_clients_that_go() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings("4GiB")).await;
        let leader = cluster.leader().await;
        let followers = cluster.followers().await;
        for &follower in &followers {
            cluster[follower].pause();
        }
        come_and_go(&cluster, leader).await;
        for &follower in &followers {
            cluster[follower].resume();
        }
        is_not_applied(&mut cluster, leader).await;
    });
}

#[test]
fn a_follower_whose_leader_is_away_gives_back_the_commits_of_clients_that_go() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings("4GiB")).await;
        let leader = cluster.leader().await;
        let followers = cluster.followers().await;
        let [follower, other] = followers[..] else {
            panic!("{followers:?}");
        };
        cluster[leader].pause();
        cluster[other].pause();
        come_and_go(&cluster, follower).await;
        cluster[leader].resume();
        cluster[other].resume();
        is_not_applied(&mut cluster, follower).await;
    });
}

#[test]
fn what_has_no_room_to_wait_is_refused_at_once_and_the_rest_is_written() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings("64MiB")).await;
        let leader = cluster.leader().await;
        let followers = cluster.followers().await;
        for &follower in &followers {
            cluster[follower].pause();
        }
        let address = cluster[leader].addresses.http;
        let client = HttpClient::new();
        // More than twice as much as there is room for.
        let fit = (64 << 20) / VALUE_BYTES;
        let count = 600;
        let puts: Vec<_> = (0..count)
            .map(|number| put(&client, address, format!("put-{number}")))
            .collect();
        eventually("what has no room is refused", async || {
            let refused = puts.iter().filter(|put| put.is_finished()).count();
            (refused >= count - fit)
                .then_some(())
                .ok_or(format!("{refused} of {count}"))
        })
        .await;
        for &follower in &followers {
            cluster[follower].resume();
        }
        let mut written = 0;
        for put in puts {
            let (status, text) = answer(put).await;
            match status {
                200 => written += 1,
                503 => assert!(text.contains("--memory-budget"), "{text}"),
                _ => panic!("{status}: {text}"),
            }
        }
        println!("{written} of {count} had room to wait");
        assert!((1..=fit).contains(&written), "{written} of {count}");
        cluster.agreed().await;
        eventually("all is given back", async || {
            let held = held(&cluster, leader).await?;
            (held == 0).then_some(()).ok_or(format!("{held}"))
        })
        .await;
    });
}

#[test]
fn a_leader_without_room_has_its_followers_refuse_at_once_what_they_send_it() {
    on_network(2 * PATIENCE, async |network| {
        // What a batch with one small commit takes has room in it, and one value has not.
        let mut cluster = Cluster::start(network, 1, settings("64KiB")).await;
        let seeds = Finds::Join(cluster.peers());
        let more = ["--memory-budget", "1GiB"].map(str::to_owned);
        let follower = cluster.add_told(&seeds, &more);
        cluster.agreed().await;
        let address = cluster[follower].addresses.http;
        let client = HttpClient::new();
        let large = put(&client, address, "large".into());
        let (status, text) = answer(large).await;
        assert_eq!(status, 503, "{text}");
        assert!(
            text.contains("nothing was written: the leader's memory"),
            "{text}"
        );
        let body = Bytes::from_static(br#"{"key":"small","value":"v"}"#);
        let small = client.send(Method::PUT, address, "/put", &[], body, TIMEOUT);
        assert_eq!(small.await.expect("an answer").0, 200);
        let get = client.get(address, "/get/large", TIMEOUT);
        assert_eq!(get.await.expect("an answer").0, 404);
        assert_eq!(held(&cluster, follower).await, Ok(0));
    });
}
