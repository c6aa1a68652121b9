//! One run of a handler on one request: from the request to the response head
//! and as much of the body as the guest has ready.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use wasmtime::AsContextMut;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::handler::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme as SchemeP2;
use wasmtime_wasi_http::{FieldMap, WasiBody, WasiHttpView, p3};

use super::RunError;
use super::forbidden_headers::ForbiddenHeaders;
use super::handler::{Handler, Instance};
use super::host_state::{HostState, RequestScope};
use super::response_body::{BodyError, ResponseBody};

/// A request that is held so that it can be run more than once.
#[derive(Clone, Debug)]
pub struct HeldRequest {
    /// The method.
    pub method: Method,
    /// `http` or `https`, as the client came.
    pub scheme: Scheme,
    /// The host that the client asked for.
    pub authority: Authority,
    /// The path and query as the client wrote them.
    pub path_and_query: PathAndQuery,
    /// The headers for the guest, `spin-*` included: see [`guest_headers`].
    pub headers: FieldMap,
    /// The whole body.
    pub body: Bytes,
}

/// The headers of a request without those that WASI forbids a guest to see,
/// such as `connection`; shared by all runs of the request.
pub fn guest_headers(headers: HeaderMap) -> FieldMap {
    FieldMap::new_immutable(&mut ForbiddenHeaders, headers)
}

/// What a handler answered.
pub struct Answer {
    /// Status, headers.
    pub head: http::response::Parts,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an [`Answer`].
pub enum AnswerBody {
    /// All of it; the guest is done.
    Complete(Bytes),
    /// The guest is still writing.
    Streaming(WasiBody),
}

/// The two forms in which a guest's body reaches us.
enum GuestBody {
    /// Created through our own `response.new`.
    Own(ResponseBody),
    /// Created by WASI 0.2 guests, or passed on from an outgoing request.
    Foreign(WasiBody),
}

type Head = (http::response::Parts, GuestBody);
type HeadSlot = Arc<Mutex<Option<Result<Head, RunError>>>>;
/// A guest at work. It owns its instance, so that it can be moved to a task of
/// its own when the client should not wait for its end.
type GuestRun = Pin<Box<dyn Future<Output = (Instance, wasmtime::Result<()>)> + Send>>;

impl Handler {
    /// Runs the handler on `request`, once.
    ///
    /// Returns when there is a response head and either the whole body or
    /// nothing more to be had without waiting. The instance is then idle
    /// again, or works on in a task of its own.
    ///
    /// # Errors
    ///
    /// See [`RunError`]. The instance is dropped.
    pub async fn run(
        self: &Arc<Self>,
        request: &HeldRequest,
        scope: RequestScope,
        timeout: Duration,
    ) -> Result<Answer, RunError> {
        match tokio::time::timeout(timeout, self.run_once(request, scope, timeout)).await {
            Ok(answer) => answer,
            Err(_) => Err(RunError::Timeout(timeout)),
        }
    }

    async fn run_once(
        self: &Arc<Self>,
        request: &HeldRequest,
        scope: RequestScope,
        timeout: Duration,
    ) -> Result<Answer, RunError> {
        let mut instance = self.acquire().await.map_err(RunError::instantiate)?;
        let state = instance.store.data_mut();
        state.outbound.serve(scope.side_effects.clone());
        state.request = Some(scope.clone());

        let head: HeadSlot = Arc::default();
        let mut guest = start(instance, request, scope, head.clone())?;
        let mut collected = Collected::default();
        let done = poll_fn(|cx| {
            loop {
                let guest_done = guest.as_mut().poll(cx);
                if collected.head.is_none() {
                    match head.lock().take() {
                        Some(Ok(head)) => collected.head = Some(head),
                        Some(Err(error)) => return Poll::Ready(Err(error)),
                        None => {}
                    }
                }
                let progress = collected.poll_body(cx);
                match guest_done {
                    Poll::Ready(done) => return Poll::Ready(Ok(Some(done))),
                    // Reading may have made room for the guest to write more.
                    Poll::Pending if progress => continue,
                    Poll::Pending if collected.head.is_some() => return Poll::Ready(Ok(None)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await?;

        let Some((instance, result)) = done else {
            // The head is there, and the guest goes on.
            let handler = self.clone();
            let failed = Failed::default();
            let tell = failed.clone();
            self.tasks()
                .spawn(async move { handler.finish(guest, timeout, tell).await });
            return collected.into_answer(request, failed);
        };
        if let Err(error) = result {
            return Err(RunError::trap(&instance.store, error));
        }
        if collected.head.is_none() {
            return Err(RunError::NoResponse);
        }
        self.release(instance);
        collected.into_answer(request, Failed::default())
    }

    /// Lets a guest finish what it does after its response head.
    async fn finish(&self, mut guest: GuestRun, timeout: Duration, failed: Failed) {
        let (instance, error) = match tokio::time::timeout(timeout, &mut guest).await {
            Ok((instance, Ok(()))) => {
                self.release(instance);
                return;
            }
            Ok((instance, Err(error))) => {
                let error = RunError::trap(&instance.store, error);
                (Some(instance), error)
            }
            Err(_) => (None, RunError::Timeout(timeout)),
        };
        // Before the instance goes, and with it the guest's end of the body:
        // whoever reads that must find out why.
        failed.set();
        drop((instance, guest));
        tracing::warn!(component = %self.component(), "after the response head: {error}");
    }
}

/// Prepares the call and returns the future that makes it.
fn start(
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
                        let Proxy::P3(service) = &*proxy else {
                            return Ok(());
                        };
                        let response = service
                            .wasi_http_handler()
                            .call_handle(accessor, guest_request)
                            .await?;
                        let head = match response {
                            Ok(response) => Ok(accessor.with(|mut access| {
                                take_response(&mut access.as_context_mut(), response)
                            })?),
                            Err(code) => Err(RunError::Guest(code.to_string())),
                        };
                        // From here on, what the guest writes is no longer
                        // part of the transaction.
                        scope.transaction.seal();
                        *slot.lock() = Some(head);
                        tasks_ended(accessor).await;
                        Ok(())
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
                    })
                    .await
                    .flatten();
                (instance, result)
            }))
        }
    }
}

