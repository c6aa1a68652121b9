//! A store that a guest has opened.

use spindrift_store::{Entry, ListedKeys, Page, ReadError, StoreId, Transaction, WriteError};

/// A handle of a guest on a store.
///
/// It names the store and nothing else, so a guest may keep it: in every
/// request it acts for the request that the instance serves then.
#[derive(Clone, Copy)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenStore {
    /// Which store.
    pub id: StoreId,
}

/// A store that a guest has opened, as one call of the host uses it: within
/// the transaction of the request that is served when the call begins.
pub(crate) struct ActiveStore {
    id: StoreId,
    /// `None` outside a request.
    transaction: Option<Transaction>,
}

/// A compare-and-swap of `wasi:keyvalue/atomics`: the key, and the value that
/// it had when the handle was made.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct CompareAndSwap {
    /// The store that holds the key.
    pub store: OpenStore,
    /// The run in which the handle was made: see [`HostState::run`](crate::host_state::HostState::run).
    pub run: u64,
    /// The key.
    pub key: String,
    /// The entry at the time, if there was one.
    pub seen: Option<Entry>,
}

impl CompareAndSwap {
    /// What it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.seen.as_ref().map_or(0, Entry::len_bytes)
    }
}

/// Why a store was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The manifest does not grant the component that store. Spin says so of every such label, whether there is a store of it
    /// or not: a component learns nothing of the stores of others.
    AccessDenied,
    /// The request has as many open as it may.
    TableFull,
}

/// Why an open store did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UseError {
    /// The guest asked outside a request, as its initializer does.
    #[error(
        "a store can be used only while a request is served; an initializer may open it, and no more"
    )]
    NoRequest,
    /// A read gave no answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Handles that one request may open and have open at once, as under Spin.
/// Those that its guest keeps from earlier requests are not counted.
pub(crate) const MAX_OPEN_STORES: usize = 256;

impl OpenError {
    /// For interfaces that have no case of their own for it.
    pub(crate) const TABLE_FULL: &str = "store table full: 256 stores are open; close some";
}

impl ActiveStore {
    /// `store` in this transaction, or outside a request.
    pub(crate) fn new(store: OpenStore, transaction: Option<Transaction>) -> Self {
        ActiveStore {
            id: store.id,
            transaction,
        }
    }

    /// The handle that this came from.
    pub(crate) fn handle(&self) -> OpenStore {
        OpenStore { id: self.id }
    }

    /// The store's place in its transaction's backend, and the transaction.
    pub(crate) fn transaction(&self) -> Result<(StoreId, &Transaction), UseError> {
        let transaction = self.transaction.as_ref().ok_or(UseError::NoRequest)?;
        Ok((self.id, transaction))
    }

    /// See [`Transaction::get`].
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>, UseError> {
        let (id, transaction) = self.transaction()?;
        Ok(transaction.get(id, key).await?)
    }

    /// The value of a key, as guests take it.
    pub(crate) async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, UseError> {
        let entry = self.get(key).await?;
        Ok(entry.map(|entry| entry.value().to_vec()))
    }

    /// See [`Transaction::exists`].
    pub(crate) async fn exists(&self, key: &str) -> Result<bool, UseError> {
        let (id, transaction) = self.transaction()?;
        Ok(transaction.exists(id, key).await?)
    }

    /// See [`Transaction::keys`].
    pub(crate) async fn keys(&self, page: Option<Page<'_>>) -> Result<ListedKeys, UseError> {
        let (id, transaction) = self.transaction()?;
        Ok(transaction.keys(id, page).await?)
    }

    /// Refuses an answer to the guest that is larger than all that its request may read.
    pub(crate) fn check_answer(&self, bytes: usize) -> Result<(), UseError> {
        let (_, transaction) = self.transaction()?;
        let limit_bytes = transaction.backend().stores().max_transaction_bytes();
        if bytes > limit_bytes {
            return Err(ReadError::TransactionTooLarge { limit_bytes }.into());
        }
        Ok(())
    }

    /// See [`Transaction::set`].
    pub(crate) async fn set(&self, key: &str, value: &[u8]) -> Result<(), UseError> {
        let (id, transaction) = self.transaction()?;
        Ok(transaction.set(id, key, value).await?)
    }

    /// See [`Transaction::delete`].
    pub(crate) async fn delete(&self, key: &str) -> Result<(), UseError> {
        let (id, transaction) = self.transaction()?;
        Ok(transaction.delete(id, key).await?)
    }
}
