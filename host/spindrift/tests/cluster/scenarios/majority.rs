//! A majority that is away: what can be asked meanwhile, and that all is there when it is back. And one that is gone.

use std::time::Duration;

use super::acknowledged::{Acknowledged, TIMEOUT};
use super::command::spindrift_as_member;
use crate::checking::history::{Answer, Outcome};
use crate::load::client::{Freshness, HttpClient};
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::network::between;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Nodes come back as who they were.
fn patient_settings() -> Settings {
    Settings {
        evict_after: Duration::from_secs(120),
        leader_wait: Duration::from_millis(500),
        ..Settings::default()
    }
}

/// What a node without a majority answers.
async fn answers_of_the_minority(cluster: &Cluster, node: NodeIndex, written: &mut Acknowledged) {
    let address = cluster[node].addresses.http;
    let last = written.len() as u64 - 1;
    // The leader may have its lease for a moment longer; then nothing is newer than what it has.
    eventually("linearizable reads are refused", async || {
        match written.read_last(address, Freshness::Linearizable).await {
            Outcome::Failed(_) => Ok(()),
            Outcome::Answered(answer) if answer == Answer::Found(last) => Err("a lease".to_owned()),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let outcome = written.try_put(address).await;
    assert!(
        matches!(&outcome, Outcome::Failed(why) | Outcome::Unknown(why) if why.starts_with("503")),
        "{outcome:?}"
    );
    let outcome = written.read_last(address, Freshness::Stale).await;
    assert_eq!(outcome, Outcome::Answered(Answer::Found(last)));
    let client = HttpClient::new();
    let (status, body) = client
        .get(address, "/get/any", TIMEOUT)
        .await
        .expect("an answer");
    assert_eq!(status, 503, "{body:?}");
}

#[test]
fn a_paused_majority_comes_back_with_everything() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient_settings()).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;

        let survivor = cluster.followers().await[0];
        written.held_by(&cluster, survivor).await;
        let others: Vec<_> = cluster
            .running()
            .into_iter()
            .filter(|n| *n != survivor)
            .collect();
        for &node in &others {
            cluster[node].pause();
        }
        answers_of_the_minority(&cluster, survivor, &mut written).await;
        for &node in &others {
            cluster[node].resume();
        }
        cluster.agreed().await;
        written.put_at_last(&mut cluster).await;
        written.put(10, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn a_cluster_in_three_parts_comes_together_again() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient_settings()).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;
        for node in cluster.running() {
            written.held_by(&cluster, node).await;
        }
        cluster.network().cut(
            [between(&[0], &[1, 2]), between(&[1], &[2])]
                .into_iter()
                .flatten(),
        );
        for node in cluster.running() {
            answers_of_the_minority(&cluster, node, &mut written).await;
        }
        cluster.network().heal();
        cluster.agreed().await;
        // All three may have stood for election meanwhile, so it can take some more of them.
        written.put_at_last(&mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn a_survivor_of_a_lost_majority_recovers_when_it_is_told_to() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient_settings()).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;
        let survivor = cluster.followers().await[0];
        written.held_by(&cluster, survivor).await;
        for node in cluster.running() {
            if node != survivor {
                cluster.kill(node);
            }
        }
        let revision = cluster.view(survivor).await.expect("a view").revision;
        let peer = cluster[survivor].addresses.peer.to_string();

        let asked = spindrift_as_member(&cluster, &["recover", "--from", &peer]).await;
        assert_eq!(asked.code, Some(1), "{asked:?}");
        let said = format!("{}{}", asked.stdout, asked.stderr);
        assert!(
            said.contains("--accept-data-loss") && said.contains(&revision.to_string()),
            "{said}"
        );

        let told = ["recover", "--from", &peer, "--accept-data-loss"];
        let told = spindrift_as_member(&cluster, &told).await;
        assert_eq!(told.code, Some(0), "{told:?}");
        cluster.agreed().await;
        written.all_everywhere(&mut cluster).await;
        cluster.add();
        cluster.add();
        cluster.agreed().await;
        written.put_at_last(&mut cluster).await;
        written.put(10, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

/// The one that led goes on naming itself, and hears of its successor all the same.
#[test]
fn the_other_survivors_of_a_lost_majority_join_the_recovered_cluster() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            voters: 5,
            ..patient_settings()
        };
        let mut cluster = Cluster::start(network, 5, settings).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;
        let led = cluster.leader().await;
        let survivor = cluster.followers().await[0];
        written.held_by(&cluster, survivor).await;
        for node in cluster.running() {
            if node != survivor && node != led {
                cluster.kill(node);
            }
        }
        let peer = cluster[survivor].addresses.peer.to_string();
        let accept = ["recover", "--from", &peer, "--accept-data-loss"];
        // The leader may have its lease for a moment longer; then nothing is lost yet.
        let told = eventually("the majority is lost", async || {
            let told = spindrift_as_member(&cluster, &accept).await;
            match told.code {
                Some(0) => Ok(told),
                _ => Err(told.stderr),
            }
        })
        .await;
        let other = cluster[led].addresses.peer.to_string();
        assert!(told.stdout.contains(&other), "{told:?}");
        cluster.agreed().await;
        let log = cluster[led].log();
        assert!(log.contains("was recovered as cluster"), "{log}");
        written.put_at_last(&mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

/// A majority that was not lost after all holds what was acknowledged: it is not given up for a cluster that was recovered
/// meanwhile, nor that one for it.
#[test]
fn a_majority_that_comes_back_after_a_recovery_gives_nothing_up() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, patient_settings()).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;
        let survivor = cluster.followers().await[0];
        written.held_by(&cluster, survivor).await;
        let before = cluster.view(survivor).await.expect("a view").cluster;
        let others: Vec<_> = cluster
            .running()
            .into_iter()
            .filter(|node| *node != survivor)
            .collect();
        for &node in &others {
            cluster[node].pause();
        }
        let peer = cluster[survivor].addresses.peer.to_string();
        let told = ["recover", "--from", &peer, "--accept-data-loss"];
        let told = spindrift_as_member(&cluster, &told).await;
        assert_eq!(told.code, Some(0), "{told:?}");
        for &node in &others {
            cluster[node].resume();
        }
        for &node in &others {
            let what = "it says that both have a majority";
            eventually(what, async || {
                let log = cluster[node].log();
                if log.contains("has a leader that reaches a majority: they hold") {
                    return Ok(());
                }
                // Who leads has nobody to hear it from that it would have to give way to.
                let view = cluster.view(node).await?;
                if view.leads() { Ok(()) } else { Err(log) }
            })
            .await;
            let view = cluster.view(node).await.expect("a view");
            assert_eq!(view.cluster, before);
            assert_eq!(view.not_ready, None);
        }
        let after = cluster.view(survivor).await.expect("a view").cluster;
        assert!(after.is_some() && after != before, "{after:?}");
    });
}
