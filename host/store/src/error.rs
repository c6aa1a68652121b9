//! The errors of a store. Their texts may be shown to a user of the application.

use std::borrow::Cow;

use spindrift_memory::Spent;
use thiserror::Error;

use super::Revision;

/// The store cannot answer now: there is no leader, no majority or no connection. A later attempt may succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// The reason: a sentence without its full stop.
    pub reason: Cow<'static, str>,
    /// Whether the deadline of the request ended the wait. With more time there might have been an answer.
    pub timed_out: bool,
}

impl Unavailable {
    /// An error with this reason, a sentence without its full stop.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            timed_out: false,
        }
    }

    /// The same for a request whose deadline ended the wait.
    pub fn timed_out(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            timed_out: true,
            ..Self::new(reason)
        }
    }
}

/// Why a transaction refuses further reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Abandoned {
    /// Its commit failed, because of a conflict or for another reason.
    #[error("the request's transaction was not committed, so it takes no further reads or writes")]
    NotCommitted,
    /// Its commit began, and its outcome is unknown.
    #[error(
        "it is unknown whether the request's transaction was committed, so it takes no further reads or writes"
    )]
    Unknown,
    /// The request ended without a commit.
    #[error("the request is over, so its transaction takes no further reads or writes")]
    Over,
}

/// Why a commit failed, or may have failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// Another commit has changed data that the transaction read. Nothing was applied; the request can run again.
    #[error("another request changed the same keys at the same time; nothing was written")]
    Conflict,
    /// The store would exceed its size limit. Nothing was applied. The store still serves reads, deletes and smaller
    /// values.
    #[error(
        "store {store:?} is full: with this write it would take {needed_bytes} bytes, at most {limit_bytes} bytes \
         are allowed; delete keys, or raise the store's size limit; nothing was written"
    )]
    Full {
        /// The label of the store.
        store: String,
        /// The limit, in bytes.
        limit_bytes: u64,
        /// The size that the commit would lead to, in bytes.
        needed_bytes: u64,
    },
    /// The commit was not applied and will not be: it was never sent, or it was refused.
    #[error("nothing was written: {0}")]
    NotApplied(Unavailable),
    /// The memory budget has no room for a waiting commit. The commit was not applied and will not be.
    #[error("nothing was written: {0}")]
    NoMemory(Spent),
    /// The commit may have been applied, or may be applied later: it is, or may be, in the log of a leader.
    #[error("it is unknown whether the write was applied: {0}")]
    Unknown(Unavailable),
}

impl From<Spent> for CommitError {
    fn from(spent: Spent) -> Self {
        Self::NoMemory(spent)
    }
}

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The store cannot answer.
    #[error("the store cannot be read now: {0}")]
    Unavailable(Unavailable),
    /// The transaction is over.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// The transaction would exceed its size limit.
    #[error(
        "transaction too large: the keys and values that one request reads and writes, and the keys that it lists, \
         may take {limit_bytes} bytes in all"
    )]
    TransactionTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The memory budget is spent. The request fails as if the store were unavailable.
    #[error("the store cannot be used now: {0}")]
    Spent(Spent),
}

impl From<Unavailable> for ReadError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Spent> for ReadError {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

impl ReadError {
    /// The reason to try the request again later, if the store or the host is at fault.
    pub(crate) fn unavailable(&self) -> Option<Unavailable> {
        match self {
            Self::Unavailable(unavailable) => Some(unavailable.clone()),
            Self::Spent(spent) => Some(Unavailable::new(spent.to_string())),
            Self::Abandoned(_) | Self::TransactionTooLarge { .. } => None,
        }
    }
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// The key exceeds the limit of its store.
    #[error("key too long: {key_bytes} bytes, at most {limit_bytes} bytes are allowed")]
    KeyTooLong {
        /// Its length, in bytes.
        key_bytes: usize,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The value exceeds the limit of its store.
    #[error("value too large: {value_bytes} bytes, at most {limit_bytes} bytes are allowed")]
    ValueTooLarge {
        /// Its size, in bytes.
        value_bytes: usize,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The transaction would exceed its size limit.
    #[error(
        "transaction too large: the keys and values that one request reads and writes, and the keys that it lists, \
         may take {limit_bytes} bytes in all"
    )]
    TransactionTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The backend has no such store.
    #[error("no such store")]
    NoSuchStore,
    /// The transaction is over.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// A read that the write depends on failed.
    #[error(transparent)]
    Read(ReadError),
    /// The commit of a single write, after the transaction's own commit, failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Abandoned(abandoned) => Self::Abandoned(abandoned),
            ReadError::TransactionTooLarge { limit_bytes } => {
                Self::TransactionTooLarge { limit_bytes }
            }
            ReadError::Unavailable(_) | ReadError::Spent(_) => Self::Read(error),
        }
    }
}

/// Why a map refused a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// It has a store that the map does not have.
    #[error(
        "the snapshot has store number {index}, but this node is configured with only {stores} stores"
    )]
    UnknownStore {
        /// The index of that store.
        index: u32,
        /// How many stores the map has.
        stores: usize,
    },
    /// It has a key twice, an entry without a revision, or a revision beyond its own.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// It is older than the map.
    #[error("the snapshot is of revision {snapshot}, but the map is at revision {applied} already")]
    Older {
        /// The revision of the snapshot.
        snapshot: Revision,
        /// The revision of the map.
        applied: Revision,
    },
}
