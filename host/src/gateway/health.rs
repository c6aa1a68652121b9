//! [`Health`]: whether the process is sound, and whether requests should be sent to it. Asked on the public port, where the
//! probes of Kubernetes reach it, and on the admin port, from the moment that the process listens there.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use http::StatusCode;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// What a probe is answered where all is well.
const OK: &str = "ok\n";

/// Says why a process that has started should not be sent requests, if it should not.
type Obstacle = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The health of the process: it starts, it serves, it is told to stop.
pub struct Health {
    /// Cancelled when the process is told to stop.
    shutdown: CancellationToken,
    /// What the start waits for.
    waiting_for: Mutex<Cow<'static, str>>,
    /// Set once the process has started.
    obstacle: OnceLock<Obstacle>,
}

impl Health {
    /// That of a process that starts. `shutdown` is cancelled when it is told to stop.
    pub fn starting(shutdown: CancellationToken) -> Self {
        Health {
            shutdown,
            waiting_for: Mutex::new("it has just begun".into()),
            obstacle: OnceLock::new(),
        }
    }

    /// Says what the start waits for from now on, as a clause: `the components are being compiled`.
    pub fn wait_for(&self, what: impl Into<Cow<'static, str>>) {
        *self.waiting_for.lock() = what.into();
    }

    /// What the start waits for, or waited for last.
    pub fn waiting_for(&self) -> String {
        self.waiting_for.lock().clone().into_owned()
    }

    /// Says that the process has started. `obstacle` says why it should not be sent requests, if it should not; it is asked
    /// for each answer, and must not wait. The first one stays.
    pub fn started(&self, obstacle: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let _ = self.obstacle.set(Box::new(obstacle));
    }

    /// Whether the process is sound: it answers. A start that waits, a cluster without a leader, or one that was not found,
    /// is no reason to start it again.
    pub fn live(&self) -> (StatusCode, String) {
        (StatusCode::OK, OK.into())
    }

    /// Whether requests should be sent here. They go to a node that has started, is in its cluster, has caught up with it,
    /// and is not on its way out; the body says why not.
    pub fn ready(&self) -> (StatusCode, String) {
        if self.shutdown.is_cancelled() {
            return unavailable("shutting down");
        }
        match self.obstacle.get() {
            None => self.not_started(),
            Some(obstacle) => match obstacle() {
                Some(reason) => unavailable(&reason),
                None => (StatusCode::OK, OK.into()),
            },
        }
    }

    /// What is answered to whoever asks for something that there is only once the process has started.
    pub fn not_started(&self) -> (StatusCode, String) {
        unavailable(&format!("starting: {}", self.waiting_for()))
    }
}

fn unavailable(reason: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("shutdown", &self.shutdown.is_cancelled())
            .field("started", &self.obstacle.get().is_some())
            .field("waiting_for", &self.waiting_for)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_from_when_it_is_in_its_cluster_until_it_goes_down() {
        let ok = (StatusCode::OK, "ok\n".to_owned());
        let shutdown = CancellationToken::new();
        let [starting, joined, joining] = [(); 3].map(|()| Health::starting(shutdown.clone()));
        starting.wait_for("the API server is away");
        joined.started(|| None);
        joining.started(|| Some("looking for a cluster".into()));
        assert_eq!(
            starting.ready(),
            unavailable("starting: the API server is away")
        );
        assert_eq!(joined.ready(), ok);
        assert_eq!(joining.ready(), unavailable("looking for a cluster"));
        shutdown.cancel();
        for health in [starting, joined, joining] {
            assert_eq!(health.ready(), unavailable("shutting down"));
            assert_eq!(health.live(), ok);
        }
    }
}
