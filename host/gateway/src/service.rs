//! One request to the application: find its route, hold it, run it, answer it.

mod transact;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Response};
use spindrift_app::{Application, RouteMatch, Router, StaticResponse, Target, internal_component};
use spindrift_memory::Budget;
use spindrift_runtime::{
    Answer, AnswerBody, Handler, HeldRequest, Runtime, guest_headers, remove_connection_options,
};
use spindrift_store::{Backend, Consistency};
use spindrift_values::Range;
use tokio::time::{Instant, timeout_at};

use super::bodies::{Bodies, BodyLimits};
use super::concurrency::Concurrency;
use super::metrics::GatewayMetrics;
use super::pace::MinRate;
use super::problem::Problem;
use super::readers::Readers;
use super::request_body::RequestBody;
use super::response::GatewayBody;
use super::sending::{Expected, Sending};
use super::streams::Streams;
use super::{request_headers, well_known};
use crate::serving;

/// What the gateway allows.
#[derive(Clone, Debug)]
pub struct GatewayLimits {
    /// Request bodies.
    pub bodies: BodyLimits,
    /// How fast clients have to read answers.
    pub answer_rate: MinRate,
    /// The budget for what is held for clients.
    pub memory: Arc<Budget>,
    /// How many requests may be under way at once: those whose bodies are there, until their guests are done.
    pub max_concurrent_requests: usize,
    /// How long a request waits for a place among those.
    pub queue_timeout: Duration,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How many connections beyond that may be open at once, to be told that they are refused.
    pub max_refusals: usize,
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// How long a client may leave a connection idle, as it is told.
    pub keep_alive_timeout: Duration,
    /// The longest a request may take, once its body is there.
    pub request_timeout: Range<Duration>,
    /// The buffer of an HTTP/1 connection, in bytes, if it was given.
    pub http1_max_buf_size: Option<usize>,
}

/// What answers the requests of an application: its components, on a store.
pub struct Service {
    application: Arc<Application>,
    /// For each component, what hands it every path.
    components: Vec<Router>,
    runtime: Arc<Runtime>,
    pub(crate) backend: Arc<dyn Backend>,
    consistency: Consistency,
    /// What is said of the application, made once.
    info: Bytes,
    pub(crate) metrics: Arc<GatewayMetrics>,
    requests: Concurrency,
    pub(crate) streams: Streams,
    readers: Arc<Readers>,
    bodies: Arc<Bodies>,
    limits: GatewayLimits,
}

/// Where a request came from.
pub(crate) struct Client {
    /// `http`, or `https` over TLS.
    pub scheme: Scheme,
    /// The address as a header.
    pub address: HeaderValue,
    /// What stands for the host if the client names none.
    pub default_authority: Authority,
    /// How many requests of the application to itself have led to those of this client: none to those of a client outside.
    pub depth: usize,
    /// The component, by its place in the application, that is to answer whatever the path is, if this is a component that has
    /// asked for that.
    pub component: Option<usize>,
}

impl Service {
    /// Puts an application, its components and a store together.
    pub(crate) fn new(
        application: Arc<Application>,
        runtime: Arc<Runtime>,
        backend: Arc<dyn Backend>,
        consistency: Consistency,
        limits: GatewayLimits,
        readers: &Arc<Readers>,
        bodies: Arc<Bodies>,
    ) -> Self {
        let streams = Streams::new(limits.max_concurrent_requests, limits.memory.clone());
        let requests = Concurrency::new(limits.max_concurrent_requests, limits.queue_timeout);
        if runtime.may_call_itself() {
            requests.keep_places();
        }
        let components = application.components.iter().enumerate();
        let components =
            components.map(|(index, component)| Router::to_component(index, &component.id));
        Service {
            info: well_known::info(&application),
            metrics: GatewayMetrics::new(&application, readers, &streams, &requests),
            components: components.collect(),
            streams,
            readers: readers.clone(),
            bodies,
            application,
            runtime,
            backend,
            consistency,
            requests,
            limits,
        }
    }

    /// What is said of the application, as JSON.
    pub(crate) fn info(&self) -> &Bytes {
        &self.info
    }

    /// What it has counted.
    pub fn metrics(&self) -> &Arc<GatewayMetrics> {
        &self.metrics
    }

    /// The place of the component of this id in the application.
    pub(crate) fn component(&self, id: &str) -> Option<usize> {
        let mut components = self.application.components.iter();
        components.position(|component| component.id.eq_ignore_ascii_case(id))
    }

    /// How many requests are under way, those included whose guests are still writing their answers.
    pub fn requests_under_way(&self) -> usize {
        self.requests.under_way()
    }

