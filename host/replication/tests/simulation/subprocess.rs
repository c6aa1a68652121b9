//! One run in a process of its own.
//!
//! A number that Tokio counts up for its whole process is part of what it leaves to chance, so only a process that has done
//! nothing yet can do again what another did. What kills a run, or keeps it from ending, is then no more than its end.

use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use crate::interposition;
use crate::invariants::Violation;
use crate::run::{Kind, Report, run};
use crate::sabotage::Sabotage;

/// The seed of a run.
pub const SEED: &str = "SPINDRIFT_SIMULATION_SEED";

/// What is broken in it.
pub const SABOTAGE: &str = "SPINDRIFT_SIMULATION_SABOTAGE";

/// What goes wrong in it.
pub const TROUBLE: &str = "SPINDRIFT_SIMULATION_TROUBLE";

/// The test that is the run, in its process.
const TEST: &str = "scenarios::one_run";

/// What its report begins with, on a line of standard output.
const MARK: &str = "report of the run: ";

/// How long a run may take. It takes less than a second, where nothing turns in circles.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a cluster in another process as `seed` says, and gives what came of it.
pub fn run_apart(seed: u64, sabotage: Sabotage, kind: Kind) -> Report {
    let ended = env::current_exe().and_then(|program| {
        Command::new(program)
            .args(["--ignored", "--exact", TEST])
            .args(["--nocapture", "--test-threads=1"])
            .env(SEED, seed.to_string())
            .env(SABOTAGE, sabotage.to_string())
            .env(TROUBLE, kind.to_string())
            .stdin(Stdio::null())
            .output()
    });
    let lost = |what: String| Report::lost(seed, sabotage, kind, Violation::new("no mishap", what));
    let output = match ended {
        Ok(output) => output,
        Err(error) => return lost(format!("the run could not be started: {error}")),
    };
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = String::from_utf8_lossy(&output.stdout);
    let report = said.lines().find_map(|line| line.strip_prefix(MARK));
    let report = report.and_then(|report| serde_json::from_str(report).ok());
    let mut report = report
        .unwrap_or_else(|| lost(format!("the run ended without a report: {}", output.status)));
    report.log = log;
    report
}

/// The run that this process is for. Reports on standard output.
pub fn run_here(seed: u64, sabotage: Sabotage, kind: Kind) {
    thread::spawn(|| {
        thread::sleep(LIMIT);
        eprintln!("the run has not ended after {LIMIT:?}");
        std::process::exit(1);
    });
    // On a thread that has drawn nothing yet.
    let running = thread::spawn(move || {
        interposition::take_over(seed);
        run(seed, sabotage, kind)
    });
    if let Ok(report) = running.join() {
        let report = serde_json::to_string(&report).expect("a report is plain data");
        println!("\n{MARK}{report}");
    }
}
