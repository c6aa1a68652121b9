//! Everything a guest can import, and nothing else.

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::{fermyon, spin, wasi};
use super::host_state::HostState;
use super::wasi_http_overrides;

/// Builds the linker that every component is linked with. What a component may
/// reach through it, its manifest says.
pub(crate) fn build(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    wasi_http_overrides::add_to_linker(&mut linker)?;

    spin::key_value::key_value::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    fermyon::spin::key_value::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    wasi::keyvalue::store::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    wasi::keyvalue::atomics::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    wasi::keyvalue::batch::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    spin::variables::variables::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    fermyon::spin::variables::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    wasi::config::store::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)?;
    Ok(linker)
}
