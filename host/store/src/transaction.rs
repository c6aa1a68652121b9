//! One request's reads and writes, their commit, and what the guest reads and writes after it.
//!
//! # The phases of a transaction
//!
//! 1. *Open*. A read looks into the map and notes the revision that it found. A write goes to a buffer, and later reads
//!    see it. A key that is read twice gives the same answer twice.
//! 2. *Committing*, from [`Transaction::seal`] or [`Transaction::commit`] on. A guest may go on while it streams the
//!    body of its response. Its reads and writes wait for the outcome.
//! 3. *Direct*, after a successful commit. Each write is a commit of its own and returns its own error. Each read looks
//!    into the map once the map is fresh.
//! 4. *Abandoned*, after any other end. Reads and writes are errors.
//!
//! The buffer is one commit, so the transaction takes effect as a whole or not at all. `map/apply.rs` argues why
//! transactions are serializable.
//!
//! | file | subject |
//! | --- | --- |
//! | `transaction.rs` | what the handles of a transaction share: its phase, and what it has read and written |
//! | `transaction/read.rs` | `get`, `keys`, and the wait for fresh data |
//! | `transaction/write.rs` | `set`, `delete`, and the writes that depend on a read |
//! | `transaction/end.rs` | `commit` and the other ends, and the calls that wait for one |
//! | `transaction/working_set.rs` | the reads and writes of an open transaction |
//! | `transaction/keyed_list.rs` | the lists that the working set consists of |

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Abandoned, Backend, Consistency, ReadError, Stores, Unavailable};

mod end;
mod keyed_list;
mod read;
mod working_set;
pub(crate) mod write;

use working_set::WorkingSet;

/// Longer than any wait.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One request's view of the stores. A clone is another handle of the same transaction.
///
/// No lock is held across an await. So several tasks may use handles of one transaction, and a handle that outlives its
/// request does not block the others.
#[derive(Clone)]
pub struct Transaction {
    shared: Arc<Shared>,
}

/// The part that all handles of a transaction share.
struct Shared {
    backend: Arc<dyn Backend>,
    consistency: Consistency,
    /// The deadline of the request. No call waits longer for the backend.
    deadline: Instant,
    state: Mutex<State>,
    /// Notified when the transaction becomes direct or abandoned.
    settled: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Empty once the commit has begun.
    working_set: WorkingSet,
    /// The reason why a read failed first. Later reads that would have to wait fail with it too.
    unavailable: Option<Unavailable>,
    /// Whether the open transaction was read from.
    read: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// The guest has returned its response head. The commit is about to follow.
    Sealed,
    Committing,
    Direct,
    Abandoned(Abandoned),
}

impl Transaction {
    /// Begins a transaction without a deadline.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, consistency: Consistency) -> Self {
        Self::until(backend, consistency, Instant::now() + NO_LIMIT)
    }

    /// Begins a transaction of a request with this deadline. The deadline holds for its reads, for its commit, and for
    /// the writes after that.
    #[must_use]
    pub fn until(backend: Arc<dyn Backend>, consistency: Consistency, deadline: Instant) -> Self {
        let shared = Shared {
            backend,
            consistency,
            deadline,
            state: Mutex::default(),
            settled: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.shared.backend
    }

    /// Whether anything was read before the commit.
    #[must_use]
    pub fn has_read(&self) -> bool {
        self.shared.state.lock().read
    }

    /// Whether nothing was written, so that the commit has nothing to apply. Only meaningful before the commit.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.shared.state.lock().working_set.is_read_only()
    }

    /// Why a read had no answer, if that was the fault of the store or of the host. The request has then failed for
    /// that reason, whatever its component answers.
    #[must_use]
    pub fn unavailable(&self) -> Option<Unavailable> {
        self.shared.state.lock().unavailable.clone()
    }
}

impl Shared {
    fn stores(&self) -> &Stores {
        self.backend.stores()
    }

    fn phase(&self) -> Phase {
        self.state.lock().phase
    }
}

impl State {
    /// Passes an error on. Remembers it if it is the fault of the store or of the host.
    fn note_failure(&mut self, error: ReadError) -> ReadError {
        if self.unavailable.is_none() {
            self.unavailable = error.unavailable();
        }
        error
    }
}
