//! Who answers a request: the host itself, for what is its own and for everything while the process starts, or the
//! application.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use spindrift_app::Application;
use spindrift_failures::Excerpt;
use spindrift_runtime::Runtime;
use spindrift_store::{Backend, Consistency};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bodies::Bodies;
use super::body_source::BodySource;
use super::connections::Connections;
use super::health::Health;
use super::problem::Problem;
use super::readers::Readers;
use super::request_body::RequestBody;
use super::response::GatewayBody;
use super::self_requests::BaseUrl;
use super::service::{Client, GatewayLimits, Service};
use super::{request_headers, well_known};
use crate::serving::{ArrivingBody, BadHead};

/// What answers every request, from the moment that the process listens.
///
/// Connections belong to it, and not to the application: one that was opened while the process started is served by the
/// application once there is one.
pub struct Gateway {
    pub(crate) limits: GatewayLimits,
    /// Clients that are sent something.
    pub(crate) readers: Arc<Readers>,
    /// Bodies of requests.
    bodies: Arc<Bodies>,
    health: Arc<Health>,
    /// How many connections are open.
    pub(crate) connections: Arc<Connections>,
    /// How long clients are told that they may leave a connection idle.
    keep_alive: Option<HeaderValue>,
    /// Connections, and whatever else goes on for requests.
    tasks: TaskTracker,
    /// What answers for the application, once the process has started.
    service: OnceLock<Arc<Service>>,
    /// Where the application is, for its requests to itself.
    pub(crate) base_url: BaseUrl,
    /// The server is going down: clients are asked not to come back on the
    /// same connection.
    draining: AtomicBool,
    gives_up: CancellationToken,
}

impl Gateway {
    /// One without an application yet, in a process of this health that listens there.
    pub fn new(limits: GatewayLimits, health: Arc<Health>, base_url: BaseUrl) -> Self {
        let memory = &limits.memory;
        let gives_up = CancellationToken::new();
        let readers = Readers::new(limits.answer_rate, memory.clone());
        Gateway {
            bodies: Bodies::new(
                limits.bodies.clone(),
                memory.clone(),
                readers.clone(),
                gives_up.clone(),
            ),
            readers,
            connections: Arc::new(Connections::new(
                limits.max_connections,
                limits.max_refusals,
            )),
            keep_alive: limits.keep_alive(),
            limits,
            health,
            tasks: TaskTracker::new(),
            service: OnceLock::new(),
            base_url,
            draining: AtomicBool::new(false),
            gives_up,
        }
    }

    /// What is under way: connections, and guests that go on after their
    /// answer, where the [`Runtime`] was given it.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Its connections.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// What clients are told of how long they may leave a connection idle; nothing where that is less than a second.
    pub(crate) fn keep_alive(&self) -> Option<&HeaderValue> {
        self.keep_alive.as_ref()
    }

    /// Cancelled when the server goes down, and has waited for as long as it does for requests that have not arrived as a
    /// whole.
    pub(crate) fn gives_up(&self) -> &CancellationToken {
        &self.gives_up
    }

    /// Has an application on a store answer from now on. The first one stays.
    ///
    /// Whether the process is ready for requests is for its [`Health`] to say.
    pub fn serve(
        self: &Arc<Self>,
        application: Arc<Application>,
        runtime: Arc<Runtime>,
        backend: Arc<dyn Backend>,
        consistency: Consistency,
    ) -> &Arc<Service> {
        let answers: Weak<Self> = Arc::downgrade(self);
        runtime.answer_self_requests(answers);
        self.service.get_or_init(|| {
            let limits = self.limits.clone();
            let service = Service::new(
                application,
                runtime,
                backend,
                consistency,
                limits,
                &self.readers,
                self.bodies.clone(),
            );
            Arc::new(service)
        })
    }

    /// Whether there is an application that answers.
    pub(crate) fn is_serving(&self) -> bool {
        self.service.get().is_some()
    }

