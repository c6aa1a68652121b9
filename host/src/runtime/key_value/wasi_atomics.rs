//! `wasi:keyvalue/atomics@0.2.0-draft2`. A read and a write in one transaction
//! are atomic, so the store needs nothing more.

use wasmtime::component::Resource;

use super::wasi_store::other;
use super::{CompareAndSwap, OpenStore};
use crate::runtime::bindings::wasi::keyvalue::atomics::{self, CasError, HostCas};
use crate::runtime::bindings::wasi::keyvalue::store::Error;
use crate::runtime::host_state::HostState;
use crate::store::WriteError;

/// Why a counter was not incremented.
#[derive(Debug, thiserror::Error)]
enum IncrementError {
    #[error("the value of key '{0}' is no decimal integer of 64 bits, so it cannot be incremented")]
    NoInteger(String),
    #[error("adding {delta} to the value of key '{key}', {current}, goes beyond 64 bits")]
    Overflow {
        key: String,
        current: i64,
        delta: i64,
    },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl atomics::Host for HostState {
    /// A counter is stored as decimal text, as Redis' `INCRBY` does and as
    /// Spin's stores do.
    async fn increment(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        let store = self.opened(&handle)?;
        let mut next = 0;
        let done = store
            .transaction
            .update(store.id, &key, |value| {
                let current = match value.map(std::str::from_utf8) {
                    None => 0,
                    Some(text) => text
                        .ok()
                        .and_then(|text| text.parse::<i64>().ok())
                        .ok_or_else(|| IncrementError::NoInteger(key.clone()))?,
                };
                next = current
                    .checked_add(delta)
                    .ok_or_else(|| IncrementError::Overflow {
                        key: key.clone(),
                        current,
                        delta,
                    })?;
                Ok::<_, IncrementError>(next.to_string().into_bytes())
            })
            .await;
        Ok(done.map(|_| next).map_err(other))
    }

    async fn swap(
        &mut self,
        handle: Resource<CompareAndSwap>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let CompareAndSwap { store, key, seen } = self.table.delete(handle)?;
        let transaction = &store.transaction;
        match transaction
            .compare_and_set(store.id, &key, seen.as_ref(), &value)
            .await
        {
            Ok(true) => Ok(Ok(())),
            Ok(false) => match transaction.get(store.id, &key).await {
                Ok(seen) => {
                    let newer = self.table.push(CompareAndSwap { store, key, seen })?;
                    Ok(Err(CasError::CasFailed(newer)))
                }
                Err(error) => Ok(Err(CasError::StoreError(other(error)))),
            },
            Err(error) => Ok(Err(CasError::StoreError(other(error)))),
        }
    }
}

impl HostCas for HostState {
    async fn new(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<CompareAndSwap>, Error>> {
        let store = self.opened(&handle)?;
        match store.transaction.get(store.id, &key).await {
            Ok(seen) => Ok(Ok(self.table.push(CompareAndSwap { store, key, seen })?)),
            Err(error) => Ok(Err(other(error))),
        }
    }

    async fn current(
        &mut self,
        handle: Resource<CompareAndSwap>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let seen = &self.table.get(&handle)?.seen;
        Ok(Ok(seen.as_ref().map(|entry| entry.value().to_vec())))
    }

    async fn drop(&mut self, handle: Resource<CompareAndSwap>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}
