//! Everything a guest can import, and nothing else.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use wasmtime::component::{
    FutureConsumer, FutureReader, HasData, Linker, Resource, Source, StreamReader,
};
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi_http::p3::Response;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{FieldMap, WasiHttpView};

use super::bindings::{fermyon, spin, wasi};
use super::host_state::HostState;
use super::response_body::{self, BodyError, Outcome};
use super::senders;

/// Names [`HostState`] itself as what our own interfaces are implemented on.
pub struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut HostState;
}

/// Builds the linker that every component is linked with. What a component may
/// reach through it, its manifest says.
pub fn build(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    replace_response_new(&mut linker)?;
    senders::put_in_place(&mut linker)?;

    spin::key_value::key_value::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    fermyon::spin::key_value::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    wasi::keyvalue::store::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    wasi::keyvalue::atomics::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    wasi::keyvalue::batch::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    spin::variables::variables::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    fermyon::spin::variables::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    wasi::config::store::add_to_linker::<_, Host>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Puts our own `wasi:http/types.response.new` in place of the one in
/// `wasmtime-wasi-http`, so that the body's reader is attached at once: see
/// [`response_body`].
fn replace_response_new(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
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

type Trailers = Result<Option<Resource<FieldMap>>, ErrorCode>;
type NewResponse = (Resource<Response>, FutureReader<Result<(), ErrorCode>>);

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
