//! [`Workload`]: many clients that put, get and delete through all nodes at once, and note what they see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::client::{Freshness, StoreClient};
use super::keys::Keys;
use crate::checking::history::{History, Outcome, Request};
use crate::nodes::cluster::Directory;

/// How long most clients wait for an answer: longer than a node waits for a leader, so that its refusals are seen.
const PATIENT: Duration = Duration::from_secs(4);
/// How long the others wait: they are what makes outcomes unknown while all is well.
pub const IMPATIENT: Duration = Duration::from_millis(250);
/// One of so many clients is of these.
const IMPATIENT_ONE_IN: usize = 6;
/// A client pauses between two requests for as long as this at most, so that a small machine is not swamped.
const MAX_PAUSE: Duration = Duration::from_millis(40);
/// After a failure it waits this long at least, as clients should.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(30);
/// Requests of one client in a row to one node, about.
const STAYS: f64 = 0.8;

/// Clients at work. They end when this is dropped.
pub struct Workload {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    keys: Keys,
}

impl Workload {
    /// Sets so many clients to work. What they do follows from the seed; when they do it, and to which nodes, from the run.
    pub fn start(directory: &Directory, history: &History, clients: usize, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        // About two clients to a key.
        let keys = Keys::new(u32::try_from(clients / 2).unwrap_or(1).max(1));
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let client = Worker {
                number,
                random: StdRng::seed_from_u64(seed ^ (number as u64 + 1) << 32),
                timeout: match number % IMPATIENT_ONE_IN {
                    0 => IMPATIENT,
                    _ => PATIENT,
                },
                store: StoreClient::hasty(),
                directory: directory.clone(),
                history: history.clone(),
                keys: keys.clone(),
                stop: stop.clone(),
            };
            tasks.spawn(client.run());
        }
        Workload {
            clients: tasks,
            stop,
            keys,
        }
    }

    /// Lets every client finish its request, and returns all keys that were used.
    ///
    /// # Panics
    ///
    /// If a client has.
    pub async fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.expect("a client runs to its end");
        }
        self.keys.all()
    }
}

struct Worker {
    number: usize,
    random: StdRng,
    timeout: Duration,
    store: StoreClient,
    directory: Directory,
    history: History,
    keys: Keys,
    stop: Arc<AtomicBool>,
}

impl Worker {
    async fn run(mut self) {
        let mut node = None;
        while !self.stop.load(Ordering::Relaxed) {
            let nodes = self.directory.nodes();
            let stays = self.random.random_bool(STAYS);
            node = node
                .filter(|node| stays && nodes.contains(node))
                .or_else(|| nodes.choose(&mut self.random).cloned());
            let Some(node) = &node else {
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            };
            let request = match self.random.random_range(0..20) {
                0..=8 => Request::Get,
                9..=15 => Request::Put(self.history.fresh_value()),
                _ => Request::Delete,
            };
            let key = self.keys.pick(&mut self.random);
            let under_way = self.history.begin(self.number, &node.name, &key, request);
            let outcome = self
                .store
                .ask(
                    node.http,
                    &key,
                    request,
                    Freshness::Linearizable,
                    self.timeout,
                )
                .await;
            let mut pause = self.random.random_range(Duration::ZERO..MAX_PAUSE);
            if !matches!(outcome, Outcome::Answered(_)) {
                pause += PAUSE_AFTER_FAILURE;
            }
            if matches!(outcome, Outcome::Unknown(_)) && request != Request::Get {
                self.keys.unknown(&key);
            }
            under_way.end(outcome);
            tokio::time::sleep(pause).await;
        }
    }
}
