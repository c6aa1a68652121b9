//! `spindrift status`: the cluster for people, and for their programs.

use super::command::{spindrift, spindrift_as_member};
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

#[test]
fn any_node_tells_of_all() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 4, Settings::default()).await;
        let leader = cluster.leader().await;
        let leader_id = cluster.view(leader).await.expect("a view").node;
        for node in cluster.running() {
            let peer = cluster[node].addresses.peer.to_string();
            let told = spindrift_as_member(&cluster, &["status", "--node", &peer]).await;
            assert_eq!(told.code, Some(0), "{told:?}");
            for word in [
                "leader",
                "follower",
                "learner",
                "10.77.0.1:7000",
                "10.77.0.4:7000",
            ] {
                assert!(told.stdout.contains(word), "{word} in {}", told.stdout);
            }
            let told = ["status", "--json", "--node", &peer];
            let told = spindrift_as_member(&cluster, &told).await;
            let json: serde_json::Value = serde_json::from_str(&told.stdout)
                .unwrap_or_else(|error| panic!("{error}: {told:?}"));
            assert_eq!(json["leader"].as_u64(), leader_id, "{json}");
            assert_eq!(json["nodes"].as_array().map(Vec::len), Some(4), "{json}");
        }
    });
}

#[test]
fn it_says_when_there_is_no_leader_or_no_node() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, Settings::default()).await;
        let survivor = cluster.followers().await[0];
        for node in cluster.running() {
            if node != survivor {
                cluster[node].pause();
            }
        }
        let peer = cluster[survivor].addresses.peer.to_string();
        eventually("it knows of no leader", async || {
            let told = spindrift_as_member(&cluster, &["status", "--node", &peer]).await;
            match told.code {
                Some(3) => Ok(()),
                _ => Err(format!("{told:?}")),
            }
        })
        .await;
        let told = spindrift(&["status", "--node", "10.77.0.99:7000"]).await;
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.stderr.contains("10.77.0.99:7000"), "{told:?}");
    });
}
