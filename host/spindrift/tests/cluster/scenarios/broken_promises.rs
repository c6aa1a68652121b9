//! The suite can fail: nodes that break a promise on purpose are found out. Only builds with debug assertions have the
//! switches.

use std::sync::mpsc;
use std::time::Duration;

use crate::checking::checker::{Report, check};
use crate::checking::history::History;
use crate::load::workload::Workload;
use crate::nemesis::inflict::inflict;
use crate::nemesis::schedule::{Comeback, Direction, Fault, Who};
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, on_network};
use crate::nodes::settings::Settings;

/// Clients at work at once.
const CLIENTS: usize = 18;

/// A broken promise is found in the first of these rounds nearly always. On a machine that is too busy to break it, in a
/// later one.
const ROUNDS: u64 = 5;

/// What the checker says of nodes with `fault`, while what `faults` says goes wrong with them, in so many rounds at most:
/// it ends with the first to which the checker objects.
fn verdict_on(fault: Option<&'static str>, faults: &'static [Fault], rounds: u64) -> Report {
    let (told, verdict) = mpsc::channel();
    on_network(4 * PATIENCE, async move |network| {
        let settings = Settings {
            fault,
            ..Settings::default()
        };
        let mut cluster = Cluster::start(network, 3, settings).await;
        let history = History::default();
        for round in 1..=rounds {
            let workload = Workload::start(&cluster.directory(), &history, CLIENTS, round);
            for &fault in faults {
                inflict(fault, &mut cluster, &history).await;
            }
            workload.finish().await;
            let operations = history.operations();
            assert!(operations.len() > 200, "{} operations", operations.len());
            let report = check(&operations);
            println!("round {round}: {report}");
            let objected = !report.violations.is_empty();
            told.send(report).expect("somebody wants to know");
            if objected {
                break;
            }
        }
    });
    verdict.into_iter().last().expect("a verdict")
}

fn must_object(report: &Report) {
    assert!(!report.violations.is_empty(), "nothing was found: {report}");
}

/// A follower that does not hear the leader, and one that thinks it still leads.
const OUT_OF_DATE: &[Fault] = &[
    Fault::CutOff(Who::Follower(0), Direction::Deaf, Duration::from_secs(1)),
    Fault::CutOff(Who::Leader, Direction::Both, Duration::from_secs(2)),
];

/// Leaders that die while commits are on their way.
const INTERRUPTED: &[Fault] = &[
    Fault::Kill(
        Who::Leader,
        Comeback::NewAddress,
        Duration::from_millis(200),
    ),
    Fault::Pause(Who::Leader, Duration::from_secs(1)),
];

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "the switch is in builds with debug assertions only"
)]
fn reads_that_do_not_ask_the_leader_are_found_out() {
    must_object(&verdict_on(Some("no-read-index"), OUT_OF_DATE, ROUNDS));
}

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "the switch is in builds with debug assertions only"
)]
fn writes_that_are_applied_twice_are_found_out() {
    must_object(&verdict_on(Some("no-dedup"), INTERRUPTED, ROUNDS));
}

/// The same faults, promises kept: what the two tests above find is the broken promise, and not the fault.
#[test]
fn nodes_that_keep_their_promises_are_not_accused() {
    for faults in [OUT_OF_DATE, INTERRUPTED] {
        let report = verdict_on(None, faults, 1);
        assert!(report.is_linearizable(), "{report}");
    }
}
