//! The two functions through which a guest sends a request, that of `wasi:http` 0.2 and that of 0.3. They go on as Wasmtime's own
//! do, which they are put in place of.
//!
//! Wasmtime refuses a request that names no host before it asks where to send it. Such a request is for the application itself,
//! which is named here. And the hook that sends a request is the same for both versions, and is told here which one it is.

use http::uri::{Authority, PathAndQuery};
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode as ErrorCodeP2;
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode as ErrorCodeP3;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{RequestOptions, WasiHttp, WasiHttpView};

use super::host_state::HostState;
use super::outbound::Version;
use super::own_requests::ITSELF;

/// Puts them in place of those in `wasmtime-wasi-http`.
pub(super) fn put_in_place(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker
        .instance("wasi:http/outgoing-handler@0.2.12")?
        .func_wrap("handle", |store, (request, options)| {
            Ok((handle(store, request, options)?,))
        })?;
    linker
        .instance("wasi:http/client@0.3.0")?
        .func_wrap_concurrent("send", |accessor, (request,)| {
            Box::pin(async move { Ok((send(accessor, request).await?,)) })
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Of `wasi:http` 0.2.
fn handle(
    mut store: StoreContextMut<'_, HostState>,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCodeP2>> {
    store.data_mut().outbound.next_is_of(Version::P2);
    let mut view = store.data_mut().http();
    let outgoing = view.table.get_mut(&request)?;
    if outgoing.authority.as_ref().is_none_or(String::is_empty) {
        outgoing.authority = Some(ITSELF.to_owned());
        let path = outgoing.path_with_query.take();
        outgoing.path_with_query = path.or_else(|| Some("/".to_owned()));
    }
    match view.handle(request, options) {
        Ok(response) => Ok(Ok(response)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// Of `wasi:http` 0.3.
async fn send(
    accessor: &Accessor<HostState>,
    request: Resource<Request>,
) -> wasmtime::Result<Result<Resource<Response>, ErrorCodeP3>> {
    accessor.with(|mut access| {
        let state = access.data_mut();
        state.outbound.next_is_of(Version::P3);
        let outgoing = state.table.get_mut(&request)?;
        if outgoing.authority.is_none() {
            outgoing.authority = Some(Authority::from_static(ITSELF));
            let path = outgoing.path_with_query.take();
            outgoing.path_with_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        }
        wasmtime::error::Ok(())
    })?;
    let accessor = accessor.with_getter::<WasiHttp>(HostState::http);
    match WasiHttp::send(&accessor, request).await {
        Ok(response) => Ok(Ok(response)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}
