//! Elections that explain themselves: what the nodes log and count when leadership changes, and that it does not change
//! because processes stood still.

use std::time::Duration;

use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::network::between;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// The time-out of elections: long enough that a busy machine causes none.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Longer than any follower waits for a leader.
const STANDSTILL: Duration = Duration::from_secs(3);

/// A cluster whose members stay, however long they are silent.
fn settings() -> Settings {
    let timeout = format!("{}ms", ELECTION_TIMEOUT.as_millis());
    Settings {
        evict_after: Duration::from_secs(120),
        flags: vec!["--election-timeout".to_owned(), timeout],
        ..Settings::default()
    }
}

/// Waits until a node has logged a line with all of these.
async fn logged(cluster: &Cluster, node: NodeIndex, parts: &[&str]) -> String {
    let name = cluster[node].name().to_owned();
    eventually(format!("{name} logs {parts:?}"), async || {
        let log = cluster[node].log();
        let line = log
            .lines()
            .find(|line| parts.iter().all(|part| line.contains(part)));
        line.map(str::to_owned)
            .ok_or_else(|| cluster[node].log_end())
    })
    .await
}

fn count(cluster: &Cluster, node: NodeIndex, part: &str) -> usize {
    let log = cluster[node].log();
    log.lines().filter(|line| line.contains(part)).count()
}

/// The number that follows `field` in a line.
fn number(line: &str, field: &str) -> u64 {
    let rest = line.split_once(field).map_or("", |(_, rest)| rest);
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    let number = digits.and_then(|digits| digits.parse().ok());
    number.unwrap_or_else(|| panic!("no {field}number in {line:?}"))
}

/// The node's id, and where others reach it.
async fn identity(cluster: &Cluster, node: NodeIndex) -> (u64, String) {
    let id = eventually("a node with an id", async || {
        let view = cluster.view(node).await?;
        view.node.ok_or_else(|| "no id yet".to_owned())
    })
    .await;
    (id, cluster[node].addresses.peer.to_string())
}

#[test]
fn the_election_after_a_leaders_death_explains_itself() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let old = cluster.leader().await;
        let (old_id, old_address) = identity(&cluster, old).await;
        cluster.kill(old);
        let new = cluster.leader().await;
        let (new_id, new_address) = identity(&cluster, new).await;
        let other = cluster.followers().await[0];
        let (other_id, other_address) = identity(&cluster, other).await;

        // The one that is elected: why, who was asked, who gave what, and how it ended.
        let silent = format!(
            "begins an election: nothing was heard from the leader, node {old_id} at {old_address}, for"
        );
        let line = logged(
            &cluster,
            new,
            &[&silent, &format!("node {other_id} at {other_address}")],
        )
        .await;
        assert!(line.contains("INFO"), "{line}");
        assert!(number(&line, " ms=") >= 1000, "{line}");
        assert!(
            line.contains(&format!("address=\"{old_address}\"")),
            "{line}"
        );
        let in_term = format!(" term={}", cluster.view(new).await.expect("a view").term);
        for answer in ["would give its vote", "gives its vote"] {
            logged(&cluster, new, &[&format!("node {other_id} {answer}")]).await;
        }
        logged(
            &cluster,
            new,
            &[&format!("node {old_id} does not answer: ")],
        )
        .await;
        let won = format!(
            "this node leads: it was elected with the votes of node {other_id} at {other_address}"
        );
        logged(&cluster, new, &[&won, &in_term, " ms="]).await;

        // The other one: what it was asked and answered, and who leads.
        for question in [
            "asks whether this node would give it its vote: yes",
            "asks for this node's vote: yes",
        ] {
            logged(&cluster, other, &[&format!("node {new_id} {question}")]).await;
        }
        // A joiner hears of the leader before it hears where that is: no address is named then.
        for node in [new, other] {
            assert_eq!(count(&cluster, node, "address=\"\""), 0);
            assert_ne!(count(&cluster, node, " leads"), 0);
        }
        let leads = format!("node {new_id} leads");
        let line = logged(&cluster, other, &[&leads, &in_term]).await;
        assert!(
            line.contains(&format!("address=\"{new_address}\"")),
            "{line}"
        );

        for (node, name) in [
            (new, "elections_begun_total{reason=\"silence\"}"),
            (new, "elections_won_total"),
            (new, "vote_answers_total{ballot=\"vote\",answer=\"given\"}"),
            (
                new,
                "vote_answers_total{ballot=\"pre_vote\",answer=\"none\"}",
            ),
            (other, "votes_total{ballot=\"pre_vote\",answer=\"given\"}"),
            (other, "votes_total{ballot=\"vote\",answer=\"given\"}"),
            (other, "leader_changes_total"),
        ] {
            let value = cluster.metric(node, name).await.expect("a count");
            assert!(value >= 1, "{name} {value}");
        }
    });
}

