//! What can go wrong with a store, in words that a user of the application can be shown.

use std::borrow::Cow;

use spindrift_memory::Spent;
use thiserror::Error;

use super::Revision;

/// The store cannot be asked now: no leader, no majority, no connection. Trying again later may help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// Why, as a sentence without its full stop.
    pub reason: Cow<'static, str>,
    /// Whether it was the request's own deadline that ended the wait: with more time there might have been an answer.
    pub timed_out: bool,
}

impl Unavailable {
    /// With this reason, a sentence without its full stop.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            timed_out: false,
        }
    }

    /// With this reason, for a request that has no time left to wait.
    pub fn timed_out(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            timed_out: true,
            ..Self::new(reason)
        }
    }
}

/// Why a transaction takes no further reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Abandoned {
    /// Its commit was refused, because of a conflict or another error.
    #[error("the request's transaction was not committed, so it takes no further reads or writes")]
    NotCommitted,
    /// Its commit was asked for, and nobody was told what became of it.
    #[error(
        "it is unknown whether the request's transaction was committed, so it takes no further reads or writes"
    )]
    Unknown,
    /// The request ended without a commit.
    #[error("the request is over, so its transaction takes no further reads or writes")]
    Over,
}

/// Why a commit did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// Something that the transaction read has changed since. Nothing was applied; the request can be run again.
    #[error("another request changed the same keys at the same time; nothing was written")]
    Conflict,
    /// The store would grow over its limit. Nothing was applied. Reads, deletes and smaller values still go on.
    #[error(
        "store {store:?} is full: with this write it would take {needed_bytes} bytes, at most {limit_bytes} bytes \
         are allowed; delete keys, or raise the store's size limit; nothing was written"
    )]
    Full {
        /// Label of the store.
        store: String,
        /// What it may hold, in bytes.
        limit_bytes: u64,
        /// What it would hold after the commit, in bytes.
        needed_bytes: u64,
    },
    /// The commit was certainly not applied, and will not be: it was never sent, or was refused.
    #[error("nothing was written: {0}")]
    NotApplied(Unavailable),
    /// There is no memory for it to wait in. The commit was certainly not applied, and will not be.
    #[error("nothing was written: {0}")]
    NoMemory(Spent),
    /// The commit may have been applied, or may yet be: it is in the log of a leader, or may be.
    #[error("it is unknown whether the write was applied: {0}")]
    Unknown(Unavailable),
}

impl From<Spent> for CommitError {
    fn from(spent: Spent) -> Self {
        Self::NoMemory(spent)
    }
}

/// Why a read gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The store cannot be asked.
    #[error("the store cannot be read now: {0}")]
    Unavailable(Unavailable),
    /// The transaction is over.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// The transaction has read as much as it may.
    #[error(
        "transaction too large: the keys and values that one request reads and writes, and the keys that it lists, \
         may take {limit_bytes} bytes in all"
    )]
    TransactionTooLarge {
        /// What it may hold, in bytes.
        limit_bytes: usize,
    },
    /// There is no memory for more. For the request this is as if the store were unavailable.
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
    /// Why the request is to be tried again later, where the store or the host is the reason.
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
    /// The key is longer than the store allows.
    #[error("key too long: {key_bytes} bytes, at most {limit_bytes} bytes are allowed")]
    KeyTooLong {
        /// Its length, in bytes.
        key_bytes: usize,
        /// What the store allows, in bytes.
        limit_bytes: usize,
    },
    /// The value is larger than the store allows.
    #[error("value too large: {value_bytes} bytes, at most {limit_bytes} bytes are allowed")]
    ValueTooLarge {
        /// Its size, in bytes.
        value_bytes: usize,
        /// What the store allows, in bytes.
        limit_bytes: usize,
    },
    /// The transaction holds as much as it may.
    #[error(
        "transaction too large: the keys and values that one request reads and writes, and the keys that it lists, \
         may take {limit_bytes} bytes in all"
    )]
    TransactionTooLarge {
        /// What it may hold, in bytes.
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
    /// A write that commits by itself, after the transaction's own commit, failed.
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

/// Why a snapshot was not put in place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// It names a store that this map does not have.
    #[error(
        "the snapshot has a store number {index}, and this node is configured with {stores} stores only"
    )]
    UnknownStore {
        /// The store that it names.
        index: u32,
        /// How many stores there are.
        stores: usize,
    },
    /// It has the same key twice, or a revision beyond its own.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// It is older than what the map holds.
    #[error("the snapshot is of revision {snapshot}, and the map holds revision {applied} already")]
    Older {
        /// Revision of the snapshot.
        snapshot: Revision,
        /// Revision of the map.
        applied: Revision,
    },
}
