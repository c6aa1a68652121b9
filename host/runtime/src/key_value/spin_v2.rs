//! `fermyon:spin/key-value@2.0.0`: the interface of Spin 2 and 3.

use wasmtime::component::Resource;

use super::{OpenError, OpenStore};
use crate::bindings::fermyon::spin::key_value::{self, Error, HostStore};
use crate::host_state::HostState;

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::AccessDenied => Error::AccessDenied,
            OpenError::TableFull => Error::StoreTableFull,
        }
    }
}

fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}

impl key_value::Host for HostState {}

impl HostStore for HostState {
    async fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, Error>> {
        Ok(self.open_store(&label)?.map_err(Into::into))
    }

    async fn get(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let store = self.opened(&handle)?;
        Ok(store.value(&key).await.map_err(other))
    }

    async fn set(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let store = self.opened(&handle)?;
        Ok(store.set(&key, &value).await.map_err(other))
    }

    async fn delete(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let store = self.opened(&handle)?;
        Ok(store.delete(&key).await.map_err(other))
    }

    async fn exists(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let store = self.opened(&handle)?;
        Ok(store.exists(&key).await.map_err(other))
    }

    async fn get_keys(
        &mut self,
        handle: Resource<OpenStore>,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let store = self.opened(&handle)?;
        let listed = store.keys(None).await;
        Ok(listed.map(|listed| listed.keys).map_err(other))
    }

    async fn drop(&mut self, handle: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.close_store(handle)
    }
}
