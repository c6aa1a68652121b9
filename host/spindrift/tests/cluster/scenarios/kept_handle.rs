//! A component that opens its store once and keeps the handle, on several nodes at once.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::acknowledged::TIMEOUT;
use crate::load::client::HttpClient;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, on_network};
use crate::nodes::settings::Settings;

/// How often a request is sent again that met nothing but conflicts.
const ATTEMPTS: usize = 50;

/// What an operation answers at a node, through the kept handle of one of its instances.
async fn kept(client: &HttpClient, node: SocketAddr, operation: &str) -> Value {
    let path = format!("/kv3/{operation}&kept=yes");
    for _ in 0..ATTEMPTS {
        let answer = client.send(Method::GET, node, &path, &[], Bytes::new(), TIMEOUT);
        let (status, body) = answer.await.expect("an answer");
        if status == 503 {
            continue;
        }
        assert_eq!(status, 200, "{path}: {body:?}");
        let json: Value = serde_json::from_slice(&body).expect("JSON");
        let ok = json.get("ok").cloned();
        return ok.unwrap_or_else(|| panic!("{path}: {json}"));
    }
    panic!("{path}: {ATTEMPTS} times 503");
}

#[test]
fn requests_through_kept_handles_are_transactions_on_every_node() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            guest: Some("kv3"),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let running = cluster.running();
        let nodes: Vec<_> = running.iter().map(|&n| cluster[n].addresses.http).collect();
        let client = HttpClient::new();
        // So that every handle that is used is of an earlier request.
        let twice = nodes.iter().cycle().take(6);
        join_all(twice.map(|&node| kept(&client, node, "get?wait=10"))).await;

        for round in 0..20 {
            let set = format!("set?key={round}&value=v");
            kept(&client, nodes[round % 3], &set).await;
            // Each of them sees that it is there before any deletes it.
            let take = format!("take?key={round}&wait=5");
            let takers = nodes.iter().cycle().take(15);
            let taken = join_all(takers.map(|&node| kept(&client, node, &take))).await;
            let taken = taken.iter().filter(|taken| **taken == json!(true)).count();
            assert_eq!(taken, 1, "round {round}");
        }

        let workers = nodes.iter().map(|&node| {
            let client = &client;
            async move {
                for _ in 0..10 {
                    kept(client, node, "increment?key=count").await;
                }
            }
        });
        join_all(workers).await;
        let count = kept(&client, nodes[0], "get?key=count").await;
        assert_eq!(count, json!("30"));
    });
}
