//! `wasi:keyvalue/store@0.2.0-draft2`.

use spindrift_store::{ListedKeys, Page};
use wasmtime::component::Resource;

use super::{OpenError, OpenStore};
use crate::bindings::wasi::keyvalue::store::{self, Error, HostBucket, KeyResponse};
use crate::host_state::HostState;

/// Keys in one answer of `list-keys`.
const KEYS_PER_PAGE: usize = 1_000;

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::AccessDenied => Error::AccessDenied,
            OpenError::TableFull => Error::Other(OpenError::TABLE_FULL.into()),
        }
    }
}

pub(crate) fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}

impl store::Host for HostState {
    async fn open(
        &mut self,
        identifier: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, Error>> {
        Ok(self.open_store(&identifier)?.map_err(Into::into))
    }
}

impl HostBucket for HostState {
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

    /// The cursor is the last key of the page before, so that pages stay
    /// complete whatever is written between them.
    async fn list_keys(
        &mut self,
        handle: Resource<OpenStore>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<KeyResponse, Error>> {
        let store = self.opened(&handle)?;
        let page = Page {
            after: cursor.as_deref(),
            most: KEYS_PER_PAGE,
        };
        Ok(match store.keys(Some(page)).await {
            Ok(ListedKeys { keys, more, .. }) => {
                let cursor = if more { keys.last().cloned() } else { None };
                Ok(KeyResponse { keys, cursor })
            }
            Err(error) => Err(other(error)),
        })
    }

    async fn drop(&mut self, handle: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.close_store(handle)
    }
}
