//! A request that may read the past, through a node that lags, and writes what it made of it.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::acknowledged::{Acknowledged, TIMEOUT};
use crate::load::client::HttpClient;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Longer than the follower lags.
const LONG: Duration = PATIENCE;

#[test]
fn a_stale_read_that_conflicts_is_followed_by_reads_of_the_newest() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            evict_after: 4 * PATIENCE,
            leader_wait: 2 * LONG,
            flags: [
                "--log-level",
                "info,spindrift_gateway=debug",
                "--request-timeout",
                "100s",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let mut written = Acknowledged::default();
        written.put(3, &mut cluster).await;
        let leader = cluster.leader().await;
        let slow = cluster.followers().await[0];
        let client = HttpClient::new();
        let leading = cluster[leader].addresses.http;
        let put = async |value: &str| {
            let body = Bytes::from(format!("{{\"key\":\"k\",\"value\":\"{value}\"}}"));
            let put = client.send(Method::PUT, leading, "/put", &[], body, TIMEOUT);
            let (status, body) = put.await.expect("an answer");
            assert_eq!(status, 200, "{body:?}");
        };
        put("old").await;
        let address = cluster[slow].addresses.http;
        let stale = [("x-consistency", "stale")];
        eventually("the follower has the first value", async || {
            let get = client.send(
                Method::GET,
                address,
                "/get/k",
                &stale,
                Bytes::new(),
                TIMEOUT,
            );
            let (status, _) = get.await.expect("an answer");
            (status == 200).then_some(()).ok_or(format!("{status}"))
        })
        .await;
        // What the follower asks of the leader is answered; what the leader sends by itself, entries, does not arrive.
        let (from, to) = (cluster[leader].place, cluster[slow].place);
        let port = cluster[slow].addresses.peer.port();
        cluster.network().deafen(to, from, port);
        put("new").await;

        let deleting = {
            let client = client.clone();
            tokio::spawn(async move {
                let delete = client.send(
                    Method::DELETE,
                    address,
                    "/delete/k",
                    &stale,
                    Bytes::new(),
                    2 * LONG,
                );
                delete.await.expect("an answer")
            })
        };
        eventually("the first run has conflicted", async || {
            let log = cluster[slow].log();
            log.contains("conflict").then_some(()).ok_or(log)
        })
        .await;
        // Long enough for runs that would follow each other without waiting.
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.network().undeafen(to);
        let (status, body) = deleting.await.expect("no panic");
        assert_eq!(status, 200, "{body:?}");
        let conflicts = cluster[slow].log().matches("conflict").count();
        assert_eq!(conflicts, 1, "the second run read the newest");
    });
}
