//! `spin:key-value@3.0.0`: Spin 4's interface, with asynchronous functions.

use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::{ActiveStore, OpenError, OpenStore};
use crate::runtime::bindings::spin::key_value::key_value::{
    self, Error, HostStore, HostStoreWithStore,
};
use crate::runtime::host_state::HostState;
use crate::runtime::linker::Host;

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoSuchStore => Error::NoSuchStore,
            OpenError::AccessDenied => Error::AccessDenied,
            OpenError::TableFull => Error::StoreTableFull,
        }
    }
}

fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}

fn opened<T: 'static>(
    accessor: &Accessor<T, Host>,
    handle: &Resource<OpenStore>,
) -> wasmtime::Result<ActiveStore> {
    accessor.with(|mut access| access.get().opened(handle))
}

impl key_value::Host for HostState {}

impl HostStore for HostState {
    fn drop(&mut self, handle: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.close_store(handle)
    }
}

impl<T: Send + 'static> HostStoreWithStore<T> for Host {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, Error>> {
        accessor.with(|mut access| Ok(access.get().open_store(&label)?.map_err(Into::into)))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let store = opened(accessor, &handle)?;
        Ok(store.value(&key).await.map_err(other))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        handle: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let store = opened(accessor, &handle)?;
        Ok(store.set(&key, &value).await.map_err(other))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let store = opened(accessor, &handle)?;
        Ok(store.delete(&key).await.map_err(other))
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let store = opened(accessor, &handle)?;
        Ok(store.exists(&key).await.map_err(other))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        handle: Resource<OpenStore>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let store = opened(accessor, &handle)?;
        let (keys, result) = match store.keys().await {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(other(error))),
        };
        accessor.with(|mut access| {
            Ok((
                StreamReader::new(&mut access, keys)?,
                FutureReader::new(&mut access, async move { wasmtime::error::Ok(result) })?,
            ))
        })
    }
}
