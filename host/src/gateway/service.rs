//! One request: find its route, hold it, run it, answer it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::health::Health;
use super::metrics::GatewayMetrics;
use super::problem::Problem;
use super::response::GatewayBody;
use super::well_known::WellKnown;
use super::{request_body, request_headers};
use crate::app::{Application, RouteMatch, StaticResponse, Target};
use crate::cli::Range;
use crate::runtime::{Answer, AnswerBody, Handler, HeldRequest, Runtime, guest_headers};
use crate::store::{Backend, Consistency};

/// What the gateway allows.
#[derive(Clone, Debug)]
pub struct GatewayLimits {
    /// The largest request body, in bytes.
    pub max_request_body: usize,
    /// How many requests may be under way at once.
    pub max_concurrent_requests: usize,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// The longest a request may take.
    pub request_timeout: Range<Duration>,
    /// The buffer of an HTTP/1 connection, in bytes, if not hyper's default.
    pub http1_max_buf_size: Option<usize>,
}

/// What answers requests: an application on a store.
pub struct Gateway {
    application: Arc<Application>,
    runtime: Arc<Runtime>,
    pub(super) backend: Arc<dyn Backend>,
    consistency: Consistency,
    well_known: WellKnown,
    pub(super) metrics: Arc<GatewayMetrics>,
    requests: Arc<Semaphore>,
    pub(super) limits: GatewayLimits,
    /// The server is going down: clients are asked not to come back on the
    /// same connection.
    draining: AtomicBool,
}

/// Where a request came from.
pub struct Client {
    /// `http`, or `https` over TLS.
    pub scheme: Scheme,
    /// The address as a header.
    pub address: HeaderValue,
    /// What stands for the host if the client names none.
    pub default_authority: Authority,
}

impl Gateway {
    /// Puts an application, its components and a store together, in a process of this health.
    pub fn new(
        application: Arc<Application>,
        runtime: Arc<Runtime>,
        backend: Arc<dyn Backend>,
        consistency: Consistency,
        limits: GatewayLimits,
        health: Health,
    ) -> Self {
        Gateway {
            well_known: WellKnown::new(&application, health),
            metrics: GatewayMetrics::new(&application),
            application,
            runtime,
            backend,
            consistency,
            requests: Arc::new(Semaphore::new(limits.max_concurrent_requests)),
            limits,
            draining: AtomicBool::new(false),
        }
    }

    /// What is under way: see [`Runtime::tasks`].
    pub(super) fn tasks(&self) -> &TaskTracker {
        self.runtime.tasks()
    }

    /// The health of the process.
    pub fn health(&self) -> &Health {
        self.well_known.health()
    }

    /// What it has counted.
    pub fn metrics(&self) -> &Arc<GatewayMetrics> {
        &self.metrics
    }

    /// How many requests are under way, streaming answers included.
    pub fn requests_under_way(&self) -> usize {
        let free = self.requests.available_permits();
        self.limits.max_concurrent_requests.saturating_sub(free)
    }

