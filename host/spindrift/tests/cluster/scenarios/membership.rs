//! Seats that are freed and taken: who votes, who learns, and who is removed.

use std::time::Duration;

use super::acknowledged::Acknowledged;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

#[test]
fn further_nodes_learn_and_take_the_seat_of_one_that_is_silent() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 4, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;
        let learner = cluster
            .views()
            .await
            .into_iter()
            .find(|(_, view)| view.role == "learner")
            .map(|(node, _)| node)
            .expect("three of four vote");
        written.held_by(&cluster, learner).await;

        let followers = cluster.followers().await;
        let silent = followers.into_iter().find(|node| *node != learner);
        cluster.kill(silent.expect("another follower"));
        cluster.agreed().await;
        let view = cluster.view(learner).await.expect("a view");
        assert!(view.votes(), "{view:?}");
        assert_eq!((view.voters, view.learners), (3, 0));
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn a_restarted_process_is_a_new_node() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(20, &mut cluster).await;

        let victim = cluster.followers().await[0];
        let before = cluster.view(victim).await.expect("a view").node;
        cluster.kill(victim);
        let restarted = cluster.restart(victim);
        cluster.agreed().await;
        let after = cluster.view(restarted).await.expect("a view").node;
        assert!(after > before, "{before:?}, then {after:?}");
        written.held_by(&cluster, restarted).await;
    });
}

#[test]
fn one_that_was_removed_while_it_stood_still_joins_again() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            evict_after: Duration::from_secs(1),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let mut written = Acknowledged::default();
        written.put(20, &mut cluster).await;

        let silent = cluster.followers().await[0];
        let before = cluster.view(silent).await.expect("a view").node;
        cluster[silent].pause();
        let leader = cluster.leader().await;
        eventually("the silent node is removed", async || {
            let view = cluster.view(leader).await?;
            match view.voters + view.learners {
                2 => Ok(()),
                nodes => Err(format!("{nodes} nodes: {view:?}")),
            }
        })
        .await;
        let other = cluster.followers().await;
        let other = other.into_iter().find(|node| *node != silent);
        let outcome = written
            .try_put(cluster[other.expect("the third node")].addresses.http)
            .await;
        println!("two of three wrote: {outcome:?}");

        cluster[silent].resume();
        cluster.agreed().await;
        let after = cluster.view(silent).await.expect("a view").node;
        assert!(after > before, "{before:?}, then {after:?}");
        written.held_by(&cluster, silent).await;
    });
}

#[test]
fn one_that_joins_late_gets_what_the_log_has_no_more() {
    on_network(4 * PATIENCE, async |network| {
        let settings = Settings {
            snapshot_after: 100,
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let mut written = Acknowledged::default();
        written.put(600, &mut cluster).await;
        let late = cluster.add();
        cluster.agreed().await;
        written.held_by(&cluster, late).await;
    });
}
