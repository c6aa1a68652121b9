//! `spin:key-value@3.0.0`: Spin 4's interface, with asynchronous functions.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use spindrift_memory::Charge;
use spindrift_store::ListedKeys;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureReader, HasSelf, Resource, StreamProducer, StreamReader,
    StreamResult, VecBuffer,
};

use super::{ActiveStore, OpenError, OpenStore};
use crate::bindings::spin::key_value::key_value::{self, Error, HostStore, HostStoreWithStore};
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

fn opened<T: 'static>(
    accessor: &Accessor<T, HasSelf<HostState>>,
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

impl<T: Send + 'static> HostStoreWithStore<T> for HasSelf<HostState> {
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
        let (listed, result) = match store.keys(None).await {
            Ok(listed) => (listed, Ok(())),
            Err(error) => (ListedKeys::default(), Err(other(error))),
        };
        accessor.with(|mut access| {
            Ok((
                StreamReader::new(&mut access, KeyProducer::from(listed))?,
                FutureReader::new(&mut access, async move { wasmtime::error::Ok(result) })?,
            ))
        })
    }
}

/// How many keys are handed to the stream at a time.
const KEYS_AT_A_TIME: usize = 1_000;

/// Gives a guest the keys that were listed, as it reads them. What it has not read yet stays charged.
struct KeyProducer {
    keys: vec::IntoIter<String>,
    _charge: Option<Charge>,
}

impl From<ListedKeys> for KeyProducer {
    fn from(listed: ListedKeys) -> Self {
        KeyProducer {
            keys: listed.keys.into_iter(),
            _charge: listed.charge,
        }
    }
}

impl<D> StreamProducer<D> for KeyProducer {
    type Item = String;
    type Buffer = VecBuffer<String>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, String, VecBuffer<String>>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let keys: Vec<String> = self.get_mut().keys.by_ref().take(KEYS_AT_A_TIME).collect();
        if keys.is_empty() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        destination.set_buffer(keys.into());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
