//! The routes of the admin port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics;
use super::status::Status;
use crate::app::Application;
use crate::gateway::Gateway;
use crate::replication::Publish;
use crate::runtime::Runtime;
use crate::store::Backend;

/// The admin port could not be opened.
#[derive(Debug, Error)]
#[error(
    "cannot listen on {address} for administration: {source}; choose another address with --admin-listen"
)]
pub struct AdminError {
    address: SocketAddr,
    source: io::Error,
}

/// What the admin port reports on.
pub struct Admin {
    /// The application that is served.
    pub application: Arc<Application>,
    /// Its components.
    pub runtime: Arc<Runtime>,
    /// Its stores.
    pub backend: Arc<dyn Backend>,
    /// The cluster that the stores are replicated by, if they are.
    pub replication: Option<Arc<dyn Publish>>,
    /// What answers requests.
    pub gateway: Arc<Gateway>,
    /// When the process started.
    pub started: Instant,
    /// Cancelled when the node goes down.
    pub shutdown: CancellationToken,
}

struct Shared {
    admin: Admin,
    registry: Registry,
}

impl Admin {
    /// Listens on `address` and serves for as long as the process lives, so
    /// that a node that goes down can be watched to its end. Answers where it
    /// listens.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be had.
    pub async fn serve(self, address: SocketAddr) -> Result<SocketAddr, AdminError> {
        let failed = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let registry = metrics::registry(&self);
        let shared = Arc::new(Shared {
            admin: self,
            registry,
        });
        let routes = Router::new()
            .route("/live", get(live))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/status", get(status))
            .with_state(shared);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!("the admin port has failed: {error}");
            }
        });
        Ok(address)
    }
}

async fn live(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    shared.admin.gateway.health().live()
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    shared.admin.gateway.health().ready()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => {
            tracing::error!("metrics could not be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<Status> {
    Json(Status::of(&shared.admin))
}
