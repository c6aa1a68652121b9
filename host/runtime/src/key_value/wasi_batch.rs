//! `wasi:keyvalue/batch@0.2.0-draft2`. The interface promises no atomicity;
//! within a request's transaction a batch has it all the same.

use wasmtime::component::Resource;

use super::OpenStore;
use super::wasi_store::other;
use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::Error;
use crate::host_state::HostState;

impl batch::Host for HostState {
    async fn get_many(
        &mut self,
        handle: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<(String, Option<Vec<u8>>)>, Error>> {
        let store = self.opened(&handle)?;
        let mut entries = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for key in keys {
            match store.value(&key).await {
                Ok(value) => {
                    // A key that is named twice is read once, and is in the answer twice.
                    bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                    if let Err(error) = store.check_answer(bytes) {
                        return Ok(Err(other(error)));
                    }
                    entries.push((key, value));
                }
                Err(error) => return Ok(Err(other(error))),
            }
        }
        Ok(Ok(entries))
    }

    async fn set_many(
        &mut self,
        handle: Resource<OpenStore>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let store = self.opened(&handle)?;
        for (key, value) in entries {
            if let Err(error) = store.set(&key, &value).await {
                return Ok(Err(other(error)));
            }
        }
        Ok(Ok(()))
    }

    async fn delete_many(
        &mut self,
        handle: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let store = self.opened(&handle)?;
        for key in keys {
            if let Err(error) = store.delete(&key).await {
                return Ok(Err(other(error)));
            }
        }
        Ok(Ok(()))
    }
}
