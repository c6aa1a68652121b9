//! Requests whose time is up while the majority is away: what they are told of their writes is true.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;

use super::acknowledged::{Acknowledged, TIMEOUT};
use crate::load::client::HttpClient;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// What a request may take.
const TIME: Duration = Duration::from_secs(1);

/// Longer than any request takes that heeds its own time.
const LATE: Duration = Duration::from_secs(20);

/// Nodes come back as who they were, and wait for a leader longer than a request may take.
fn settings() -> Settings {
    Settings {
        evict_after: 4 * PATIENCE,
        leader_wait: 2 * LATE,
        flags: ["--request-timeout", "1s"].map(str::to_owned).to_vec(),
        ..Settings::default()
    }
}

/// Writes that were given up, and what was said of them.
#[derive(Default)]
struct GivenUp {
    client: HttpClient,
    not_applied: Vec<String>,
    unknown: Vec<String>,
}

impl GivenUp {
    /// Has a node write one more key, whose majority is away. Gives the status.
    async fn put(&mut self, node: SocketAddr) -> u16 {
        let key = format!("given-up-{}", self.not_applied.len() + self.unknown.len());
        let body = Bytes::from(format!("{{\"key\":\"{key}\",\"value\":\"1\"}}"));
        let begun = Instant::now();
        let put = self
            .client
            .send(Method::PUT, node, "/put", &[], body, 2 * LATE);
        let (status, body) = put.await.expect("an answer");
        let took = begun.elapsed();
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(took >= TIME - Duration::from_millis(20), "{took:?}: {text}");
        assert!(took < LATE, "{took:?}: {text}");
        match status {
            504 => {
                assert!(text.contains("nothing was written"), "{text}");
                self.not_applied.push(key);
            }
            503 => {
                assert!(text.contains("it is unknown whether"), "{text}");
                self.unknown.push(key);
            }
            _ => panic!("{status} {text}"),
        }
        status
    }

    /// Nothing that was called not written is there, at any node.
    async fn is_true(&self, cluster: &mut Cluster) {
        for node in cluster.running() {
            let address = cluster[node].addresses.http;
            for key in &self.not_applied {
                let path = format!("/get/{key}");
                let get = self.client.get(address, &path, TIMEOUT);
                let (status, body) = get.await.expect("an answer");
                assert_eq!(status, 404, "{key}: {body:?}");
            }
        }
    }
}

/// All nodes but one stand still, and go on later.
fn others_stand_still(lonely: impl Fn(NodeIndex, NodeIndex) -> bool + Send + Sync) {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let mut written = Acknowledged::default();
        // Each has its way to the leader.
        written.put(9, &mut cluster).await;
        let leader = cluster.leader().await;
        let running = cluster.running();
        let survivor = running.iter().find(|&&node| lonely(node, leader));
        let survivor = *survivor.expect("one of them");
        let address = cluster[survivor].addresses.http;
        for node in running {
            if node != survivor {
                cluster[node].pause();
            }
        }
        let mut given_up = GivenUp::default();
        let first = given_up.put(address).await;
        if survivor != leader {
            // It was on its way to the leader, which might have had a majority for all that was known.
            assert_eq!(first, 503);
        }
        if survivor == leader {
            eventually("nothing is sent any more", async || {
                match given_up.put(address).await {
                    504 => Ok(()),
                    status => Err(format!("{status}")),
                }
            })
            .await;
        }
        for _ in 0..3 {
            let status = given_up.put(address).await;
            // A follower has heard nothing of the leader for a second by now, and sends it nothing.
            assert!(survivor == leader || status == 504, "{status}");
        }
        let client = HttpClient::new();
        let begun = Instant::now();
        let get = client.get(address, "/get/any", 2 * LATE);
        let (status, body) = get.await.expect("an answer");
        assert_eq!(status, 504, "{body:?}");
        assert!(begun.elapsed() < LATE);

        for node in cluster.running() {
            if node != survivor {
                cluster[node].resume();
            }
        }
        cluster.agreed().await;
        written.put_at_last(&mut cluster).await;
        given_up.is_true(&mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn a_follower_without_a_majority_tells_the_truth_of_writes_within_their_time() {
    others_stand_still(|node, leader| node != leader);
}

#[test]
fn a_leader_without_a_majority_tells_the_truth_of_writes_within_their_time() {
    others_stand_still(|node, leader| node == leader);
}

/// By then the guest has answered: it hears itself what is known of its write.
#[test]
fn a_guest_that_writes_after_its_head_hears_that_the_outcome_is_unknown() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            evict_after: 4 * PATIENCE,
            leader_wait: TIME,
            guest: Some("kv3"),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let survivor = cluster.followers().await[0];
        let address = cluster[survivor].addresses.http;
        let client = HttpClient::new();
        let get = async |node: SocketAddr, path: &str| {
            let answer = client.get(node, path, LATE).await.expect("an answer");
            (answer.0, String::from_utf8_lossy(&answer.1).into_owned())
        };
        // It has its way to the leader.
        let (status, text) = get(address, "/kv3/set?key=k&value=v").await;
        assert_eq!(status, 200, "{text}");
        for node in cluster.running() {
            if node != survivor {
                cluster[node].pause();
            }
        }
        let (status, text) = get(address, "/kv3/late?ms=1&key=late").await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("it is unknown whether"), "{text}");
        assert!(!text.contains("nothing was written"), "{text}");

        for node in cluster.running() {
            cluster[node].resume();
        }
        cluster.agreed().await;
        // Either is true, and the same everywhere.
        let mut seen = Vec::new();
        for node in cluster.running() {
            seen.push(get(cluster[node].addresses.http, "/kv3/get?key=late").await);
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    });
}

#[test]
fn where_the_majority_is_dead_a_write_is_withdrawn_in_its_time() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let mut written = Acknowledged::default();
        written.put(9, &mut cluster).await;
        let survivor = cluster.followers().await[0];
        for node in cluster.running() {
            if node != survivor {
                cluster.kill(node);
            }
        }
        let address = cluster[survivor].addresses.http;
        let mut given_up = GivenUp::default();
        eventually("nothing is sent any more", async || {
            match given_up.put(address).await {
                504 => Ok(()),
                status => Err(format!("{status}")),
            }
        })
        .await;
        assert_eq!(given_up.put(address).await, 504);
    });
}
