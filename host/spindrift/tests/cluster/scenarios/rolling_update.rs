//! A rolling update from the previous version of the peers' protocol to this one, under load, and back for as long as that is
//! possible.
//!
//! The processes of the previous version are of this program, and are told to speak no newer one (`--peer-protocol-max`).

use std::collections::BTreeMap;

use super::command::spindrift_as_member;
use super::joining::logged;
use crate::checking::checker::check;
use crate::checking::history::History;
use crate::load::tally::{Tally, gave_up};
use crate::load::workload::Workload;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Clients that wait for an answer.
const CLIENTS: usize = 12;

/// The newest version of the peers' protocol, and the one before it. What it adds is that the members know each other's machines.
const NEWEST: u32 = 5;
const PREVIOUS: u32 = NEWEST - 1;

/// The flags of a node that speaks no newer version, and is on the machine `name`.
fn told(newest: u32, name: &str) -> Vec<String> {
    let newest = newest.to_string();
    let flags = ["--peer-protocol-max", &newest, "--machine", name];
    flags.map(str::to_owned).to_vec()
}

/// Replaces all these nodes, one after the other, by nodes that speak up to `newest`.
async fn roll(cluster: &mut Cluster, nodes: &[NodeIndex], newest: u32) -> Vec<NodeIndex> {
    let mut new = Vec::new();
    for node in nodes {
        let name = format!("{}-{newest}", cluster[*node].name());
        new.push(cluster.replace(*node, &told(newest, &name)).await);
    }
    new
}

/// Waits until all nodes say that `version` is in force.
async fn in_force(cluster: &mut Cluster, version: u32) {
    eventually(format!("version {version} is in force"), async || {
        let views = cluster.views().await;
        let all = views.iter().all(|(_, view)| view.protocol == Some(version));
        all.then_some(()).ok_or(format!("{views:?}"))
    })
    .await;
}

/// The machine of each member, by its address, as all members know it.
async fn machines(cluster: &mut Cluster) -> BTreeMap<String, Option<String>> {
    let leader = cluster.leader().await;
    let peer = cluster[leader].addresses.peer.to_string();
    let told = spindrift_as_member(cluster, &["status", "--json", "--node", &peer]).await;
    let json: serde_json::Value =
        serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    let nodes = json["nodes"].as_array().expect("nodes").iter();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    nodes
        .map(|node| {
            let address = text(&node["address"]).expect("an address");
            (address, text(&node["machine"]))
        })
        .collect()
}

#[test]
fn a_rolling_update_from_the_previous_version_fails_no_request_and_can_be_taken_back_until_it_is_done()
 {
    on_network(8 * PATIENCE, async |network| {
        let settings = Settings {
            flags: told(PREVIOUS, "never-known"),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        in_force(&mut cluster, PREVIOUS).await;
        let history = History::default();
        let workload = Workload::start(&cluster.directory(), &history, CLIENTS, 1);

        let old = cluster.running();
        let new = roll(&mut cluster, &old[..2], NEWEST).await;
        in_force(&mut cluster, PREVIOUS).await;
        let known = machines(&mut cluster).await;
        assert!(known.values().all(Option::is_none), "{known:?}");

        // Back: one member has not been updated yet.
        roll(&mut cluster, &new, PREVIOUS).await;
        in_force(&mut cluster, PREVIOUS).await;

        let old = cluster.running();
        let new = roll(&mut cluster, &old, NEWEST).await;
        in_force(&mut cluster, NEWEST).await;
        eventually("all members know on which machines they are", async || {
            let known = machines(&mut cluster).await;
            let expected = new.iter().zip(&old).map(|(new, old)| {
                let machine = format!("{}-{NEWEST}", cluster[*old].name());
                (cluster[*new].addresses.peer.to_string(), Some(machine))
            });
            let all = known == expected.collect();
            all.then_some(()).ok_or(format!("{known:?}"))
        })
        .await;
        workload.finish().await;

        let operations = history.operations();
        let tally = Tally::of(operations.iter().filter(|o| !gave_up(o)));
        println!("{tally}");
        assert!(tally.all() > 100, "clients were at work: {tally}");
        assert_eq!(tally.failed + tally.unknown, 0, "{tally}");
        let report = check(&operations);
        assert!(report.is_linearizable(), "{report}");

        // No way back: the log may have what the previous version does not know.
        let seeds = Finds::Join(cluster.peers());
        let late = cluster.add_told(&seeds, &told(PREVIOUS, "late"));
        let uses = format!("uses version {NEWEST} of the peers' protocol");
        let speaks = format!("speaks version {PREVIOUS};");
        let words = ["refuses this node", &uses, &speaks, "does not go back"];
        logged(&cluster, late, &words).await;
        assert_eq!(cluster[late].wait().await.code(), Some(1));
        cluster.agreed().await;
    });
}

#[test]
fn a_version_that_no_node_speaks_is_refused_in_words() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::empty(network, Settings::default());
        for version in ["3", "6", "newest"] {
            let told = ["--peer-protocol-max", version].map(str::to_owned);
            let node = cluster.add_told(&Finds::Bootstrap, &told);
            assert_eq!(cluster[node].wait().await.code(), Some(2), "{version}");
            logged(&cluster, node, &["--peer-protocol-max", version]).await;
        }
    });
}