    /// Asks every client, with its next answer, to open a new connection.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Answers one request. There is always an answer.
    pub async fn answer(
        &self,
        client: &Client,
        request: Request<Incoming>,
    ) -> Response<GatewayBody> {
        let http1 = request.version() < Version::HTTP_2;
        let head = request.method() == Method::HEAD;
        let log = tracing::enabled!(tracing::Level::DEBUG).then(|| {
            (
                Instant::now(),
                request.method().clone(),
                request.uri().clone(),
            )
        });
        let mut response = match self.route(client, request).await {
            Ok(response) => response,
            Err((problem, path)) => problem.into_response(&path),
        };
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => drop_body(&mut response),
            _ if head => keep_length_of_get(&mut response),
            _ => {}
        }
        if let Some((started, method, uri)) = log {
            tracing::debug!(
                %method,
                path = uri.path(),
                status = response.status().as_u16(),
                elapsed_us = started.elapsed().as_micros() as u64,
                "request"
            );
        }
        if http1 && self.draining.load(Ordering::Relaxed) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn route(
        &self,
        client: &Client,
        request: Request<Incoming>,
    ) -> Result<Response<GatewayBody>, (Problem, String)> {
        let (parts, body) = request.into_parts();
        let path_and_query = match parts.uri.path_and_query() {
            Some(path_and_query) => path_and_query.clone(),
            None => PathAndQuery::from_static("/"),
        };
        let path = path_and_query.path();
        let failed = |problem| (problem, path.to_owned());
        if let Some(answer) = self.well_known.answer(&parts.method, path) {
            return answer.map_err(failed);
        }
        let route = self
            .application
            .router
            .route(path)
            .ok_or_else(|| failed(Problem::NotFound))?;
        let component = match route.target() {
            Target::Static(response) => return Ok(static_response(response)),
            Target::Component(index) => *index,
        };
        let handler = self
            .runtime
            .handler(component)
            .ok_or_else(|| failed(Problem::NotFound))?;
        let started = Instant::now();
        let answer = self
            .run(client, handler, &route, parts, body, &path_and_query)
            .await;
        let status = match &answer {
            Ok(response) => response.status(),
            Err(problem) => problem.status(),
        };
        self.metrics.answered(component, status, started.elapsed());
        answer.map_err(failed)
    }

    async fn run(
        &self,
        client: &Client,
        handler: &Arc<Handler>,
        route: &RouteMatch<'_>,
        parts: http::request::Parts,
        body: Incoming,
        path_and_query: &PathAndQuery,
    ) -> Result<Response<GatewayBody>, Problem> {
        let permit = self.requests.clone().try_acquire_owned().map_err(|_| {
            self.metrics.busy.inc();
            Problem::Busy {
                limit: self.limits.max_concurrent_requests,
            }
        })?;
        let timeout = self.limits.request_timeout.sample(&mut rand::rng());
        let deadline = Instant::now() + timeout;
        let limit = self.limits.max_request_body;
        let body = request_body::hold(&parts.headers, body, limit, timeout).await?;
        let authority = authority(&parts, client)?;
        let consistency = self.consistency(&parts.headers);
        let mut headers = parts.headers;
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
        };
        let Answer { head, body, .. } = self
            .transact(handler, &request, consistency, deadline, timeout)
            .await?;
        let body = match body {
            AnswerBody::Complete(body) => GatewayBody::held(body, permit),
            AnswerBody::Streaming(body) => GatewayBody::Streaming(body, permit),
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

/// A response to `HEAD` tells the length of what `GET` would have sent: the
/// body's, unless the guest says otherwise.
fn keep_length_of_get(response: &mut Response<GatewayBody>) {
    let length = http_body::Body::size_hint(response.body()).exact();
    if let Some(length) = length.filter(|&length| length > 0)
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = GatewayBody::full(bytes::Bytes::new());
}

/// The host that the client asked for: the request's target has it in HTTP/2,
/// the `Host` header in HTTP/1.
fn authority(parts: &http::request::Parts, client: &Client) -> Result<Authority, Problem> {
    if let Some(authority) = parts.uri.authority() {
        return Ok(authority.clone());
    }
    match parts.headers.get(HOST) {
        Some(host) => Authority::try_from(host.as_bytes())
            .map_err(|_| Problem::BadRequest("the Host header is malformed")),
        None => Ok(client.default_authority.clone()),
    }
}

/// A status that has no body: what the guest wrote all the same would break
/// the connection's framing.
fn drop_body(response: &mut Response<GatewayBody>) {
    if response.status() == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    *response.body_mut() = GatewayBody::full(bytes::Bytes::new());
}

fn static_response(configured: &StaticResponse) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::full(configured.body.clone()));
    *response.status_mut() = configured.status;
    *response.headers_mut() = configured.headers.clone();
    response
}
