//! [`History`]: what clients asked and were answered, while they ask it, and as a file of JSON lines afterwards.
//!
//! The order of events is one counter of this process: an operation that had its answer before another was sent has the
//! smaller number. Clocks are written down beside it, for people only.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// What a client asks of a key. No two puts of a history write the same value, so a value says which put it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Write this value.
    Put(u64),
    /// Read.
    Get,
    /// Remove, and say whether there was something.
    Delete,
}

/// What the store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// A put is done.
    Written,
    /// A get found this value.
    Found(u64),
    /// A delete removed something.
    Deleted,
    /// A get or a delete found nothing.
    Absent,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With an answer.
    Answered(Answer),
    /// It certainly changed nothing, and for this reason.
    Failed(String),
    /// It may have changed something, may yet, or never will, for this reason.
    Unknown(String),
}

/// One request of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The key.
    pub key: String,
    /// The client, for people.
    pub client: usize,
    /// The node that it asked, for people.
    pub node: String,
    /// What it asked.
    pub request: Request,
    /// How it ended.
    pub outcome: Outcome,
    /// The number of the event that was its start.
    pub invoked: u64,
    /// The number of the event that was its end. One with an unknown outcome has an end for the client, not for the store.
    pub completed: u64,
    /// When it started, in microseconds since the history began; for people.
    pub invoked_us: u64,
    /// When it ended, likewise.
    pub completed_us: u64,
}

/// What was done to the cluster, so that the file tells the whole story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The number of the event.
    pub number: u64,
    /// When, in microseconds since the history began.
    pub at_us: u64,
    /// What was done.
    pub what: String,
}

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Operation(Operation),
    Event(Event),
}

/// The history of one run, while it is made. Clones share it.
#[derive(Clone)]
pub struct History(Arc<Shared>);

struct Shared {
    began: Instant,
    events: AtomicU64,
    values: AtomicU64,
    lines: Mutex<Vec<Line>>,
}

impl Default for History {
    fn default() -> Self {
        History(Arc::new(Shared {
            began: Instant::now(),
            events: AtomicU64::new(0),
            values: AtomicU64::new(0),
            lines: Mutex::default(),
        }))
    }
}

impl History {
    /// A value that no put of this history has written.
    pub fn fresh_value(&self) -> u64 {
        self.0.values.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that a client is about to send a request.
    pub fn begin(&self, client: usize, node: &str, key: &str, request: Request) -> UnderWay {
        UnderWay {
            history: self.clone(),
            operation: Some(Operation {
                key: key.to_owned(),
                client,
                node: node.to_owned(),
                request,
                outcome: Outcome::Unknown("the client was stopped".to_owned()),
                invoked: self.next_event(),
                completed: 0,
                invoked_us: self.now_us(),
                completed_us: 0,
            }),
        }
    }

    /// Notes what was done to the cluster.
    pub fn event(&self, what: impl Into<String>) {
        let event = Event {
            number: self.next_event(),
            at_us: self.now_us(),
            what: what.into(),
        };
        self.lines().push(Line::Event(event));
    }

    /// The operations that have ended.
    pub fn operations(&self) -> Vec<Operation> {
        operations(&self.lines())
    }

    /// Writes the history to a file, a line for each operation and each event.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for line in self.lines().iter() {
            serde_json::to_writer(&mut file, line)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    }

    fn next_event(&self) -> u64 {
        // The counter is all that orders events of different threads, so it has to be one order for all of them.
        self.0.events.fetch_add(1, Ordering::SeqCst)
    }

    /// Microseconds since the history began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has no outcome yet. Dropped without one, it is unknown what became of it.
#[must_use]
pub struct UnderWay {
    history: History,
    operation: Option<Operation>,
}

impl UnderWay {
    /// Notes how it ended.
    pub fn end(mut self, outcome: Outcome) {
        if let Some(operation) = &mut self.operation {
            operation.outcome = outcome;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(mut operation) = self.operation.take() {
            operation.completed = self.history.next_event();
            operation.completed_us = self.history.now_us();
            self.history.lines().push(Line::Operation(operation));
        }
    }
}

/// The operations in a file that [`History::save`] wrote.
///
/// # Errors
///
/// Fails if the file cannot be read, or is of another kind.
pub fn load(path: &Path) -> io::Result<Vec<Operation>> {
    let mut lines = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        lines.push(serde_json::from_str(&line?)?);
    }
    Ok(operations(&lines))
}

fn operations(lines: &[Line]) -> Vec<Operation> {
    lines
        .iter()
        .filter_map(|line| match line {
            Line::Operation(operation) => Some(operation.clone()),
            Line::Event(_) => None,
        })
        .collect()
}

#[test]
fn a_history_reads_back() {
    let history = History::default();
    let put = history.begin(0, "n1", "k", Request::Put(history.fresh_value()));
    let get = history.begin(1, "n2", "k", Request::Get);
    history.event("n1 is killed");
    get.end(Outcome::Answered(Answer::Absent));
    drop(put);
    history
        .begin(1, "n2", "k", Request::Delete)
        .end(Outcome::Failed("503".to_owned()));

    let operations = history.operations();
    assert_eq!(operations.len(), 3);
    let [get, put, delete] = operations.as_slice() else {
        panic!("{operations:?}");
    };
    assert!(put.invoked < get.invoked && get.completed < put.completed);
    assert!(put.completed < delete.invoked);
    assert!(matches!(put.outcome, Outcome::Unknown(_)));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("history.jsonl");
    history.save(&path).expect("the file is written");
    assert_eq!(load(&path).expect("the file is read"), operations);
}
