//! The routes of the admin port. It answers probes from the start of the process, and the rest once that serves.
//!
//! It has few connections, and takes every new one: the idlest makes room, so that none keeps a probe out. It reads no bodies.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use prometheus_client::registry::Registry;
use spindrift_app::Application;
use spindrift_failures::{Kind, log_failure};
use spindrift_gateway::serving::{Activity, BadHead, Places, Socket, Timeouts, check_head, serve};
use spindrift_gateway::{Connections, Health, Service};
use spindrift_memory::Budget;
use spindrift_net::listening::{accept, listen};
use spindrift_replication::Publish;
use spindrift_runtime::Runtime;
use spindrift_store::Backend;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::metrics;
use super::status::Status;

/// How long clients are waited for. Prometheus asks once a minute, unless told otherwise, on a connection that it keeps.
const PATIENCE: Timeouts = Timeouts {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(120),
    answer: Some(Duration::from_secs(10)),
};

/// The largest buffer of a connection, in bytes. No request to this port is longer.
const MAX_BUFFER: usize = 16 * 1024;

const LIVE: &str = "/live";
const READY: &str = "/ready";
const METRICS: &str = "/metrics";
const STATUS: &str = "/status";

/// The paths of the port, with the answer of each as Markdown.
pub(crate) const PATHS: [(&str, &str); 4] = [
    (LIVE, "200 for as long as the process answers."),
    (
        READY,
        "200 if clients should send requests to this node, else 503. The body says why not. It is 503 from the first SIGTERM on, \
         and until a replicated store has joined its cluster and caught up.",
    ),
    (METRICS, "The metrics of the node, for Prometheus."),
    (STATUS, "The state of the node as JSON."),
];

/// The admin port could not be opened.
#[derive(Debug, Error)]
#[error(
    "cannot listen on {address} for administration: {reason}; choose another address with --admin-listen"
)]
pub struct AdminError {
    address: SocketAddr,
    reason: io::Error,
}

/// The admin port, which serves for as long as the process lives, so that a
/// node that goes down can be watched to its end.
pub struct AdminPort {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// What the admin port reports on, once there is all of it.
pub struct Admin {
    /// The application that is served.
    pub application: Arc<Application>,
    /// Its components.
    pub runtime: Arc<Runtime>,
    /// Its stores.
    pub backend: Arc<dyn Backend>,
    /// The cluster that the stores are replicated by, if they are.
    pub replication: Option<Arc<dyn Publish>>,
    /// The connections of the public port.
    pub connections: Arc<Connections>,
    /// What answers requests.
    pub service: Arc<Service>,
    /// When the process started.
    pub started: Instant,
    /// Cancelled when the node goes down.
    pub shutdown: CancellationToken,
}

struct Shared {
    health: Arc<Health>,
    report: OnceLock<Report>,
}

struct Report {
    admin: Admin,
    registry: Registry,
}

impl AdminPort {
    /// Listens on `address`, and answers at once for a process of this health, on `connections` at a time.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be had.
    pub async fn open(
        address: SocketAddr,
        connections: usize,
        health: Arc<Health>,
    ) -> Result<Self, AdminError> {
        let failed = |reason| AdminError { address, reason };
        let listener = listen(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            health,
            report: OnceLock::new(),
        });
        let routes = Router::new()
            .route(LIVE, get(live))
            .route(READY, get(ready))
            .route(METRICS, get(metrics))
            .route(STATUS, get(status))
            .with_state(shared.clone());
        tokio::spawn(take_connections(listener, connections, routes));
        Ok(AdminPort { shared, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has `/metrics` and `/status` report on a process that serves. The first
    /// one stays.
    pub fn report(&self, admin: Admin) {
        let registry = metrics::registry(&admin);
        let _ = self.shared.report.set(Report { admin, registry });
    }
}

/// Takes connections, of which so many are open at a time, for as long as it is polled.
async fn take_connections(listener: TcpListener, connections: usize, routes: Router) {
    let places = Places::new(connections);
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().max_buf_size(MAX_BUFFER);
    let builder = Arc::new(builder);
    loop {
        let (stream, _) = accept(&listener).await;
        let activity = Arc::new(Activity::begin());
        let place = places.take(&activity).await;
        let (builder, routes) = (builder.clone(), routes.clone());
        tokio::spawn(async move {
            serve_connection(&builder, stream, activity, routes).await;
            drop(place);
        });
    }
}

async fn serve_connection(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    activity: Arc<Activity>,
    routes: Router,
) {
    // It is served for as long as the process lives.
    let close = CancellationToken::new();
    let socket = Socket::new(stream, activity.clone());
    // Operators are answered when the budget is spent, too: few connections, each with a small buffer, take little.
    serve(
        builder,
        socket,
        activity,
        &Budget::unlimited(),
        &PATIENCE,
        &close,
        |request, answering| {
            let (checked, routes) = (check_head(&request), routes.clone());
            async move {
                answering.with(match checked {
                    Ok(()) => match routes.oneshot(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    },
                    Err(bad) => refuse(bad),
                })
            }
        },
    )
    .await;
}

/// The answer to a request whose head is not one that can be answered, as on the public port.
fn refuse(bad: BadHead) -> Response {
    let detail = Json(serde_json::json!({"detail": bad.to_string()}));
    let mut response = (bad.status(), detail).into_response();
    if bad.ends_connection() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn live(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    shared.health.live()
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    shared.health.ready()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let Some(report) = shared.report.get() else {
        return shared.health.not_started().into_response();
    };
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &report.registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => {
            log_failure!(
                ERROR,
                Kind::Metrics,
                "",
                "metrics could not be written: {error}"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    match shared.report.get() {
        Some(report) => Json(Status::of(&report.admin)).into_response(),
        None => shared.health.not_started().into_response(),
    }
}
