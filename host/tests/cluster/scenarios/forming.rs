//! The node that formed the cluster, started again with its own command: no second cluster is formed beside the one that lives.

use super::acknowledged::Acknowledged;
use super::joining::logged;
use crate::checking::history::{Answer, Outcome};
use crate::nodes::cluster::Cluster;
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

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
