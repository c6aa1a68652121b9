//! Nodes that are asked to end: they hand over, leave, finish what they have, and exit with 0.

use super::acknowledged::Acknowledged;
use crate::checking::checker::check;
use crate::checking::history::History;
use crate::load::tally::{Tally, gave_up};
use crate::load::workload::Workload;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, on_network};
use crate::nodes::settings::Settings;

/// Clients that wait for an answer; those that give up early would call that a failure.
const CLIENTS: usize = 12;

#[test]
fn a_rolling_restart_under_load_fails_no_request() {
    on_network(4 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, Settings::default()).await;
        let history = History::default();
        let workload = Workload::start(&cluster.directory(), &history, CLIENTS, 1);
        for node in cluster.running() {
            // As a Deployment does it: the new one first.
            cluster.add_unannounced();
            cluster.agreed().await;
            cluster.announce();
            let status = cluster.terminate(node).await;
            assert_eq!(status.code(), Some(0), "{}", cluster[node].log_end());
            cluster.agreed().await;
        }
        workload.finish().await;

        let operations = history.operations();
        // Whether a client that gives up would have been answered is not known.
        let tally = Tally::of(operations.iter().filter(|o| !gave_up(o)));
        println!("{tally}");
        assert_eq!(tally.failed + tally.unknown, 0, "{tally}");
        let report = check(&operations);
        assert!(report.is_linearizable(), "{report}");
    });
}

#[test]
fn a_leader_that_is_asked_to_end_hands_over_and_leaves() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 4, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(50, &mut cluster).await;

        let leader = cluster.leader().await;
        let status = cluster.terminate(leader).await;
        assert_eq!(status.code(), Some(0), "{}", cluster[leader].log_end());
        // Nobody has to notice first that it is silent: it is no member any more.
        cluster.agreed().await;
        let new = cluster.leader().await;
        let view = cluster.view(new).await.expect("a view");
        assert_eq!((view.voters, view.learners), (3, 0));
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn nodes_whose_logs_nobody_reads_serve_and_leave_as_others_do() {
    on_network(3 * PATIENCE, async |network| {
        let settings = Settings {
            unread_logs: true,
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 4, settings).await;
        let mut written = Acknowledged::default();
        written.put(20, &mut cluster).await;

        let leader = cluster.leader().await;
        let status = cluster.terminate(leader).await;
        assert_eq!(status.code(), Some(0));
        cluster.agreed().await;
        written.put(20, &mut cluster).await;

        // An election, and one that is removed.
        let leader = cluster.leader().await;
        cluster.kill(leader);
        cluster.agreed().await;
        written.put(20, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;
    });
}

#[test]
fn the_last_node_can_leave() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 1, Settings::default()).await;
        let status = cluster.terminate(0).await;
        assert_eq!(status.code(), Some(0), "{}", cluster[0].log_end());
    });
}
