//! What is done to the store: each process has clients that put, get, delete and count through it, one thing after
//! another, as the gateway does for requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use spindrift_replication::Replicated;
use spindrift_store::{Backend, CommitError, Consistency, Entry, Outcome, Transaction, WriteError};
use tokio::time::sleep;

use crate::checking::history::{Answer, Outcome as Ended, Request};
use crate::invariants::{Asked, Oracle, Violation};
use crate::process::STORE;

/// Clients of each process.
pub const PER_PROCESS: usize = 2;

/// Keys, by their places. The last ones are counters.
pub const KEYS: usize = 6;

/// Those keys that only ever count up.
pub const COUNTERS: std::ops::Range<usize> = 4..KEYS;

/// How often a request is run, where others were quicker.
const RUNS: usize = 16;

/// How long a client thinks between requests, at most.
const THINKING: Duration = Duration::from_millis(80);

/// Whether a key is a counter.
pub fn is_counter(key: usize) -> bool {
    COUNTERS.contains(&key)
}

/// What a key is called.
pub fn key_name(key: usize) -> String {
    format!("key-{key}")
}

/// The number that an entry holds; 0 if it holds none, which no client writes.
pub fn number_of(entry: &Entry) -> u64 {
    let text = std::str::from_utf8(entry.value()).unwrap_or_default();
    text.parse().unwrap_or_default()
}

/// What clients of all processes share.
#[derive(Clone)]
pub struct Load {
    seed: u64,
    oracle: Rc<RefCell<Oracle>>,
    phase: Rc<Cell<Phase>>,
}

/// What clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Anything.
    Work,
    /// Each process commits something once, to show that it can.
    Finish,
    /// Nothing.
    Rest,
}

impl Load {
    /// Clients that do what `seed` says, and tell `oracle`.
    pub fn new(seed: u64, oracle: Rc<RefCell<Oracle>>) -> Self {
        Self {
            seed,
            oracle,
            phase: Rc::new(Cell::new(Phase::Work)),
        }
    }

    /// Tells all clients what to do from now on.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// What one client of the process `process` does. Never ends.
    pub async fn work(self, process: String, number: usize, backend: Arc<Replicated>) {
        let place: u64 = process
            .bytes()
            .fold(0, |place, byte| place * 31 + u64::from(byte));
        let seed = self.seed ^ (place << 8) ^ number as u64;
        let mut client = Client {
            random: StdRng::seed_from_u64(seed),
            load: self,
            name: format!("{process}/{number}"),
            process,
            backend,
            number,
        };
        loop {
            let thinking = client
                .random
                .random_range(Duration::from_millis(1)..THINKING);
            sleep(thinking).await;
            match client.load.phase.get() {
                Phase::Work => client.request().await,
                Phase::Finish => client.finish().await,
                Phase::Rest => {}
            }
        }
    }
}

struct Client {
    random: StdRng,
    load: Load,
    name: String,
    process: String,
    backend: Arc<Replicated>,
    number: usize,
}

impl Client {
    async fn request(&mut self) {
        let register = self.random.random_range(0..COUNTERS.start);
        match self.random.random_range(0..100) {
            0..30 => self.put(register).await,
            30..65 => self.get(register).await,
            65..75 => self.delete(register).await,
            75..80 => self.get_stale(register).await,
            _ => {
                let counter = self.random.random_range(COUNTERS);
                self.increment(counter).await;
            }
        }
    }

    /// Commits something, if this process has not since all was healed.
    async fn finish(&mut self) {
        if self.number != 0 || self.load.oracle.borrow().progress.has_made(&self.process) {
            return;
        }
        let counter = self.random.random_range(COUNTERS);
        if self.increment(counter).await {
            let mut oracle = self.load.oracle.borrow_mut();
            oracle.progress.made(&self.process);
        }
    }

    fn transaction(&self) -> Transaction {
        Transaction::new(self.backend.clone(), Consistency::Linearizable)
    }

    /// Reads a key in a transaction, and tells the oracle; nothing where the store could not be asked.
    async fn read(&self, transaction: &Transaction, key: usize) -> Option<Option<Entry>> {
        let floor = self.load.oracle.borrow().floor();
        let found = transaction.get(STORE, &key_name(key)).await.ok()?;
        // Nothing comes between the answer and this: the revision is that of the map when it answered.
        let revision = self.backend.map().applied();
        let mut oracle = self.load.oracle.borrow_mut();
        oracle.read(&self.name, key, floor, revision, found.as_ref());
        Some(found)
    }

