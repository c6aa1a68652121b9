//! A node that gives the address of another one as its own.

use std::collections::BTreeSet;

use super::acknowledged::Acknowledged;
use super::joining::logged;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Longer than the test takes: nobody is removed for being silent.
fn patient() -> Settings {
    Settings {
        evict_after: 2 * PATIENCE,
        ..Settings::default()
    }
}

/// The ids of the nodes that run, which are members of one cluster.
async fn ids(cluster: &mut Cluster, nodes: &[NodeIndex]) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    for node in nodes {
        let view = cluster.view(*node).await.expect("a view");
        assert_eq!((view.voters, view.learners), (3, 0), "{view:?}");
        ids.extend(view.node);
    }
    ids
}

/// Waits until the nodes that run vote and nobody else: while a change goes on, the cluster also needs a majority of those that
/// voted before it, which may have been two.
async fn settled(cluster: &mut Cluster) {
    let views = cluster.views().await;
    let voters: BTreeSet<u64> = views.iter().filter_map(|(_, view)| view.node).collect();
    let changed = format!("changed the membership: SetVoters({voters:?})");
    let ends = [changed.as_str(), "changed the membership: Finish"];
    eventually(&changed, async || {
        let logs = cluster
            .running()
            .into_iter()
            .map(|node| cluster[node].log());
        let logs: Vec<String> = logs.collect();
        let told = logs
            .iter()
            .any(|log| ends.iter().any(|end| log.contains(end)));
        told.then_some(()).ok_or(format!("{views:?}"))
    })
    .await;
}

fn advertise(address: &str) -> [String; 2] {
    ["--advertise", address].map(str::to_owned)
}

/// Waits until `stranger` has ended, since the node at `address` is another one.
async fn refused(cluster: &mut Cluster, stranger: NodeIndex, address: &str) {
    let status = cluster[stranger].wait().await;
    assert_eq!(status.code(), Some(1), "{}", cluster[stranger].log_end());
    let answers = format!("answers at {address}");
    let words = ["Error", &answers, "an address of its own with --advertise"];
    logged(cluster, stranger, &words).await;
}

#[test]
fn a_node_with_the_address_of_a_member_is_refused_and_nothing_changes() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient()).await;
        let mut written = Acknowledged::default();
        written.put(10, &mut cluster).await;
        let members = cluster.running();
        let before = ids(&mut cluster, &members).await;
        let seeds = cluster.peers();
        for member in members.clone() {
            let address = cluster[member].addresses.peer.to_string();
            // It knows the cluster by all members, or by none but the one whose address it has: that one it takes for itself.
            let alone = vec![cluster[member].addresses.peer];
            for seeds in [seeds.clone(), alone] {
                let stranger = cluster.add_told(&Finds::Join(seeds), &advertise(&address));
                refused(&mut cluster, stranger, &address).await;
            }
        }
        assert_eq!(ids(&mut cluster, &members).await, before);
        for member in members {
            let log = cluster[member].log();
            assert!(!log.contains("has a new node"), "{log}");
        }
        written.put(10, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn a_member_that_stands_still_keeps_its_place_at_its_address() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient()).await;
        let members = cluster.running();
        let before = ids(&mut cluster, &members).await;
        let seeds = Finds::Join(cluster.peers());
        let paused = cluster.followers().await[0];
        let address = cluster[paused].addresses.peer.to_string();
        cluster[paused].pause();
        let stranger = cluster.add_told(&seeds, &advertise(&address));
        let words = ["registered at", &address, "--advertise"];
        logged(&cluster, stranger, &words).await;
        assert!(cluster[stranger].ended().is_none(), "it may yet be let in");
        cluster[paused].resume();
        refused(&mut cluster, stranger, &address).await;
        cluster.agreed().await;
        assert_eq!(ids(&mut cluster, &members).await, before);
    });
}

#[test]
fn a_node_that_is_started_again_takes_its_place_at_once() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient()).await;
        settled(&mut cluster).await;
        for node in cluster.running() {
            cluster.kill(node);
            cluster.restart(node);
            // Sooner than the old one counts as silent.
            cluster.agreed().await;
            settled(&mut cluster).await;
        }
    });
}
