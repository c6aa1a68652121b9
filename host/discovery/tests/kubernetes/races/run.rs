//! One seed, and many: each on one thread, under a paused clock.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::nemesis::Pods;
use super::world::World;
use crate::api_server::{ApiServer, Mishaps};
use crate::pod::recorded;

/// How long processes may take to agree on a cluster when nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Pods that start at once.
    pub pods: usize,
    /// What goes wrong with the API server.
    pub mishaps: Mishaps,
    /// How likely a process stands still between two steps.
    pub stands_still: f64,
    /// How often something happens to pods.
    pub strikes: u32,
    /// Whether people recover what has lost its majority.
    pub recoveries: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    /// What must not be.
    pub violation: Option<String>,
    /// What happened, in order.
    pub log: Vec<String>,
    /// Clusters, one after the other.
    pub formed: usize,
    /// Clusters that were recovered from others.
    pub recovered: usize,
    /// Whether it ended with one cluster of all; if not, with one that has lost its majority.
    pub one: bool,
}

/// Runs seeds, side by side.
pub fn run_seeds(course: Course) -> Vec<Report> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    if let Some(seed) = number("SPINDRIFT_RACE_SEED") {
        let report = run(course, seed);
        println!("{report:#?}");
        return vec![report];
    }
    let count = number("SPINDRIFT_RACE_SEEDS").unwrap_or(100);
    let next = AtomicU64::new(0);
    let reports = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Only the number has to be one's own.
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    let report = run(course, seed);
                    reports.lock().push(report);
                }
            });
        }
    });
    reports.into_inner()
}

fn run(course: Course, seed: u64) -> Report {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(race(course, seed))
}

async fn race(course: Course, seed: u64) -> Report {
    let mut random = StdRng::seed_from_u64(seed);
    let api = ApiServer::default();
    api.add_deployment();
    api.fail_by_chance(course.mishaps, random.random());
    let world = World::default();
    let mut pods = Pods::new(api.clone(), world.clone(), seed, course.stands_still);
    for _ in 0..course.pods {
        pods.add(None);
    }
    let watching = tokio::spawn(watch_lease(api.clone(), world.clone()));
    for _ in 0..course.strikes {
        sleep(Duration::from_secs(40).mul_f64(random.random())).await;
        pods.strike(&mut random).await;
        if course.recoveries {
            sleep(Duration::from_secs(40).mul_f64(random.random())).await;
            pods.recover(&mut random);
        }
    }
    let settled = async {
        while world.violation().is_none() {
            if world.is_one() && (!course.recoveries || is_recorded(&api, &world)) {
                return;
            }
            if world.has_remains() && !course.recoveries {
                return;
            }
            sleep(Duration::from_secs(1)).await;
            if course.recoveries {
                pods.recover(&mut random);
                heal(&mut pods, &mut random).await;
            }
        }
    };
    let settled = timeout(PATIENCE, settled).await.is_ok();
    // Whoever stood still has had its say.
    sleep(Duration::from_secs(60)).await;
    watching.abort();
    let unsettled = || {
        let (alive, recorded) = (world.alive(), recorded(&api));
        format!("no cluster came to be; alive: {alive:?}; recorded: {recorded:?}")
    };
    Report {
        seed,
        violation: world.violation().or_else(|| (!settled).then(unsettled)),
        log: world.log(),
        formed: world.formed(),
        recovered: world.recovered(),
        one: world.is_one(),
    }
}

/// Whether the Lease records the cluster that lives.
fn is_recorded(api: &ApiServer, world: &World) -> bool {
    recorded(api).is_some_and(|recorded| world.alive() == [recorded])
}

/// Does what a node says to do that leads another cluster than the recorded one, once it is certain which one that is.
async fn heal(pods: &mut Pods, random: &mut StdRng) {
    let alive = pods.world.alive();
    let Some(recorded) = recorded(&pods.api) else {
        return;
    };
    if alive.len() > 1 && alive.contains(&recorded) {
        pods.delete_rivals(&recorded, random).await;
    }
}

/// Notes each change of the record, until it is aborted.
async fn watch_lease(api: ApiServer, world: World) {
    let mut last: Option<String> = None;
    loop {
        let now = recorded(&api);
        if let (Some(from), Some(to)) = (&last, &now)
            && from != to
        {
            world.record_changes(from, to);
        }
        last = now;
        sleep(Duration::from_millis(50)).await;
    }
}
