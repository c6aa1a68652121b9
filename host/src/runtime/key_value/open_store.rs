//! A store that a guest has opened.

use wasmtime::component::Resource;

use crate::runtime::host_state::HostState;
use crate::store::{Entry, StoreId, Transaction};

/// A handle of a guest on a store.
///
/// It belongs to the request that opened it: a guest that keeps it and uses it
/// while the instance serves another request still acts for the first one.
#[derive(Clone)]
pub struct OpenStore {
    /// The transaction of the request that opened the store.
    pub transaction: Transaction,
    /// Which store.
    pub id: StoreId,
}

/// A compare-and-swap of `wasi:keyvalue/atomics`: the key, and the value that
/// it had when the handle was made.
pub struct CompareAndSwap {
    /// The store that holds the key.
    pub store: OpenStore,
    /// The key.
    pub key: String,
    /// The entry at the time, if there was one.
    pub seen: Option<Entry>,
}

/// Why a store was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The host has no store of that label.
    NoSuchStore,
    /// The manifest does not grant the component that store.
    AccessDenied,
    /// The guest has as many open as it may.
    TableFull,
    /// The guest tried to open a store while no request was under way.
    NoRequest,
}

/// Handles that a guest may have open at once, as under Spin.
const MAX_OPEN_STORES: usize = 256;

impl OpenError {
    /// For interfaces that have no case of their own for it.
    pub const NO_REQUEST: &str = "a store can be opened only while a request is served";
    /// For interfaces that have no case of their own for it.
    pub const TABLE_FULL: &str = "store table full: 256 stores are open; close some";
}

impl HostState {
    /// Opens the store `label` for the request under way.
    pub fn open_store(
        &mut self,
        label: &str,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, OpenError>> {
        let Some(&id) = self.grants.stores.get(label) else {
            return Ok(Err(if self.grants.known_stores.contains_key(label) {
                OpenError::AccessDenied
            } else {
                OpenError::NoSuchStore
            }));
        };
        let Some(request) = &self.request else {
            return Ok(Err(OpenError::NoRequest));
        };
        if self.open_stores == MAX_OPEN_STORES {
            return Ok(Err(OpenError::TableFull));
        }
        let store = OpenStore {
            transaction: request.transaction.clone(),
            id,
        };
        let handle = self.table.push(store)?;
        self.open_stores += 1;
        Ok(Ok(handle))
    }

    /// The open store behind a guest's handle.
    ///
    /// # Errors
    ///
    /// Fails, and with it the guest, if the handle is none of this guest's.
    pub fn opened(&self, handle: &Resource<OpenStore>) -> wasmtime::Result<OpenStore> {
        Ok(self.table.get(handle)?.clone())
    }

    /// Closes an open store.
    ///
    /// # Errors
    ///
    /// As [`opened`](Self::opened).
    pub fn close_store(&mut self, handle: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        self.open_stores -= 1;
        Ok(())
    }
}
