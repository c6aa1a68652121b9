//! The key-value store of Spindrift: entries with revisions, transactions over them, and the trait of the backends that
//! commit them.
//!
//! A request reads and writes through a [`Transaction`]. The transaction reads from a [`Map`] in this process, buffers
//! its writes, and hands both to a [`Backend`] as one [`Commit`]. [`Local`] is the backend of a single process. The
//! crate `spindrift-replication` has the backend of a cluster.
//!
//! # Promises
//!
//! - *Serializability*. The committed transactions of all requests give the same results as in some order one after the
//!   other. A transaction that cannot be part of such an order ends with [`CommitError::Conflict`] and writes nothing.
//!   This includes transactions that only read.
//! - *Fresh reads*. With [`Consistency::Linearizable`] a transaction sees every commit that was answered before its
//!   first read, if the backend keeps the promise of [`Backend::fresh`].
//! - *Snapshots of one moment*. A [`Snapshot`] and a listing of keys contain all of a commit or nothing of it. Taking a
//!   snapshot does not stop readers, and stops commits for microseconds.
//! - *Limits*. [`StoreLimits`] bounds keys, values and stores; [`Stores::max_transaction_bytes`] bounds a transaction.
//!   A write beyond a limit is refused and changes nothing.
//! - *Budget*. The memory of transactions, listings and waiting commits is charged to [`Stores::memory`]. A transaction
//!   or a listing of up to 4 KiB is not charged before it commits.
//!
//! # Left to others
//!
//! The crate knows neither the network nor WebAssembly nor files. A backend decides what makes data fresh, and whether
//! a commit survives a crash. Its caller decides which components may open a store, and runs a request again after a
//! conflict.
//!
//! # Files
//!
//! | file | subject |
//! | --- | --- |
//! | `stores.rs` | the stores of a backend, and their limits |
//! | `entry.rs` | an entry: key, value and revision in one allocation |
//! | `commit.rs` | a commit: the revisions that were read, and the writes |
//! | `backend.rs` | the trait that commits transactions |
//! | `local.rs` | the backend of a single process |
//! | `map.rs`, `map/` | the entries of all stores: reads, commits, snapshots |
//! | `selection.rs` | the keys that a listing selects |
//! | `footprint.rs` | the memory of a transaction: its size limit and its charge |
//! | `transaction.rs`, `transaction/` | the reads and writes of a request, and its commit |
//! | `error.rs` | the errors |

mod backend;
mod commit;
mod entry;
mod error;
mod footprint;
mod local;
mod map;
mod selection;
mod stores;
#[cfg(test)]
mod tests;
mod transaction;

pub use backend::{Backend, Consistency, commit_one};
pub use commit::{Commit, Listing, Outcome, Read, ReadSet, Write};
pub use entry::{Entry, Revision};
pub use error::{Abandoned, CommitError, ReadError, RestoreError, Unavailable, WriteError};
pub use local::Local;
pub use map::apply::Applied;
pub use map::snapshot::{Restoration, Snapshot};
pub use map::{ENTRY_OVERHEAD_BYTES, Map};
pub use selection::{ListedKeys, Page};
pub use stores::{StoreId, StoreLimits, Stores};
pub use transaction::Transaction;
pub use transaction::write::Seen;
