//! The call of a guest's handler, in the two versions of `wasi:http`.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::header::HOST;
use http::uri::Scheme;
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use wasmtime::AsContextMut;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::handler::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme as SchemeP2;
use wasmtime_wasi_http::{WasiHttpView, p3};

use super::RunError;
use super::answer::{GuestBody, Head};
use super::held_request::HeldRequest;
use super::host_objects;
use super::host_state::HostState;
use super::instance::Instance;
use super::request_scope::RequestScope;

/// Where a guest's response head appears.
pub(crate) type HeadSlot = Arc<Mutex<Option<Result<Head, RunError>>>>;
/// A guest at work. It owns its instance, so that it can be moved to a task of
/// its own when the client should not wait for its end.
pub(crate) type GuestRun = Pin<Box<dyn Future<Output = (Instance, wasmtime::Result<()>)> + Send>>;

/// Prepares the call and returns the future that makes it.
pub(crate) fn start(
    mut instance: Instance,
    request: &HeldRequest,
    scope: RequestScope,
    slot: HeadSlot,
) -> Result<GuestRun, RunError> {
    let proxy = instance.proxy.clone();
    match &*proxy {
        Proxy::P3(_) => {
            let view = instance.store.data_mut().http();
            let (guest_request, _) = p3::Request::new(
                request.method.clone(),
                Some(request.scheme.clone()),
                Some(request.authority.clone()),
                Some(request.path_and_query.clone()),
                request.headers.clone(),
                None,
                Full::new(request.body.clone()),
            );
            let guest_request = view.table.push(guest_request).map_err(internal)?;
            Ok(Box::pin(async move {
                let result = instance
                    .store
                    .run_concurrent(async |accessor| {
                        let work = pin!(async {
                            let Proxy::P3(service) = &*proxy else {
                                return Ok(());
                            };
                            let response = service
                                .wasi_http_handler()
                                .call_handle(accessor, guest_request)
                                .await?;
                            let head = match response {
                                Ok(response) => Ok(accessor.with(|mut access| {
                                    take_response(&mut access.as_context_mut(), response, &scope)
                                })?),
                                Err(code) => Err(RunError::Guest(code.to_string())),
                            };
                            // From here on, what the guest writes is no longer
                            // part of the transaction.
                            scope.transaction.seal();
                            let body_ended = match &head {
                                Ok((_, GuestBody::Own(body))) => Some(body.ended()),
                                _ => None,
                            };
                            *slot.lock() = Some(head);
                            tasks_ended(accessor).await;
                            // A body that the guest passed on from elsewhere moves
                            // without it, but only while its store does.
                            if let Some(ended) = body_ended {
                                ended.await;
                            }
                            Ok(())
                        });
                        charged(accessor, work).await
                    })
                    .await
                    .flatten();
                (instance, result)
            }))
        }
        Proxy::P2(_) => {
            let mut builder = http::Request::builder()
                .method(request.method.clone())
                .uri(request.path_and_query.clone());
            if let Some(headers) = builder.headers_mut() {
                *headers = request.headers.clone().into();
            }
            let uri = http::Uri::builder()
                .scheme(request.scheme.clone())
                .authority(request.authority.clone())
                .path_and_query(request.path_and_query.clone())
                .build()
                .map_err(internal)?;
            let guest_request = builder
                .uri(uri)
                .body(Full::new(request.body.clone()))
                .map_err(internal)?;
            let scheme = if request.scheme == Scheme::HTTPS {
                SchemeP2::Https
            } else {
                SchemeP2::Http
            };
            let mut view = instance.store.data_mut().http();
            let guest_request = view
                .new_incoming_request(scheme, guest_request)
                .map_err(RunError::Instantiate)?;
            let out = view
                .new_response_outparam_from_callback(move |response| {
                    scope.transaction.seal();
                    *slot.lock() = Some(match response {
                        Ok(response) => {
                            let (parts, body) = response.into_parts();
                            let body = body.map_err(Into::into).boxed_unsync();
                            Ok((parts, GuestBody::Foreign(body)))
                        }
                        Err(code) => Err(RunError::Guest(code.to_string())),
                    });
                })
                .map_err(RunError::Instantiate)?;
            Ok(Box::pin(async move {
                let result = instance
                    .store
                    .run_concurrent(async |accessor| {
                        let work = pin!(async {
                            let Proxy::P2(proxy) = &*proxy else {
                                return Ok(());
                            };
                            proxy
                                .wasi_http_incoming_handler()
                                .func_handle()
                                .call_concurrent(accessor, (guest_request, out))
                                .await?;
                            tasks_ended(accessor).await;
                            Ok(())
                        });
                        charged(accessor, work).await
                    })
                    .await
                    .flatten();
                (instance, result)
            }))
        }
    }
}

/// Does `work`, and charges what the host keeps for the guest whenever that waits for something.
///
/// It is pinned by the caller: it is large, and passing it by value copies it.
async fn charged(
    accessor: &Accessor<HostState>,
    mut work: Pin<&mut impl Future<Output = wasmtime::Result<()>>>,
) -> wasmtime::Result<()> {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        // The guest has run since this was polled last.
        Poll::Pending => {
            match accessor.with(|mut access| host_objects::charge(access.as_context_mut())) {
                Ok(()) => Poll::Pending,
                Err(spent) => Poll::Ready(Err(spent)),
            }
        }
        done => done,
    })
    .await
}

/// Resolves when the guest has nothing left to do: a task may go on after it
/// has returned its response, to write the body for one.
async fn tasks_ended(accessor: &Accessor<HostState>) {
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
}

fn take_response(
    store: &mut wasmtime::StoreContextMut<'_, HostState>,
    resource: wasmtime::component::Resource<p3::Response>,
    scope: &RequestScope,
) -> wasmtime::Result<Head> {
    let number = resource.rep();
    let state = store.data_mut();
    let response = state.table.delete(resource)?;
    // Numbers are used again: a response from an outgoing request may have the
    // one that a response of the guest's own had before.
    if let Some((own, body)) = state.response.take()
        && own == number
        && !scope.side_effects.any()
    {
        let mut parts = http::Response::new(()).into_parts().0;
        parts.status = response.status;
        parts.headers = response.headers.into();
        // The guest may have copied it from its request.
        parts.headers.remove(HOST);
        return Ok((parts, GuestBody::Own(body)));
    }
    let response = response.into_http(store, async { Ok(()) })?;
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(HOST);
    Ok((parts, GuestBody::Foreign(body)))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RunError::Instantiate(wasmtime::Error::new(error))
}