#[test]
fn a_hand_over_says_so_on_all_nodes() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let old = cluster.leader().await;
        let (old_id, _) = identity(&cluster, old).await;
        cluster.terminate(old).await;
        let new = cluster.leader().await;
        let (new_id, _) = identity(&cluster, new).await;
        let other = cluster.followers().await[0];

        let begins =
            format!("begins an election: the leader, node {old_id}, hands over to this node");
        logged(&cluster, new, &[&begins]).await;
        logged(
            &cluster,
            other,
            &[&format!(
                "the leader, node {old_id}, hands over to node {new_id}"
            )],
        )
        .await;
        let asks = "asks for this node's vote, as the leader has told it to: yes";
        logged(&cluster, other, &[&format!("node {new_id} {asks}")]).await;
        logged(
            &cluster,
            old,
            &[&format!("steps down: it has handed over to node {new_id}")],
        )
        .await;
        let handed_over = "elections_begun_total{reason=\"hand_over\"}";
        assert_eq!(cluster.metric(new, handed_over).await, Ok(1));
        for node in [new, other] {
            let silence = "elections_begun_total{reason=\"silence\"}";
            assert_eq!(cluster.metric(node, silence).await, Ok(0));
        }
    });
}

#[test]
fn a_follower_that_stood_still_says_so_and_disturbs_nobody() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let leader = cluster.leader().await;
        let term = cluster.view(leader).await.expect("a view").term;
        let paused = cluster.followers().await[0];
        cluster[paused].pause();
        tokio::time::sleep(STANDSTILL).await;
        cluster[paused].resume();

        let line = logged(
            &cluster,
            paused,
            &["this process did not run for", "cause=\"standstill\""],
        )
        .await;
        let ms = number(&line, " ms=");
        assert!((2500..30_000).contains(&ms), "{line}");
        cluster.agreed().await;
        let standstills = "did_not_run_total{reason=\"standstill\"}";
        assert!(cluster.metric(paused, standstills).await.expect("a count") >= 1);
        // It has heard the leader before it could take it for dead.
        let begun = "elections_begun_total{reason=\"silence\"}";
        assert_eq!(cluster.metric(paused, begun).await, Ok(0));
        assert_eq!(cluster.view(paused).await.expect("a view").term, term);
    });
}

#[test]
fn a_cluster_that_stood_still_keeps_its_leader() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let leader = cluster.leader().await;
        let term = cluster.view(leader).await.expect("a view").term;
        let mut all = cluster.followers().await;
        // It comes last, so that the others have found it silent by then if they are going to.
        all.push(leader);
        for _ in 0..3 {
            for &node in &all {
                cluster[node].pause();
            }
            tokio::time::sleep(STANDSTILL).await;
            for &node in &all {
                cluster[node].resume();
            }
            cluster.agreed().await;
            // Longer than whoever is going to stand for election waits.
            tokio::time::sleep(STANDSTILL).await;
        }
        cluster.agreed().await;
        for &node in &all {
            let view = cluster.view(node).await.expect("a view");
            assert_eq!(view.term, term, "{}", cluster[node].log_end());
        }
    });
}

#[test]
fn nodes_that_are_cut_off_say_so_and_do_not_fill_their_logs() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, settings()).await;
        let leader = cluster.leader().await;
        let followers = cluster.followers().await;
        let place = |cluster: &Cluster, node: NodeIndex| cluster[node].place;
        let places = [leader, followers[0], followers[1]].map(|node| place(&cluster, node));

        // A follower that hears nobody stands for election again and again.
        cluster
            .network()
            .cut(between(&[places[1]], &[places[0], places[2]]));
        let lonely = followers[0];
        eventually("many elections", async || {
            let name = "elections_begun_total{reason=\"silence\"}";
            match cluster.metric(lonely, name).await? {
                0..20 => Err("too few".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        let begun = count(&cluster, lonely, "begins an election");
        assert!((2..6).contains(&begun), "{begun}");
        let all = count(&cluster, lonely, "spindrift_replication::elections");
        assert!(all < 40, "{all} lines");
        cluster.network().heal();
        logged(
            &cluster,
            lonely,
            &["is heard again, and this node stands for election no more"],
        )
        .await;
        cluster.agreed().await;
        assert_eq!(cluster.leader().await, leader, "it has disturbed nobody");

        // A leader that hears nobody finds that out, and later that another one leads.
        cluster
            .network()
            .cut(between(&[places[0]], &[places[1], places[2]]));
        logged(
            &cluster,
            leader,
            &["no majority has acknowledged this leader for", " ms="],
        )
        .await;
        eventually("another leader", async || {
            match cluster.leader_now().await? {
                same if same == leader => Err("still the same".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        cluster.network().heal();
        logged(&cluster, leader, &["steps down: there is the newer term"]).await;
        for name in [
            "majorities_lost_total",
            "step_downs_total{reason=\"newer_term\"}",
        ] {
            assert_eq!(cluster.metric(leader, name).await, Ok(1), "{name}");
        }
    });
}
