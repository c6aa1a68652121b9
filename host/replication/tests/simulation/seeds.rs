//! Many runs, side by side: as many at once as there are cores.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::run::{Kind, Report};
use crate::sabotage::Sabotage;
use crate::subprocess::run_apart;

/// Runs `seeds` with trouble of this kind until one of them violates something, and gives that run, or else what all came to.
pub fn run_seeds(seeds: Range<u64>, sabotage: Sabotage, kind: Kind) -> Result<Totals, Box<Report>> {
    let next = AtomicU64::new(seeds.start);
    let found: Mutex<Option<Box<Report>>> = Mutex::new(None);
    let totals = Mutex::new(Totals::default());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Only the number has to be one's own.
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run_apart(seed, sabotage, kind);
                    if report.violation.is_some() {
                        next.store(seeds.end, Ordering::Relaxed);
                        if let Ok(mut found) = found.lock() {
                            found.get_or_insert(Box::new(report));
                        }
                        return;
                    }
                    if let Ok(mut totals) = totals.lock() {
                        totals.add(&report);
                    }
                }
            });
        }
    });
    match found.into_inner() {
        Ok(Some(report)) => Err(report),
        _ => Ok(totals.into_inner().unwrap_or_default()),
    }
}

/// What runs came to in all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Commits that were acknowledged.
    pub commits: usize,
    /// Terms in which somebody led.
    pub terms: usize,
    /// Processes that were taken.
    pub losses: usize,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.commits += report.commits;
        self.terms += report.terms;
        self.losses += report.losses;
    }
}
