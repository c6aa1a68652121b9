//! A component that calls its own application, on several nodes.

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::acknowledged::TIMEOUT;
use crate::load::client::HttpClient;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, on_network};
use crate::nodes::settings::Settings;

/// The path that increments `count` after a request to `url`.
fn increment_after(url: &str) -> String {
    let url = utf8_percent_encode(url, NON_ALPHANUMERIC);
    format!("/outbound3/fetch-and-set?key=count&url={url}")
}

#[test]
fn what_an_own_request_has_written_is_there_for_its_caller_on_every_node() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            guest: Some("outbound3"),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let running = cluster.running();
        let nodes: Vec<_> = running.iter().map(|&n| cluster[n].addresses.http).collect();
        let client = HttpClient::new();
        // Three transactions, each within the time of the one before.
        let path = increment_after(&increment_after("/outbound3/write-kept?key=other"));
        for round in 1..=15 {
            let node = nodes[round % 3];
            let answer = client.send(Method::GET, node, &path, &[], Bytes::new(), TIMEOUT);
            let (status, body) = answer.await.expect("an answer");
            assert_eq!(status, 200, "round {round}: {body:?}");
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(answer, json!({"ok": 2 * round}), "round {round}");
        }
    });
}
