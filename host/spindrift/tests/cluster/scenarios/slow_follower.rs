//! A follower that gets less than is written, and never stops: what it lacks must not pile up on the leader.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{join, join_all};
use http::Method;
use tokio::sync::watch;
use tokio::time::sleep;

use super::acknowledged::TIMEOUT;
use crate::load::client::HttpClient;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

const MAX_LOG_BYTES: u64 = 4 << 20;
/// Twice what the log may take, and room for what is written between two looks of the leader at it.
const BOUND: u64 = 5 * MAX_LOG_BYTES;
/// What is written: far more than the bound.
const VALUES: usize = 1024;
const VALUE_BYTES: usize = 128 << 10;
/// How many values there are at a time, so that a snapshot is small.
const KEYS: usize = 8;
const CLIENTS: usize = 4;
/// What the follower gets in a second: a small part of what is written in one.
const KILOBYTES_A_SECOND: u32 = 1000;

/// Writes all values at the leader.
async fn write(cluster: &Cluster, leader: NodeIndex) {
    let address = cluster[leader].addresses.http;
    let client = HttpClient::new();
    let clients = (0..CLIENTS).map(|number| {
        let client = client.clone();
        async move {
            for value in (number..VALUES).step_by(CLIENTS) {
                let key = value % KEYS;
                let text = char::from(b'a' + (value % 26) as u8).to_string();
                let body = format!(
                    "{{\"key\":\"{key}\",\"value\":\"{}\"}}",
                    text.repeat(VALUE_BYTES)
                );
                let put = client.send(
                    Method::PUT,
                    address,
                    "/put",
                    &[],
                    Bytes::from(body),
                    TIMEOUT,
                );
                let (status, answer) = put.await.expect("an answer");
                assert_eq!(status, 200, "{answer:?}");
            }
        }
    });
    join_all(clients).await;
}

/// The most that a node's log takes until `done`.
async fn longest_log(cluster: &Cluster, node: NodeIndex, mut done: watch::Receiver<bool>) -> u64 {
    let mut longest = 0;
    loop {
        let bytes = cluster.metric(node, "log_bytes").await.expect("a metric");
        longest = longest.max(bytes);
        tokio::select! {
            _ = done.wait_for(|done| *done) => return longest,
            () = sleep(Duration::from_millis(20)) => {}
        }
    }
}

#[test]
fn what_a_slow_follower_lacks_does_not_pile_up_on_the_leader() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            evict_after: 2 * PATIENCE,
            snapshot_after: 1_000_000,
            flags: ["--max-log-bytes", &MAX_LOG_BYTES.to_string()]
                .map(str::to_owned)
                .to_vec(),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let leader = cluster.leader().await;
        let slow = cluster.followers().await[0];
        let place = cluster[slow].place;
        cluster.network().slow_down(place, KILOBYTES_A_SECOND);

        let (done, is_done) = watch::channel(false);
        let writing = async {
            write(&cluster, leader).await;
            done.send_replace(true);
        };
        let ((), longest) = join(writing, longest_log(&cluster, leader, is_done)).await;
        println!("the leader's log took {longest} bytes at most");
        assert!(longest > MAX_LOG_BYTES, "it was never long: {longest}");
        assert!(longest <= BOUND, "the leader's log took {longest} bytes");

        cluster.network().speed_up(place);
        let written = cluster.view(leader).await.expect("a view").revision;
        eventually("the follower has caught up", async || {
            let view = cluster.view(slow).await?;
            let caught_up = view.revision >= written && view.not_ready.is_none();
            caught_up.then_some(()).ok_or(format!("{view:?}"))
        })
        .await;
        let snapshots = cluster.metric(slow, "snapshots_installed_total").await;
        assert!(snapshots.is_ok_and(|installed| installed > 0));
        assert_eq!(cluster.leader().await, leader, "nothing else happened");
        cluster.agreed().await;
    });
}
