//! The tests.

use spindrift::replication::Faults;

use crate::run::run;
use crate::seeds::run_seeds;

/// Seeds of a usual run: about a minute on two cores, where this crate is not optimized.
const SEEDS: u64 = 80;

/// Seeds within which a broken promise has to be noticed.
const SEEDS_TO_NOTICE: u64 = 40;

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    if let Some(seed) = number("SPINDRIFT_SIMULATION_SEED") {
        log();
        let report = run(seed, Faults::default());
        println!("{}", report.story.join("\n"));
        println!("{report}");
        assert!(report.violation.is_none(), "see above");
        return;
    }
    let seeds = number("SPINDRIFT_SIMULATION_SEEDS").unwrap_or(SEEDS);
    match run_seeds(seeds, Faults::default()) {
        Err(report) => panic!("{report}"),
        Ok(totals) => {
            println!("{totals:?}");
            assert!(
                totals.commits as u64 > 20 * seeds,
                "clients get something done: {totals:?}"
            );
            assert!(totals.terms as u64 > seeds, "leaders change: {totals:?}");
            assert!(totals.losses > 0, "processes go: {totals:?}");
        }
    }
}

#[test]
fn reads_without_a_read_index_are_noticed() {
    let faults = Faults {
        no_read_index: true,
        ..Faults::default()
    };
    let report = run_seeds(SEEDS_TO_NOTICE, faults).expect_err("reads of the past are noticed");
    let violation = report.violation.map(|violation| violation.theorem);
    assert_eq!(violation, Some("fresh reads"));
}

#[test]
fn commits_that_are_applied_twice_are_noticed() {
    let faults = Faults {
        no_dedup: true,
        ..Faults::default()
    };
    let report = run_seeds(SEEDS_TO_NOTICE, faults).expect_err("a commit applied twice is noticed");
    let violation = report.violation.map(|violation| violation.theorem);
    assert_eq!(violation, Some("exactly once"));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}={text:?}: {error}")),
    )
}

/// Shows what the nodes log, if that is asked for.
fn log() {
    if let Ok(filter) = std::env::var("SPINDRIFT_SIMULATION_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
}
