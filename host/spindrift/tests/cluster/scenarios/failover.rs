//! A leader that dies: another takes over, nothing acknowledged is lost, and a new node takes the seat.

use std::time::{Duration, Instant};

use super::acknowledged::Acknowledged;
use crate::checking::history::{Answer, Outcome};
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, on_network};
use crate::nodes::settings::Settings;

#[test]
fn another_node_leads_when_the_leader_is_killed() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(100, &mut cluster).await;

        let old = cluster.leader().await;
        cluster.kill(old);
        let began = Instant::now();
        let survivor = cluster.running()[0];
        // It waits for a leader and is answered, rather than refused.
        let outcome = written.try_put(cluster[survivor].addresses.http).await;
        println!("no writes for {:?}: {outcome:?}", began.elapsed());
        assert_eq!(outcome, Outcome::Answered(Answer::Written));
        assert_ne!(cluster.leader().await, old);
        written.all_everywhere(&mut cluster).await;

        let replacement = cluster.add();
        cluster.agreed().await;
        written.held_by(&cluster, replacement).await;
    });
}

#[test]
fn a_leader_that_was_cut_off_follows_the_new_one() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            // It shall come back as who it was.
            evict_after: Duration::from_secs(60),
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let mut written = Acknowledged::default();
        written.put(10, &mut cluster).await;

        let old = cluster.leader().await;
        let id = cluster.view(old).await.expect("a view").node;
        let others = cluster.followers().await;
        let place = cluster[old].place;
        let other_places: Vec<_> = others.iter().map(|&node| cluster[node].place).collect();
        cluster
            .network()
            .cut(crate::nodes::network::between(&[place], &other_places));
        let outcome = written.try_put(cluster[others[0]].addresses.http).await;
        assert_eq!(outcome, Outcome::Answered(Answer::Written));

        // What it is told now reaches nobody; it must not say otherwise.
        let outcome = written.try_put(cluster[old].addresses.http).await;
        assert!(!matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
        // What it could still answer from its memory would be the past.
        let outcome = written
            .read_last(
                cluster[old].addresses.http,
                crate::load::client::Freshness::Linearizable,
            )
            .await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");

        cluster.network().heal();
        cluster.agreed().await;
        assert_ne!(cluster.leader().await, old);
        assert_eq!(cluster.view(old).await.expect("a view").node, id);
        written.all_everywhere(&mut cluster).await;
    });
}