    async fn put(&self, key: usize) {
        let (history, value) = {
            let oracle = self.load.oracle.borrow();
            // 0 is what is no number.
            (oracle.history.clone(), oracle.history.fresh_value() + 1)
        };
        let request = history.begin(self.number, &self.name, &key_name(key), Request::Put(value));
        let transaction = self.transaction();
        if let Err(error) = set(&transaction, key, value).await {
            return self.wrong(format!("a put was refused: {error}"));
        }
        match self.commit(&transaction, key, Asked::Put(value)).await {
            Done::Yes => request.end(Ended::Answered(Answer::Written)),
            Done::No => request.end(Ended::Failed(String::new())),
            Done::Unknown => drop(request),
            Done::Conflict => self.wrong("a put that has read nothing conflicts".into()),
        }
    }

    async fn get(&self, key: usize) {
        let history = self.load.oracle.borrow().history.clone();
        let request = history.begin(self.number, &self.name, &key_name(key), Request::Get);
        let answer = match self.read(&self.transaction(), key).await {
            Some(Some(entry)) => Answer::Found(number_of(&entry)),
            Some(None) => Answer::Absent,
            None => return,
        };
        request.end(Ended::Answered(answer));
    }

    /// A stale read is bound to nothing but what there was at some time.
    async fn get_stale(&self, key: usize) {
        let transaction = Transaction::new(self.backend.clone(), Consistency::Stale);
        if let Ok(Some(entry)) = transaction.get(STORE, &key_name(key)).await {
            let mut oracle = self.load.oracle.borrow_mut();
            oracle.read_stale(&self.name, key, &entry);
        }
    }

    async fn delete(&self, key: usize) {
        let history = self.load.oracle.borrow().history.clone();
        let request = history.begin(self.number, &self.name, &key_name(key), Request::Delete);
        for _ in 0..RUNS {
            let transaction = self.transaction();
            match self.read(&transaction, key).await {
                None => return request.end(Ended::Failed(String::new())),
                Some(None) => return request.end(Ended::Answered(Answer::Absent)),
                Some(Some(_)) => {}
            }
            if let Err(error) = transaction.delete(STORE, &key_name(key)).await {
                return self.wrong(format!("a delete was refused: {error}"));
            }
            match self.commit(&transaction, key, Asked::Delete).await {
                Done::Yes => return request.end(Ended::Answered(Answer::Deleted)),
                Done::No => return request.end(Ended::Failed(String::new())),
                Done::Unknown => return,
                Done::Conflict => {}
            }
        }
        request.end(Ended::Failed(String::new()));
    }

    /// Counts one up, and says whether it certainly did.
    async fn increment(&self, key: usize) -> bool {
        for _ in 0..RUNS {
            let transaction = self.transaction();
            let Some(found) = self.read(&transaction, key).await else {
                return false;
            };
            let next = found.as_ref().map_or(0, number_of) + 1;
            if let Err(error) = set(&transaction, key, next).await {
                self.wrong(format!("an increment was refused: {error}"));
                return false;
            }
            match self.commit(&transaction, key, Asked::Increment(next)).await {
                Done::Conflict => {}
                done => return done == Done::Yes,
            }
        }
        false
    }

    async fn commit(&self, transaction: &Transaction, key: usize, asked: Asked) -> Done {
        self.load.oracle.borrow_mut().begins(key, asked);
        let outcome = transaction.commit().await;
        let mut oracle = self.load.oracle.borrow_mut();
        match outcome {
            Ok(Outcome::Committed(revision)) => {
                oracle.acknowledged(&self.process, key, asked, revision);
                Done::Yes
            }
            Err(CommitError::Conflict) => {
                oracle.refused(key, asked);
                Done::Conflict
            }
            Err(CommitError::NotApplied(_) | CommitError::NoMemory(_)) => {
                oracle.refused(key, asked);
                Done::No
            }
            Err(CommitError::Unknown(_)) => Done::Unknown,
            Ok(Outcome::ReadOnly) | Err(_) => {
                let what = format!("a commit of {asked:?} ended as {outcome:?}");
                oracle.note(Err(Violation::new("answers", what)));
                Done::Unknown
            }
        }
    }

    fn wrong(&self, what: String) {
        let mut oracle = self.load.oracle.borrow_mut();
        oracle.note(Err(Violation::new("answers", what)));
    }
}

/// Writes a number.
pub async fn set(transaction: &Transaction, key: usize, value: u64) -> Result<(), WriteError> {
    let value = value.to_string();
    transaction
        .set(STORE, &key_name(key), value.as_bytes())
        .await
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Yes,
    No,
    Unknown,
    Conflict,
}
