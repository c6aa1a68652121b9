//! Everything at once, at random: clients at work through all nodes, faults from a seed, and a verdict.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::checking::checker::check;
use crate::checking::history::{self, History, Outcome, Request};
use crate::load::client::{Freshness, StoreClient};
use crate::load::tally::{Tally, within};
use crate::load::workload::Workload;
use crate::nemesis::inflict::inflict;
use crate::nemesis::schedule::Schedule;
use crate::nodes::cluster::Cluster;
use crate::nodes::network::Network;
use crate::nodes::run::{PATIENCE, eventually, kept_files, on_network};
use crate::nodes::settings::Settings;

/// How long the suite runs, all of its clusters together.
const SECONDS: u64 = 60;
/// Clients at work at once.
const CLIENTS: usize = 18;
/// The part of the operations that has to be answered while nothing is wrong.
const AVAILABILITY: f64 = 0.97;
/// How long a read may take at the end, when nothing is wrong.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn three_nodes() {
    torment("three-nodes", 3, 3, 1);
}

#[test]
fn five_voters() {
    torment("five-voters", 5, 5, 2);
}

#[test]
fn three_voters_of_five_nodes() {
    torment("three-voters-of-five", 5, 3, 3);
}

/// Checks a history that an earlier run has left, if one is named.
#[test]
fn a_history_of_an_earlier_run() {
    let Some(path) = std::env::var_os("SPINDRIFT_CHECK_HISTORY") else {
        return;
    };
    let operations = history::load(Path::new(&path)).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let report = check(&operations);
    println!("{report}");
    assert!(report.is_linearizable(), "{report}");
}

/// Each cluster has a third of the time, and a seed of its own that follows from the run's.
fn torment(name: &'static str, nodes: usize, voters: usize, number: u64) {
    let seconds = number_of("SPINDRIFT_CHECK_SECONDS").unwrap_or(SECONDS);
    let seed = number_of("SPINDRIFT_CHECK_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let time = Duration::from_secs(seconds) / 3;
    println!("{name}: {time:?} with SPINDRIFT_CHECK_SEED={seed} SPINDRIFT_CHECK_SECONDS={seconds}");
    on_network(time + 4 * PATIENCE, async move |network| {
        let settings = Settings {
            voters,
            ..Settings::default()
        };
        let run = Run::new(name, seed.wrapping_mul(31).wrapping_add(number));
        run.torment(network, nodes, settings, time).await;
    });
}

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|error| panic!("{variable} is {text:?}: {error}")))
}

struct Run {
    history: History,
    seed: u64,
    file: PathBuf,
}

impl Run {
    fn new(name: &str, seed: u64) -> Self {
        Run {
            history: History::default(),
            seed,
            file: kept_files().join(format!("{name}-{seed}.jsonl")),
        }
    }

    async fn torment(&self, network: Network, nodes: usize, settings: Settings, time: Duration) {
        let mut cluster = Cluster::start(network, nodes, settings).await;
        let workload = Workload::start(&cluster.directory(), &self.history, CLIENTS, self.seed);

        let until = Instant::now() + time;
        let mut quiet = Vec::new();
        for (number, step) in Schedule::new(self.seed).enumerate() {
            if Instant::now() >= until {
                break;
            }
            println!("  {:>3}: {step}", number + 1);
            self.history.event(step.to_string());
            inflict(step.fault, &mut cluster, &self.history).await;
            let began = self.history.now_us();
            tokio::time::sleep(step.quiet).await;
            quiet.push(began..self.history.now_us());
        }
        let keys = workload.finish().await;
        self.read_all(&mut cluster, &keys).await;
        let operations = self.history.operations();
        println!("  {}", Tally::of(&operations));

        let report = check(&operations);
        println!("  {report}\n  the history is in {}", self.file.display());
        assert!(
            report.is_linearizable(),
            "{report}\nthe history is in {}",
            self.file.display()
        );
        let quiet = Tally::of(within(&operations, &quiet));
        println!("  while nothing was wrong: {quiet}");
        assert!(quiet.all() > 50, "clients were at work: {quiet}");
        assert!(
            quiet.availability() >= AVAILABILITY,
            "while nothing was wrong: {quiet}"
        );
    }

    /// Reads every key once more, as one who wants the newest, and then at each node, as it has it.
    async fn read_all(&self, cluster: &mut Cluster, keys: &[String]) {
        cluster.agreed().await;
        let nodes = cluster.directory().nodes();
        let client = StoreClient::default();
        let mut newest = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let node = &nodes[number % nodes.len()];
            let read = self
                .history
                .begin(usize::MAX, &node.name, key, Request::Get);
            let outcome = client
                .ask(
                    node.http,
                    key,
                    Request::Get,
                    Freshness::Linearizable,
                    READ_TIMEOUT,
                )
                .await;
            read.end(outcome.clone());
            let Outcome::Answered(answer) = outcome else {
                panic!(
                    "nothing is wrong, and {key} cannot be read at {}: {outcome:?}",
                    node.name
                );
            };
            newest.push((key.clone(), answer));
        }
        let (client, newest) = (&client, &newest);
        let readers = nodes.iter().map(async |node| {
            for (key, newest) in newest {
                // A follower hears of a commit a moment after the leader.
                eventually(format!("{} has {key}", node.name), async || {
                    let stale =
                        client.ask(node.http, key, Request::Get, Freshness::Stale, READ_TIMEOUT);
                    match stale.await {
                        Outcome::Answered(answer) if answer == *newest => Ok(()),
                        other => Err(format!("{other:?} instead of {newest:?}")),
                    }
                })
                .await;
            }
        });
        futures::future::join_all(readers).await;
    }
}

impl Drop for Run {
    /// Also after a panic: then more than ever.
    fn drop(&mut self) {
        if let Err(error) = self.history.save(&self.file) {
            eprintln!("{}: {error}", self.file.display());
        } else if std::thread::panicking() {
            eprintln!("the history is in {}", self.file.display());
        }
    }
}