/// Resolves when the guest has nothing left to do: a task may go on after it
/// has returned its response, to write the body for one.
async fn tasks_ended(accessor: &Accessor<HostState>) {
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
}

fn take_response(
    store: &mut wasmtime::StoreContextMut<'_, HostState>,
    resource: wasmtime::component::Resource<p3::Response>,
) -> wasmtime::Result<Head> {
    let number = resource.rep();
    let state = store.data_mut();
    let response = state.table.delete(resource)?;
    if let Some((own, body)) = state.response.take()
        && own == number
    {
        let mut parts = http::Response::new(()).into_parts().0;
        parts.status = response.status;
        parts.headers = response.headers.into();
        return Ok((parts, GuestBody::Own(body)));
    }
    let response = response.into_http(store, async { Ok(()) })?;
    let (parts, body) = response.into_parts();
    Ok((parts, GuestBody::Foreign(body)))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RunError::Instantiate(wasmtime::Error::new(error))
}

/// Bytes of a body that are read ahead to find out whether it is short.
const READ_AHEAD: usize = 64 * 1024;

/// What has come from the guest so far.
#[derive(Default)]
struct Collected {
    head: Option<Head>,
    /// Read ahead of a [`GuestBody::Foreign`].
    chunks: Vec<Bytes>,
    length: usize,
    /// The frame after the last chunk: the end, trailers or an error.
    end: Option<Option<Result<http_body::Frame<Bytes>, wasmtime_wasi_http::Error>>>,
}

impl Collected {
    /// Reads what is there. Says whether there was anything.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((_, GuestBody::Foreign(body))) = &mut self.head else {
            return false;
        };
        let mut progress = false;
        while self.end.is_none() && self.length < READ_AHEAD {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                break;
            };
            progress = true;
            match frame {
                Some(Ok(frame)) if frame.is_data() => {
                    if let Ok(data) = frame.into_data() {
                        self.length += data.len();
                        self.chunks.push(data);
                    }
                }
                end => self.end = Some(end),
            }
        }
        progress
    }

    fn into_answer(self, request: &HeldRequest, failed: Failed) -> Result<Answer, RunError> {
        let Some((head, body)) = self.head else {
            return Err(RunError::NoResponse);
        };
        if head.status.is_informational() {
            return Err(RunError::Guest(format!(
                "it answered with the status {}, which announces an answer and is none",
                head.status.as_u16()
            )));
        }
        let body = match body {
            GuestBody::Own(mut body) => match body.take_complete() {
                Some(complete) => AnswerBody::Complete(
                    complete.map_err(|error| RunError::Guest(error.to_string()))?,
                ),
                None => AnswerBody::Streaming(body.map_err(Into::into).boxed_unsync()),
            },
            GuestBody::Foreign(rest) => match self.end {
                Some(None) => AnswerBody::Complete(concat(self.chunks, self.length)),
                Some(Some(Err(error))) => return Err(RunError::Guest(error.to_string())),
                end => {
                    let ahead = self.chunks.into_iter().map(http_body::Frame::data);
                    let ahead = ahead.chain(end.flatten().and_then(Result::ok)).map(Ok);
                    let ahead = http_body_util::StreamBody::new(futures::stream::iter(ahead));
                    let rest = UnlessFailed { rest, failed };
                    AnswerBody::Streaming(Chained { ahead, rest }.boxed_unsync())
                }
            },
        };
        if let AnswerBody::Complete(body) = &body
            && let Some(declared) = declared_length(&head.headers)
            && declared != body.len() as u64
            && request.method != Method::HEAD
        {
            return Err(RunError::Guest(format!(
                "it declared a content-length of {declared} bytes and wrote {} bytes",
                body.len()
            )));
        }
        Ok(Answer { head, body })
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(http::header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

fn concat(mut chunks: Vec<Bytes>, length: usize) -> Bytes {
    match chunks.len() {
        0 => Bytes::new(),
        1 => chunks.swap_remove(0),
        _ => {
            let mut whole = BytesMut::with_capacity(length);
            for chunk in chunks {
                whole.extend_from_slice(&chunk);
            }
            whole.freeze()
        }
    }
}

/// Whether a guest failed after its response head.
#[derive(Clone, Default)]
struct Failed(Arc<AtomicBool>);

impl Failed {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that ends with an error if its guest failed.
///
/// The body of a WASI 0.2 guest ends where its writer is dropped, also when
/// the guest trapped: to the client that would look like a whole answer.
struct UnlessFailed {
    rest: WasiBody,
    failed: Failed,
}

impl http_body::Body for UnlessFailed {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.rest).poll_frame(cx) {
            Poll::Ready(None) if self.failed.get() => {
                Poll::Ready(Some(Err(BodyError::Unfinished.into())))
            }
            frame => frame,
        }
    }
}

/// One body after another.
struct Chained<A> {
    ahead: A,
    rest: UnlessFailed,
}

impl<A> http_body::Body for Chained<A>
where
    A: http_body::Body<Data = Bytes, Error = wasmtime_wasi_http::Error> + Unpin,
{
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.ahead).poll_frame(cx) {
            Poll::Ready(None) => Pin::new(&mut self.rest).poll_frame(cx),
            frame => frame,
        }
    }
}
