//! `wasi:keyvalue/atomics@0.2.0-draft2`. A read and a write in one transaction
//! are atomic, so the store needs nothing more.

use spindrift_store::{Seen, WriteError};
use wasmtime::component::Resource;

use super::wasi_store::other;
use super::{ActiveStore, CompareAndSwap, OpenStore, UseError};
use crate::bindings::wasi::keyvalue::atomics::{self, CasError, HostCas};
use crate::bindings::wasi::keyvalue::store::Error;
use crate::host_state::HostState;

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
    #[error(transparent)]
    Use(#[from] UseError),
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
        Ok(increment(&store, &key, delta).await.map_err(other))
    }

    async fn swap(
        &mut self,
        handle: Resource<CompareAndSwap>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let cas = close_swap(self, handle)?;
        let store = self.active(cas.store);
        // A handle that the guest kept from another run has seen the store at
        // another moment, or what was never in the store.
        let seen = if cas.run == self.run {
            Seen::Here(cas.seen.as_ref())
        } else {
            Seen::Elsewhere(cas.seen.as_ref())
        };
        let swapped = match swap(&store, &cas.key, seen, &value).await {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => compare_and_swap(self, &store, cas.key).await?,
            Err(error) => Err(error),
        };
        Ok(Err(match swapped {
            Ok(newer) => CasError::CasFailed(newer),
            Err(error) => CasError::StoreError(other(error)),
        }))
    }
}

async fn increment(store: &ActiveStore, key: &str, delta: i64) -> Result<i64, IncrementError> {
    let (id, transaction) = store.transaction()?;
    let mut next = 0;
    transaction
        .update(id, key, |value| {
            let current = match value.map(std::str::from_utf8) {
                None => 0,
                Some(text) => text
                    .ok()
                    .and_then(|text| text.parse::<i64>().ok())
                    .ok_or_else(|| IncrementError::NoInteger(key.to_owned()))?,
            };
            next = current
                .checked_add(delta)
                .ok_or_else(|| IncrementError::Overflow {
                    key: key.to_owned(),
                    current,
                    delta,
                })?;
            Ok::<_, IncrementError>(next.to_string().into_bytes())
        })
        .await?;
    Ok(next)
}

async fn swap(
    store: &ActiveStore,
    key: &str,
    seen: Seen<'_>,
    value: &[u8],
) -> Result<bool, UseError> {
    let (id, transaction) = store.transaction()?;
    Ok(transaction.compare_and_set(id, key, seen, value).await?)
}

/// A handle on what `key` is now.
async fn compare_and_swap(
    state: &mut HostState,
    store: &ActiveStore,
    key: String,
) -> wasmtime::Result<Result<Resource<CompareAndSwap>, UseError>> {
    let seen = match store.get(&key).await {
        Ok(seen) => seen,
        Err(error) => return Ok(Err(error)),
    };
    let cas = CompareAndSwap {
        store: store.handle(),
        run: state.run,
        key,
        seen,
    };
    let bytes = cas.bytes();
    let handle = state.table.push(cas)?;
    state.swap_bytes += bytes;
    Ok(Ok(handle))
}

fn close_swap(
    state: &mut HostState,
    handle: Resource<CompareAndSwap>,
) -> wasmtime::Result<CompareAndSwap> {
    let cas = state.table.delete(handle)?;
    state.swap_bytes -= cas.bytes();
    Ok(cas)
}

impl HostCas for HostState {
    async fn new(
        &mut self,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<CompareAndSwap>, Error>> {
        let store = self.opened(&handle)?;
        let cas = compare_and_swap(self, &store, key).await?;
        Ok(cas.map_err(other))
    }

    async fn current(
        &mut self,
        handle: Resource<CompareAndSwap>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let seen = &self.table.get(&handle)?.seen;
        Ok(Ok(seen.as_ref().map(|entry| entry.value().to_vec())))
    }

    async fn drop(&mut self, handle: Resource<CompareAndSwap>) -> wasmtime::Result<()> {
        close_swap(self, handle).map(drop)
    }
}
