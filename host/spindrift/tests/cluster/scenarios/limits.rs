//! What a store may hold: the least of what the members are told, also while people change it by a rolling update.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::acknowledged::{Acknowledged, TIMEOUT};
use super::joining::logged;
use crate::load::client::HttpClient;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// What the store may hold at first and at the end, in bytes.
const SMALL: u64 = 16 << 10;
/// What it may hold in between, in bytes.
const LARGE: u64 = 64 << 10;

/// The flags for a limit.
fn told(bytes: u64) -> [String; 2] {
    ["--max-total-size".to_owned(), bytes.to_string()]
}

/// Replaces all nodes, one after the other and the new one first, by nodes that are told another limit. Writes so much more
/// at each of them.
async fn roll(cluster: &mut Cluster, bytes: u64, writes: usize, written: &mut Acknowledged) {
    for old in cluster.running() {
        let seeds = Finds::Join(cluster.peers());
        cluster.add_told(&seeds, &told(bytes));
        cluster.agreed().await;
        written.put(writes, cluster).await;
        let status = cluster.terminate(old).await;
        assert_eq!(status.code(), Some(0), "{}", cluster[old].log_end());
        cluster.agreed().await;
    }
    for node in cluster.running() {
        limited_to(cluster, node, bytes).await;
    }
}

/// Waits until a node says that this is the limit in force.
async fn limited_to(cluster: &Cluster, node: NodeIndex, bytes: u64) {
    #[derive(Deserialize)]
    struct Status {
        stores: Vec<Store>,
    }
    #[derive(Deserialize)]
    struct Store {
        max_bytes: u64,
    }
    let client = HttpClient::new();
    let addresses = &cluster[node].addresses;
    eventually(format!("{bytes} bytes at {}", addresses.name), async || {
        let answer = client.get(addresses.admin, "/status", TIMEOUT).await;
        let (_, body) = answer.map_err(|error| error.to_string())?;
        let status: Status = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let limits: Vec<u64> = status.stores.iter().map(|store| store.max_bytes).collect();
        (limits == [bytes])
            .then_some(())
            .ok_or(format!("{limits:?}"))
    })
    .await;
}

/// What a node answers.
async fn send(cluster: &Cluster, node: NodeIndex, method: Method, path: &str, body: &str) -> u16 {
    let address = cluster[node].addresses.http;
    let body = Bytes::copy_from_slice(body.as_bytes());
    let client = HttpClient::new();
    let answer = client.send(method, address, path, &[], body, TIMEOUT);
    answer.await.expect("an answer").0
}

/// What a node answers to a small value.
async fn put_little(cluster: &Cluster, node: NodeIndex) -> u16 {
    let body = r#"{"key":"k","value":"v"}"#;
    send(cluster, node, Method::PUT, "/put", body).await
}

/// What a node answers to a value that the small limit has no room for.
async fn put_much(cluster: &Cluster, node: NodeIndex) -> u16 {
    let value = "x".repeat(17 << 10);
    let body = format!("{{\"key\":\"much\",\"value\":\"{value}\"}}");
    send(cluster, node, Method::PUT, "/put", &body).await
}

#[test]
fn a_node_that_is_told_a_larger_limit_goes_by_the_least() {
    on_network(2 * PATIENCE, async |network| {
        let settings = Settings {
            flags: told(SMALL).to_vec(),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let seeds = Finds::Join(cluster.peers());
        // All seats are taken, so it never leads.
        let learner = cluster.add_told(&seeds, &told(LARGE));
        cluster.agreed().await;
        limited_to(&cluster, learner, SMALL).await;
        assert_eq!(put_much(&cluster, learner).await, 507);
    });
}

#[test]
fn the_smallest_member_s_limit_is_in_force_for_as_long_as_it_is_one() {
    on_network(4 * PATIENCE, async |network| {
        let settings = Settings {
            flags: told(LARGE).to_vec(),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        for node in cluster.running() {
            limited_to(&cluster, node, LARGE).await;
        }
        let leader = cluster.leader().await;
        assert_eq!(put_much(&cluster, leader).await, 200);

        // All seats are taken, so it never leads, and holds everything all the same.
        let seeds = Finds::Join(cluster.peers());
        let smallest = cluster.add_told(&seeds, &told(SMALL));
        cluster.agreed().await;
        for node in cluster.running() {
            limited_to(&cluster, node, SMALL).await;
            assert_eq!(put_little(&cluster, node).await, 507);
            let held = send(&cluster, node, Method::GET, "/get/much", "");
            assert_eq!(held.await, 200);
        }

        // The next leader does not know of it by itself.
        cluster.terminate(leader).await;
        let leader = cluster.leader().await;
        for node in cluster.running() {
            limited_to(&cluster, node, SMALL).await;
        }
        assert_eq!(put_little(&cluster, leader).await, 507);
        let deleted = send(&cluster, leader, Method::DELETE, "/delete/much", "");
        assert_eq!(deleted.await, 200);
        assert_eq!(put_much(&cluster, leader).await, 507);

        let status = cluster.terminate(smallest).await;
        assert_eq!(status.code(), Some(0), "{}", cluster[smallest].log_end());
        for node in cluster.running() {
            limited_to(&cluster, node, LARGE).await;
        }
        let leader = cluster.leader().await;
        assert_eq!(put_much(&cluster, leader).await, 200);
    });
}

#[test]
fn a_rolling_update_changes_what_a_store_may_hold_and_loses_nothing() {
    on_network(6 * PATIENCE, async |network| {
        let settings = Settings {
            flags: told(SMALL).to_vec(),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let mut written = Acknowledged::default();
        written.put(20, &mut cluster).await;
        for node in cluster.running() {
            assert_eq!(put_much(&cluster, node).await, 507);
        }

        roll(&mut cluster, LARGE, 5, &mut written).await;
        for node in cluster.running() {
            assert_eq!(put_much(&cluster, node).await, 200);
        }
        written.put(20, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;

        // Back to a limit below what there is by now.
        roll(&mut cluster, SMALL, 0, &mut written).await;
        let changed = format!("may hold {SMALL} bytes from now on, instead of {LARGE}");
        for node in cluster.running() {
            logged(&cluster, node, &["INFO", "\"default\"", &changed]).await;
            assert_eq!(put_little(&cluster, node).await, 507);
            let held = send(&cluster, node, Method::GET, "/get/much", "");
            assert_eq!(held.await, 200);
        }
        written.all_everywhere(&mut cluster).await;
        let node = cluster.followers().await[0];
        let deleted = send(&cluster, node, Method::DELETE, "/delete/much", "");
        assert_eq!(deleted.await, 200);
        written.put(20, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}
