//! The key-value store: entries with revisions, transactions over them, and the [`Backend`] that
//! commits them.
//!
//! | file | subject |
//! | --- | --- |
//! | `stores.rs` | which stores there are, by label, and the limits of each |
//! | `entry.rs` | one entry: key, value and the revision that wrote it, in one allocation |
//! | `commit.rs` | what a transaction asks for: the revisions it read, the values to write |
//! | `map.rs` | the map: many readers beside one writer |
//! | `apply.rs` | how a commit is applied to the map, and why transactions are serializable |
//! | `shard.rs` | one slice of the map: a hash table that can be copied aside |
//! | `snapshot.rs` | a consistent cut of the map at one revision, and putting one in place |
//! | `backend.rs` | the trait that a replicated or a remote store implements too |
//! | `local.rs` | the backend of one process |
//! | `transaction.rs` | one request's reads and writes, and what follows its commit |
//! | `phases.rs` | what becomes of a read or a write before, during and after the commit |
//! | `selection.rs` | the keys that a listing selects |
//! | `held.rs` | what a transaction holds, on its limit and on the budget |
//! | `working_set.rs` | what a transaction has read and written so far |
//! | `keyed.rs` | the lists that the working set is made of |
//! | `error.rs` | what can go wrong, in words |
//!
//! Nothing in here knows the network or WebAssembly.

mod apply;
mod backend;
mod commit;
mod entry;
mod error;
mod held;
mod keyed;
mod local;
mod map;
mod phases;
mod selection;
mod shard;
mod snapshot;
mod stores;
#[cfg(test)]
mod tests;
mod transaction;
mod working_set;

pub use apply::Applied;
pub use backend::{Backend, Consistency};
pub use commit::{Commit, Listing, Read, ReadSet, Write};
pub use entry::{Entry, Revision};
pub use error::{Abandoned, CommitError, ReadError, RestoreError, Unavailable, WriteError};
pub use local::Local;
pub use map::{ENTRY_OVERHEAD_BYTES, Map};
pub use selection::{ListedKeys, Page, Selection};
pub use snapshot::{Restoration, Snapshot};
pub use stores::{StoreId, StoreLimits, Stores};
pub use transaction::{Outcome, Seen, Transaction, commit_one};