    /// Asks every client, with its next answer, to open a new connection.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Answers one request. There is always an answer.
    pub(crate) async fn answer(
        &self,
        client: &Client,
        request: Request<ArrivingBody>,
    ) -> Response<GatewayBody> {
        let http1 = request.version() < Version::HTTP_2;
        let request = request.map(BodySource::Client);
        let mut response = self.answer_to(client, request).await;
        if http1 && self.draining.load(Ordering::Relaxed) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Answers one request, wherever it comes from.
    pub(crate) async fn answer_to(
        &self,
        client: &Client,
        request: Request<BodySource>,
    ) -> Response<GatewayBody> {
        let head = request.method() == Method::HEAD;
        let log = tracing::enabled!(tracing::Level::DEBUG).then(|| {
            (
                Instant::now(),
                request.method().clone(),
                request.uri().clone(),
            )
        });
        let mut response = match self.dispatch(client, request).await {
            Ok(response) => response,
            Err(Failed {
                problem,
                path,
                component,
            }) => problem.into_response(&path, component.as_deref().unwrap_or_default()),
        };
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => drop_body(&mut response),
            _ if head => keep_length_of_get(&mut response),
            _ => {}
        }
        if let Some((started, method, uri)) = log {
            tracing::debug!(
                %method,
                path = %Excerpt(uri.path()),
                status = response.status().as_u16(),
                elapsed_us = started.elapsed().as_micros() as u64,
                "request"
            );
        }
        response
    }

    /// What answers for the application, once there is one.
    pub(crate) fn service(&self) -> Option<&Arc<Service>> {
        self.service.get()
    }

    /// Answers a request whose head is not one that can be answered.
    pub(crate) fn refuse(
        &self,
        request: Request<ArrivingBody>,
        bad: BadHead,
    ) -> Response<GatewayBody> {
        let (parts, body) = request.into_parts();
        // The host reads on in it for a while, so that its client gets the answer.
        drop(RequestBody::new(BodySource::Client(body), &self.bodies));
        tracing::debug!(path = %Excerpt(parts.uri.path()), "request refused: {bad}");
        let mut response = Problem::from(bad).into_response(parts.uri.path(), "");
        if parts.method == Method::HEAD {
            keep_length_of_get(&mut response);
        }
        let ends = bad.ends_connection() || self.draining.load(Ordering::Relaxed);
        if ends && parts.version < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    async fn dispatch(
        &self,
        client: &Client,
        request: Request<BodySource>,
    ) -> Result<Response<GatewayBody>, Failed> {
        let (parts, body) = request.into_parts();
        // The host reads on in a body that no answer has needed, for a while.
        let body = RequestBody::new(body, &self.bodies);
        let path_and_query = match parts.uri.path_and_query() {
            Some(path_and_query) => path_and_query.clone(),
            None => PathAndQuery::from_static("/"),
        };
        let path = path_and_query.path();
        let failed = |problem| Failed {
            problem,
            path: path.to_owned(),
            component: None,
        };
        let service = self.service.get();
        let info = service.map(|service| service.info());
        if client.component.is_none() {
            let answer = well_known::answer(&parts.method, path, &self.health, info);
            if let Some(answer) = answer.await {
                return answer.map_err(failed);
            }
        }
        let Some(service) = service else {
            return Err(failed(Problem::Starting(self.health.waiting_for())));
        };
        let head = request_headers::hold(&self.limits.memory, &parts);
        let _head = head.map_err(|spent| failed(spent.into()))?;
        let answer = service.answer(client, parts, body, &path_and_query).await;
        answer.map_err(|(problem, component)| Failed {
            component,
            ..failed(problem)
        })
    }
}

/// A request that the host answers instead of a component.
struct Failed {
    problem: Problem,
    path: String,
    /// The component that was to answer, if one was.
    component: Option<Arc<str>>,
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
    response.body_mut().leave_unsent();
}

/// A status that has no body: what the guest wrote all the same would break
/// the connection's framing.
fn drop_body(response: &mut Response<GatewayBody>) {
    if response.status() == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response.body_mut().leave_unsent();
}
