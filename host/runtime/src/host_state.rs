//! What the host keeps beside each instance: its resources, its limits, and
//! the request that it is serving.

use std::collections::BTreeMap;
use std::sync::Arc;

use spindrift_store::StoreId;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::key_value::{ActiveStore, MAX_OPEN_STORES, OpenError, OpenStore};
use super::memory_limit::MemoryLimit;
use super::outbound::Outbound;
use super::request_scope::RequestScope;
use super::response_body::ResponseBody;

/// What all instances of one component share.
pub struct Grants {
    /// The component's id in the manifest.
    pub component: Arc<str>,
    /// Label to store, for each store that the manifest grants.
    pub stores: BTreeMap<String, StoreId>,
    /// The component's variables by name.
    pub variables: BTreeMap<String, String>,
}

/// The data of one instance's Wasmtime store.
pub struct HostState {
    pub table: ResourceTable,
    pub wasi: WasiCtx,
    pub http: WasiHttpCtx,
    pub outbound: Outbound,
    pub memory: MemoryLimit,
    pub grants: Arc<Grants>,
    /// The request being served; `None` while the instance is idle.
    pub request: Option<RequestScope>,
    /// The number of the run that `request` belongs to, among the instance's.
    /// It tells whether what a guest has kept is of this run.
    pub run: u64,
    /// Handles on stores that the guest has open.
    pub open_stores: usize,
    /// How many of them it had when the run began.
    pub kept_stores: usize,
    /// What the handles for swaps hold that the guest has, in bytes.
    pub swap_bytes: usize,
    /// The response that the guest created last, by the number of its
    /// resource, with the body that belongs to it.
    pub response: Option<(u32, ResponseBody)>,
}

impl HostState {
    /// Names the request that the guest acts for from now on.
    pub fn serve(&mut self, request: RequestScope) {
        self.outbound.serve(&request);
        self.request = Some(request);
        self.run += 1;
        self.kept_stores = self.open_stores;
    }

    /// Notes the use of what belongs to a run: that of another run's is a side
    /// effect of the request being served.
    pub(crate) fn note_use(&self, run: u64) {
        if run != self.run
            && let Some(request) = &self.request
        {
            request.side_effects.note();
        }
    }

    /// Opens the store `label`.
    pub(crate) fn open_store(
        &mut self,
        label: &str,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, OpenError>> {
        let Some(&id) = self.grants.stores.get(label) else {
            return Ok(Err(OpenError::AccessDenied));
        };
        if self.open_stores >= self.kept_stores + MAX_OPEN_STORES {
            return Ok(Err(OpenError::TableFull));
        }
        let handle = self.table.push(OpenStore { id })?;
        self.open_stores += 1;
        Ok(Ok(handle))
    }

    /// The open store behind a guest's handle, for the request that is served
    /// now.
    ///
    /// # Errors
    ///
    /// Fails, and with it the guest, if the handle is none of this guest's.
    pub(crate) fn opened(&self, handle: &Resource<OpenStore>) -> wasmtime::Result<ActiveStore> {
        Ok(self.active(*self.table.get(handle)?))
    }

    /// An open store for the request that is served now.
    pub(crate) fn active(&self, store: OpenStore) -> ActiveStore {
        let request = self.request.as_ref();
        ActiveStore::new(store, request.map(|request| request.transaction.clone()))
    }

    /// Closes an open store.
    ///
    /// # Errors
    ///
    /// As [`opened`](Self::opened).
    pub(crate) fn close_store(&mut self, handle: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        self.open_stores -= 1;
        self.kept_stores = self.kept_stores.min(self.open_stores);
        Ok(())
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound,
        }
    }
}
