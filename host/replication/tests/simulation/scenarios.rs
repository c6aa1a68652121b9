//! The tests.

use std::ops::Range;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::run::{Kind, Report};
use crate::sabotage::Sabotage;
use crate::seeds::run_seeds;
use crate::subprocess::{SABOTAGE, SEED, TROUBLE, run_apart, run_here};

/// Seeds of a run where nobody says how many, and where this crate may not be optimized: `scripts/test.sh` runs more. They
/// begin at 0 every time: what fails today and not yesterday is today's change.
const SEEDS: u64 = 100;

/// Of so many seeds one is for a crash and stops.
const CRASH_AND_STOPS_ONE_IN: u64 = 4;

/// Seeds within which it has to be noticed that something is broken.
const SEEDS_TO_NOTICE: Range<u64> = 0..60;

/// Seeds of which each is run twice.
const SEEDS_TO_REPLAY: Range<u64> = 0..12;

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    if let Some(seed) = variable(SEED) {
        let sabotage = variable(SABOTAGE).unwrap_or_default();
        let report = run_apart(seed, sabotage, variable(TROUBLE).unwrap_or_default());
        println!("{}{}\n{report}", report.log, report.story.join("\n"));
        assert!(report.violation.is_none(), "see above");
        return;
    }
    let first = variable("SPINDRIFT_SIMULATION_FIRST").unwrap_or(0);
    let seeds = variable("SPINDRIFT_SIMULATION_SEEDS").unwrap_or(SEEDS);
    match run_seeds(first..first + seeds, Sabotage::Nothing, Kind::Anything) {
        Err(report) => panic!("{report}"),
        Ok(totals) => {
            println!("{totals:?}");
            assert_eq!(totals.runs, seeds, "all of them are run");
            assert!(
                totals.commits as u64 > 20 * seeds,
                "clients get something done: {totals:?}"
            );
            assert!(totals.terms as u64 > seeds, "leaders change: {totals:?}");
            assert!(totals.losses > 0, "processes go: {totals:?}");
        }
    }
}

/// While a process that has caught up is alive, the store goes on by itself.
#[test]
fn a_crash_and_stops_in_any_order_leave_a_store_that_serves() {
    if variable::<u64>(SEED).is_some() {
        // The test above runs it.
        return;
    }
    let first = variable("SPINDRIFT_SIMULATION_FIRST").unwrap_or(0);
    let seeds = variable("SPINDRIFT_SIMULATION_SEEDS").unwrap_or(SEEDS) / CRASH_AND_STOPS_ONE_IN;
    match run_seeds(first..first + seeds, Sabotage::Nothing, Kind::CrashAndStops) {
        Err(report) => panic!("{report}"),
        Ok(totals) => {
            println!("{totals:?}");
            assert_eq!(totals.runs, seeds, "all of them are run");
            assert!(
                totals.losses as u64 >= 2 * seeds,
                "processes go: {totals:?}"
            );
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in SEEDS_TO_REPLAY {
        let run = || without_log(run_apart(seed, Sabotage::Nothing, Kind::Anything));
        let (first, second) = (run(), run());
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn reads_without_a_read_index_are_noticed() {
    assert_eq!(objection(Sabotage::ReadIndex), "fresh reads");
}

#[test]
fn reads_without_a_read_index_show_in_what_clients_saw() {
    assert_eq!(objection(Sabotage::ReadIndexUnseen), "linearizability");
}

#[test]
fn commits_that_are_applied_twice_are_noticed() {
    assert_eq!(objection(Sabotage::Dedup), "exactly once");
}

#[test]
fn a_process_that_stays_cut_off_is_noticed() {
    assert_eq!(objection(Sabotage::Healing), "progress");
}

#[test]
fn a_task_that_panics_is_noticed() {
    assert_eq!(objection(Sabotage::Task), "no mishap");
}

#[test]
fn connections_without_end_are_noticed() {
    assert_eq!(objection(Sabotage::Spin), "no mishap");
}

#[test]
fn a_process_that_fails_is_noticed() {
    assert_eq!(objection(Sabotage::Process), "no failure");
}

#[test]
fn a_store_that_refuses_what_it_should_take_is_noticed() {
    assert_eq!(objection(Sabotage::Answers), "answers");
}

/// The run that a process of its own is started for.
#[test]
#[ignore = "others start it, in a process of its own"]
fn one_run() {
    log();
    let seed = variable(SEED).unwrap_or_else(|| panic!("{SEED} says which"));
    let sabotage = variable(SABOTAGE).unwrap_or_default();
    run_here(seed, sabotage, variable(TROUBLE).unwrap_or_default());
}

/// What a run objects to, soon after this is broken.
fn objection(sabotage: Sabotage) -> String {
    let report = run_seeds(SEEDS_TO_NOTICE, sabotage, Kind::Anything).expect_err("it is noticed");
    report.violation.expect("that is what it was for").theorem
}

/// What the nodes logged has the time of day.
fn without_log(mut report: Report) -> Report {
    report.log.clear();
    report
}

fn variable<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let parsed = text.parse();
    Some(parsed.unwrap_or_else(|error| panic!("{name}={text:?}: {error}")))
}

/// Shows what the nodes log, if that is asked for: with a filter that makes no hash maps while they run, which would shift
/// the keys of theirs.
fn log() {
    if let Some(filter) = variable::<Targets>("SPINDRIFT_SIMULATION_LOG") {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .init();
    }
}
