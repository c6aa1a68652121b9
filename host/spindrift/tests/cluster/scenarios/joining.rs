//! Who may join whom, and what the others are told.

use std::fs;

use http::Method;

use super::acknowledged::{Acknowledged, TIMEOUT};
use crate::load::client::HttpClient;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Waits until a node has logged a line with all of `parts`.
pub async fn logged(cluster: &Cluster, node: NodeIndex, parts: &[&str]) {
    eventually(
        format!("{} logs {parts:?}", cluster[node].name()),
        async || {
            let log = cluster[node].log();
            let found = log
                .lines()
                .any(|line| parts.iter().all(|part| line.contains(part)));
            found.then_some(()).ok_or(log)
        },
    )
    .await;
}

#[test]
fn one_seed_that_answers_is_enough() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 2, Settings::default()).await;
        let mut seeds = cluster.peers();
        // Nobody is there.
        seeds.insert(0, ([10, 77, 0, 99], 7000).into());
        seeds.truncate(2);
        cluster.add_told(&Finds::Join(seeds), &[]);
        cluster.agreed().await;
    });
}

#[test]
fn a_node_told_to_bootstrap_joins_the_cluster_that_there_is() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 2, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(10, &mut cluster).await;
        let seeds = Finds::Join(cluster.peers());
        let late = cluster.add_told(&seeds, &["--bootstrap".to_owned()]);
        cluster.agreed().await;
        written.held_by(&cluster, late).await;
    });
}

#[test]
fn another_application_is_refused_in_words() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 1, Settings::default()).await;
        let seeds = Finds::Join(cluster.peers());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let other = Settings {
            application: Some("inventory".to_owned()),
            ..Settings::default()
        };
        let told = other.arguments(folder.path());
        let stranger = cluster.add_told(&seeds, &told[..2]);
        logged(&cluster, stranger, &["inventory", "spindrift"]).await;
        let view = cluster.view(0).await.expect("a view");
        assert_eq!((view.voters, view.learners), (1, 0));
    });
}

#[test]
fn a_node_with_smaller_limits_holds_what_the_others_let_in() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 2, Settings::default()).await;
        let client = HttpClient::new();
        let put = async |cluster: &Cluster, node: NodeIndex, key: &str| {
            let body = format!("{{\"key\":\"{key}\",\"value\":\"{}\"}}", "x".repeat(2048));
            let address = cluster[node].addresses.http;
            let put = client.send(Method::PUT, address, "/put", &[], body.into(), TIMEOUT);
            let (status, answer) = put.await.expect("an answer");
            (status, String::from_utf8_lossy(&answer).into_owned())
        };
        let first = cluster.leader().await;
        // The new node gets one in a snapshot or as it was logged, and the other as it is written.
        assert_eq!(put(&cluster, first, "before").await.0, 200);
        let seeds = Finds::Join(cluster.peers());
        let told = ["--max-value-size", "1KiB", "--max-key-size", "16"].map(str::to_owned);
        let late = cluster.add_told(&seeds, &told);
        cluster.agreed().await;
        let long_key = "a-key-of-more-than-16-bytes";
        assert_eq!(put(&cluster, first, long_key).await.0, 200);
        for key in ["before", long_key] {
            let address = cluster[late].addresses.http;
            let (status, answer) = client
                .get(address, &format!("/get/{key}"), TIMEOUT)
                .await
                .expect("an answer");
            assert_eq!(status, 200, "{key}: {answer:?}");
            assert!(answer.len() > 2048, "{key}: {answer:?}");
        }
        let (status, answer) = put(&cluster, late, "here").await;
        assert_eq!(status, 413, "{answer}");
        assert_eq!(put(&cluster, first, "here").await.0, 200);
    });
}

#[test]
fn a_node_whose_messages_would_be_too_large_is_refused_in_words() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 1, Settings::default()).await;
        let seeds = Finds::Join(cluster.peers());
        let told = |size: &str| ["--max-value-size", size].map(str::to_owned);
        let stranger = cluster.add_told(&seeds, &told("100MiB"));
        logged(&cluster, stranger, &["refuses", "max_value_size"]).await;
        let view = cluster.view(0).await.expect("a view");
        assert_eq!((view.voters, view.learners), (1, 0));
        cluster[stranger].wait().await;
        // What is said to be free is.
        cluster.add_told(&seeds, &told("29MiB"));
        cluster.agreed().await;
    });
}

#[test]
fn other_stores_are_refused_in_words() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 1, Settings::default()).await;
        let seeds = Finds::Join(cluster.peers());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("runtime-config.toml");
        let store = |label: &str| format!("[key_value_store.{label}]\ntype = \"replicated\"\n");
        fs::write(&file, store("default") + &store("cache")).expect("its file");
        let told = [
            "--runtime-config-file".to_owned(),
            file.to_string_lossy().into_owned(),
        ];
        let stranger = cluster.add_told(&seeds, &told);
        logged(&cluster, stranger, &["refuses", "\"cache\"", "labels"]).await;
        let view = cluster.view(0).await.expect("a view");
        assert_eq!((view.voters, view.learners), (1, 0));
    });
}

#[test]
fn two_clusters_that_meet_refuse_each_other() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::empty(network, Settings::default());
        let first = cluster.add_told(&Finds::Bootstrap, &[]);
        // It finds nobody: the first is on the other side of the cut.
        let place = cluster[first].place;
        let second_place = place + 1;
        let seed = cluster[first].addresses.peer.to_string();
        let told = ["--join".to_owned(), seed];
        let second = cluster.add_told_behind_cut(&Finds::Bootstrap, &told);
        assert_eq!(cluster[second].place, second_place);
        for node in [first, second] {
            eventually("each has a cluster of its own", async || {
                let view = cluster.view(node).await?;
                view.leads().then_some(()).ok_or(format!("{view:?}"))
            })
            .await;
        }
        let mut written = Acknowledged::default();
        let outcome = written.try_put(cluster[first].addresses.http).await;
        println!("{outcome:?}");
        cluster.network().heal();

        let [one, other] = [cluster.view(first).await, cluster.view(second).await]
            .map(|view| view.expect("a view").cluster.expect("a cluster"));
        assert_ne!(one, other);
        // The second looks after it whether the first is of its cluster.
        logged(&cluster, second, &[&one, &other]).await;
        // A third that is pointed at both is told that they are not one.
        let seeds = Finds::Join(cluster.peers());
        let third = cluster.add_told(&seeds, &[]);
        logged(&cluster, third, &[&one, &other]).await;
        written.all_at(&cluster, first).await;
    });
}
