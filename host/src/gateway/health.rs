//! [`Health`]: whether the process is sound, and whether requests should be sent to it. Asked on the public port, where the
//! probes of Kubernetes reach it, and on the admin port.

use std::fmt;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

/// What a probe is answered where all is well.
const OK: &str = "ok\n";

/// The health of the process.
pub struct Health {
    /// Cancelled when the process is told to stop.
    shutdown: CancellationToken,
    obstacle: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Health {
    /// `shutdown` is cancelled when the process is told to stop. `obstacle` says why it should not be sent requests, if it
    /// should not; it is asked for each answer, and must not wait.
    pub fn new(
        shutdown: CancellationToken,
        obstacle: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Health {
            shutdown,
            obstacle: Box::new(obstacle),
        }
    }

    /// Whether the process is sound: it answers. A cluster without a leader, or one that was not found, is no reason to
    /// start it again.
    pub fn live(&self) -> (StatusCode, String) {
        (StatusCode::OK, OK.into())
    }

    /// Whether requests should be sent here. They go to a node that is in its cluster, has caught up with it, and is not on
    /// its way out; the body says why not.
    pub fn ready(&self) -> (StatusCode, String) {
        let obstacle = if self.shutdown.is_cancelled() {
            Some("shutting down".into())
        } else {
            (self.obstacle)()
        };
        match obstacle {
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            None => (StatusCode::OK, OK.into()),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("shutdown", &self.shutdown.is_cancelled())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_in_its_cluster_until_it_goes_down() {
        let ok = (StatusCode::OK, "ok\n".to_owned());
        let shutdown = CancellationToken::new();
        let joined = Health::new(shutdown.clone(), || None);
        let joining = Health::new(shutdown.clone(), || Some("looking for a cluster".into()));
        let unavailable = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
        assert_eq!(joined.ready(), ok);
        assert_eq!(joining.ready(), unavailable("looking for a cluster"));
        shutdown.cancel();
        for health in [joined, joining] {
            assert_eq!(health.ready(), unavailable("shutting down"));
            assert_eq!(health.live(), ok);
        }
    }
}