    /// How many request bodies are waited for.
    pub fn bodies_arriving(&self) -> usize {
        self.bodies.arriving()
    }

    /// Makes room for a request that there was no memory or no instance for: ends what clients do not read. Says whether there
    /// was any such thing.
    pub(crate) fn relieve(&self) -> bool {
        let guests = self.streams.relieve();
        self.readers.relieve() || guests
    }

    /// Answers one request.
    ///
    /// # Errors
    ///
    /// The host has to answer instead of the component, which is named if there is one for the path.
    pub(crate) async fn answer(
        &self,
        client: &Client,
        parts: http::request::Parts,
        body: RequestBody<'_>,
        path_and_query: &PathAndQuery,
    ) -> Result<Response<GatewayBody>, (Problem, Option<Arc<str>>)> {
        let path = path_and_query.path();
        let router = match client.component {
            Some(component) => self.components.get(component),
            None => Some(&self.application.router),
        };
        let route = router.and_then(|router| router.route(path));
        let route = route.ok_or((Problem::NotFound, None))?;
        let component = match route.target() {
            Target::Static(response) => return Ok(static_response(response)),
            Target::Component(index) => *index,
        };
        let handler = self.runtime.handler(component);
        let handler = handler.ok_or((Problem::NotFound, None))?;
        let started = Instant::now();
        let answer = self
            .run(client, handler, &route, parts, body, path_and_query)
            .await;
        let status = match &answer {
            Ok(response) => response.status(),
            Err(problem) => problem.status(),
        };
        self.metrics.answered(component, status, started.elapsed());
        answer.map_err(|problem| (problem, Some(handler.component().clone())))
    }

    async fn run(
        &self,
        client: &Client,
        handler: &Arc<Handler>,
        route: &RouteMatch<'_>,
        parts: http::request::Parts,
        body: RequestBody<'_>,
        path_and_query: &PathAndQuery,
    ) -> Result<Response<GatewayBody>, Problem> {
        let timeout = self.limits.request_timeout.sample(&mut rand::rng());
        let deadline = Instant::now() + timeout;
        let body = body.hold(&parts.headers, deadline, timeout).await;
        let body = body.inspect_err(|problem| self.metrics.refused_body(problem))?;
        let sending = Sending::current();
        let mut expected = match &sending {
            Some(sending) => match sending.connection().room_now() {
                None => {
                    let room = timeout_at(deadline, sending.connection().room()).await;
                    Some(room.map_err(|_| Problem::Unread)?)
                }
                room => room,
            },
            None => None,
        };
        let line = sending.as_ref().map(|sending| sending.connection().line());
        if client.depth > 0 {
            self.requests.keep_places();
        }
        let permit = self.requests.place(line, client.depth, deadline).await?;
        let named = serving::authority(&parts.uri, &parts.headers);
        // Only the application itself names a component in place of a host.
        let named = named.filter(|named| {
            client.component.is_some() || internal_component(named.host()).is_none()
        });
        let authority = named.as_ref().unwrap_or(&client.default_authority);
        let authority = authority.clone();
        let consistency = self.consistency(&parts.headers);
        let mut headers = parts.headers;
        remove_connection_options(&mut headers);
        request_headers::set_host(&mut headers, named.as_ref());
        request_headers::add_spin_headers(
            &mut headers,
            &client.scheme,
            &authority,
            path_and_query,
            route,
            &client.address,
        );
        let request = HeldRequest {
            method: parts.method,
            scheme: client.scheme.clone(),
            authority,
            path_and_query: path_and_query.clone(),
            headers: guest_headers(headers),
            body,
            depth: client.depth,
        };
        let transaction = self.transact(
            handler,
            &request,
            consistency,
            deadline,
            timeout,
            &mut expected,
        );
        let Answer { head, body, guest } = transaction.await?;
        // Its place is free once the guest is done, whether the client has read what it wrote or not.
        if let Some(guest) = &guest {
            guest.hold(permit);
        }
        let body = match body {
            AnswerBody::Complete(body, charge) => {
                GatewayBody::held(body, charge, expected.map(Expected::into_unread))
            }
            AnswerBody::Streaming(body) => GatewayBody::streaming(body, guest, &head.headers),
        };
        Ok(Response::from_parts(head, body))
    }

    fn consistency(&self, headers: &HeaderMap) -> Consistency {
        match headers.get("x-consistency") {
            Some(value) if value.as_bytes().eq_ignore_ascii_case(b"stale") => Consistency::Stale,
            _ => self.consistency,
        }
    }
}

fn static_response(configured: &StaticResponse) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::full(configured.body.clone()));
    *response.status_mut() = configured.status;
    *response.headers_mut() = configured.headers.clone();
    response
}
