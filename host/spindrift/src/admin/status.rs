//! `/status`: what this node is and holds, as JSON.

use serde::Serialize;
use spindrift_replication::Published;

use super::Admin;

/// The answer of `/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    application: String,
    uptime_seconds: u64,
    shutting_down: bool,
    /// The revision that the last commit got.
    revision: u64,
    requests_under_way: usize,
    idle_instances: usize,
    stores: Vec<StoreStatus>,
    /// This node in its cluster; absent where the stores are local.
    #[serde(skip_serializing_if = "Option::is_none")]
    replication: Option<Published>,
}

#[derive(Debug, Serialize)]
struct StoreStatus {
    label: String,
    entries: u64,
    bytes: u64,
    /// The limit in force: of a replicated store the cluster's, whatever this node is configured
    /// with.
    max_bytes: u64,
}

impl Status {
    pub(crate) fn of(admin: &Admin) -> Self {
        let map = admin.backend.map();
        let stores = admin.backend.stores().iter();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            application: admin.application.name.clone(),
            uptime_seconds: admin.started.elapsed().as_secs(),
            shutting_down: admin.shutdown.is_cancelled(),
            revision: map.applied(),
            requests_under_way: admin.service.requests_under_way(),
            idle_instances: admin.runtime.idle_instances(),
            stores: stores
                .map(|(id, label, _)| StoreStatus {
                    label: label.to_owned(),
                    entries: map.entries(id),
                    bytes: map.total_bytes(id),
                    max_bytes: map.max_total_bytes(id),
                })
                .collect(),
            replication: admin
                .replication
                .as_ref()
                .map(|replication| replication.published()),
        }
    }
}
