//! The functions of `wasi:http` that this host replaces. They go on as Wasmtime's own do.
//!
//! Two of them send a request, in version 0.2 and in version 0.3. Wasmtime refuses a request that names no host before it asks
//! where to send it. Such a request is a self-request, so the functions here name the application as its host. The hook that
//! sends a request is the same for both versions, and learns here which one it is.
//!
//! The third one creates a response, and attaches the reader of its body at once: see [`response_body`].

use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http::uri::{Authority, PathAndQuery};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, FutureConsumer, FutureReader, Linker, Resource, Source, StreamReader,
};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode as ErrorCodeP2;
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{FieldMap, RequestOptions, WasiHttp, WasiHttpView};

use super::host_state::HostState;
use super::outbound::WasiHttpVersion;
use super::response_body::{self, BodyError, Outcome};
use super::self_requests::ITSELF;

/// Puts them in place of those in `wasmtime-wasi-http`.
pub(crate) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
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
    linker.instance("wasi:http/types@0.3.0")?.func_wrap(
        "[static]response.new",
        |store: StoreContextMut<'_, HostState>,
         (headers, contents, trailers): (
            Resource<FieldMap>,
            Option<StreamReader<u8>>,
            FutureReader<Trailers>,
        )| Ok((new_response(store, headers, contents, trailers)?,)),
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// `outgoing-handler.handle` of `wasi:http` 0.2.
fn handle(
    mut store: StoreContextMut<'_, HostState>,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCodeP2>> {
    store.data_mut().outbound.next_is_of(WasiHttpVersion::P2);
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

/// `client.send` of `wasi:http` 0.3.
async fn send(
    accessor: &Accessor<HostState>,
    request: Resource<Request>,
) -> wasmtime::Result<Result<Resource<Response>, ErrorCode>> {
    accessor.with(|mut access| {
        let state = access.data_mut();
        state.outbound.next_is_of(WasiHttpVersion::P3);
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

type Trailers = Result<Option<Resource<FieldMap>>, ErrorCode>;
type NewResponse = (Resource<Response>, FutureReader<Result<(), ErrorCode>>);

/// `types.response.new` of `wasi:http` 0.3: attaches the reader of the body at once.
fn new_response(
    mut store: StoreContextMut<'_, HostState>,
    headers: Resource<FieldMap>,
    contents: Option<StreamReader<u8>>,
    trailers: FutureReader<Trailers>,
) -> wasmtime::Result<NewResponse> {
    let state = store.data();
    let (contents_end, outcome, delivery, body) =
        response_body::channel(contents.is_some(), state.run, &state.memory.budget());
    if let Some(contents) = contents {
        contents.pipe(&mut store, contents_end)?;
    }
    trailers.pipe(&mut store, TrailersConsumer(Some(outcome)))?;

    let view = store.data_mut().http();
    let headers = view.table.delete(headers)?;
    let mut response = http::Response::new(body.clone());
    *response.headers_mut() = headers.into();
    // The returned future tells of a client that went away; `Delivery` does
    // that for a body of ours.
    let (response, _) = Response::from_http(view.hooks, response);
    let response = view.table.push(response)?;
    store.data_mut().response = Some((response.rep(), body));

    let delivered = FutureReader::new(&mut store, async move {
        wasmtime::error::Ok(delivery.await.map_err(|()| ErrorCode::ConnectionTerminated))
    })?;
    Ok((response, delivered))
}

/// Hands what a guest says at the end of a body to that body's reader.
struct TrailersConsumer(Option<Outcome>);

impl FutureConsumer<HostState> for TrailersConsumer {
    type Item = Trailers;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, HostState>,
        mut source: Source<'_, Trailers>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        if let Some(outcome) = &self.0 {
            store.data().note_use(outcome.run());
        }
        let mut trailers = None;
        source.read(&mut store, &mut trailers)?;
        let trailers = match trailers {
            Some(Ok(Some(fields))) => {
                let fields = store.data_mut().table.delete(fields)?;
                Ok(Some(HeaderMap::from(fields)))
            }
            Some(Ok(None)) => Ok(None),
            Some(Err(code)) => Err(BodyError::Guest(code.to_string())),
            None => Err(BodyError::Unfinished),
        };
        if let Some(outcome) = self.0.take() {
            outcome.set(trailers);
        }
        Poll::Ready(Ok(()))
    }
}
