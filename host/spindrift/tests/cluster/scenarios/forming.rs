//! The node that formed the cluster, started again with its own command: no second cluster is formed beside the one that lives.
//! And where one was formed nevertheless, nobody takes it for the first.

use std::time::Duration;

use super::acknowledged::Acknowledged;
use super::command::spindrift_as_member;
use super::joining::logged;
use crate::checking::history::{Answer, Outcome};
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Nobody forgets a node that was killed while the test lasts.
fn patient_settings() -> Settings {
    Settings {
        evict_after: Duration::from_secs(120),
        leader_wait: Duration::from_millis(500),
        ..Settings::default()
    }
}

/// Waits until a node leads, and gives its cluster.
async fn leads(cluster: &Cluster, node: NodeIndex) -> String {
    eventually("it leads a cluster", async || {
        let view = cluster.view(node).await?;
        let id = view.cluster.clone().filter(|_| view.leads());
        id.ok_or(format!("{view:?}"))
    })
    .await
}

#[test]
fn a_node_that_formed_the_cluster_joins_it_when_it_is_started_again() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(10, &mut cluster).await;
        // The first time it leads, and later it may be a follower.
        let mut first = 0;
        for _ in 0..3 {
            cluster.kill(first);
            // It is told of nobody, as when it formed the cluster.
            first = cluster.restart_told(first, &Finds::Bootstrap);
            let address = cluster[first].addresses.http;
            eventually("it acknowledges a write", async || {
                match written.try_put(address).await {
                    Outcome::Answered(Answer::Written) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
            written.all_everywhere(&mut cluster).await;
            cluster.agreed().await;
            logged(&cluster, first, &["look for a member", "--join"]).await;
        }
    });
}

#[test]
fn a_second_cluster_at_the_address_of_a_lost_member_is_not_taken_for_the_first() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 2, patient_settings()).await;
        let (first, second) = (0, 1);
        let mut written = Acknowledged::default();
        written.put(10, &mut cluster).await;
        let own = leads(&cluster, first).await;

        cluster.kill(first);
        // Nobody calls while it forms its own.
        cluster[second].pause();
        let rival = cluster.restart_told(first, &Finds::Bootstrap);
        let other = leads(&cluster, rival).await;
        assert_ne!(own, other);
        cluster[second].resume();
        logged(
            &cluster,
            rival,
            &["ERROR", "look for a member", &own, &other],
        )
        .await;

        // The second has no majority, and goes on naming the address at which another cluster is now.
        let seed = cluster[second].addresses.peer;
        let third = cluster.add_told(&Finds::Join(vec![seed]), &[]);
        logged(&cluster, third, &["no cluster has taken this node in yet"]).await;
        assert_eq!(cluster.view(third).await.expect("a view").cluster, None);
        let view = cluster.view(rival).await.expect("a view");
        assert_eq!((view.voters, view.learners), (1, 0), "{view:?}");

        let seed = seed.to_string();
        let told = ["status", "--json", "--node", &seed];
        let told = spindrift_as_member(&cluster, &told).await;
        assert_eq!(told.code, Some(3), "{told:?}");
        let json: serde_json::Value =
            serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
        assert_eq!(json["cluster"].as_str(), Some(own.as_str()), "{json}");
        let nodes = json["nodes"].as_array().expect("nodes");
        assert_eq!(nodes.len(), 2, "{json}");
        assert_ne!(nodes[0]["role"].as_str(), Some("leader"), "{json}");
        assert_ne!(nodes[0]["health"].as_str(), Some("ok"), "{json}");
    });
}
