//! [`Health`]: whether the process is sound, and whether requests should be sent to it. Asked on the public port, where the
//! probes of Kubernetes reach it, and on the admin port, from the moment that the process listens there.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// What a probe is answered where all is well.
const OK: &str = "ok\n";

/// How long a process that starts is waited for until its start is over, ready or not.
const HELD_FOR: Duration = Duration::from_secs(20);

/// How many may wait for that at once; there is no answer worth waiting for to more.
const HELD_AT_ONCE: usize = 16;

/// How often they look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Says why a process that has started should not be sent requests, if it should not.
type ReadinessCheck = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The health of the process: it starts, it serves, it is told to stop.
pub struct Health {
    /// Cancelled when the process is told to stop.
    shutdown: CancellationToken,
    began: Instant,
    /// Places of those who wait until the start is over.
    held: Semaphore,
    /// What the start waits for.
    waiting_for: Mutex<Cow<'static, str>>,
    /// Set once the process has started.
    readiness_check: OnceLock<ReadinessCheck>,
}

impl Health {
    /// That of a process that starts. `shutdown` is cancelled when it is told to stop.
    pub fn starting(shutdown: CancellationToken) -> Self {
        Health {
            shutdown,
            began: Instant::now(),
            held: Semaphore::new(HELD_AT_ONCE),
            waiting_for: Mutex::new("it has just begun".into()),
            readiness_check: OnceLock::new(),
        }
    }

    /// Says what the start waits for from now on, as a clause: `the components are being compiled`.
    pub fn wait_for(&self, what: impl Into<Cow<'static, str>>) {
        *self.waiting_for.lock() = what.into();
    }

    /// What the start waits for, or waited for last.
    pub(crate) fn waiting_for(&self) -> String {
        self.waiting_for.lock().clone().into_owned()
    }

    /// Says that the process has started. `readiness_check` says why it should not be sent requests, if it should not; it is asked
    /// for each answer, and must not wait. The first one stays.
    pub fn started(&self, readiness_check: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let _ = self.readiness_check.set(Box::new(readiness_check));
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
        match self.readiness_check.get() {
            None => self.not_started(),
            Some(readiness_check) => match readiness_check() {
                Some(reason) => unavailable(&reason),
                None => (StatusCode::OK, OK.into()),
            },
        }
    }

    /// Waits until the process is ready, for 20 s at most, so that a startup probe neither fails nor makes the start longer. After
    /// that the readiness probe takes over. Beyond 16 callers, nobody waits.
    pub(crate) async fn start_is_over(&self) -> (StatusCode, String) {
        let place = self.held.try_acquire();
        while place.is_ok() && self.began.elapsed() < HELD_FOR {
            if self.shutdown.is_cancelled() || self.ready().0 == StatusCode::OK {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        (StatusCode::OK, OK.into())
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
            .field("started", &self.readiness_check.get().is_some())
            .field("waiting_for", &self.waiting_for)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_start_is_over_when_the_process_is_ready_or_takes_long() {
        let shutdown = CancellationToken::new();
        let health = Arc::new(Health::starting(shutdown.clone()));
        let wait = |health: &Arc<Health>| {
            let health = health.clone();
            let began = Instant::now();
            async move {
                let (status, _) = health.start_is_over().await;
                assert_eq!(status, StatusCode::OK);
                began.elapsed()
            }
        };
        let waiting = [(); HELD_AT_ONCE].map(|()| tokio::spawn(wait(&health)));
        sleep(Duration::from_secs(3)).await;
        assert_eq!(
            wait(&health).await,
            Duration::ZERO,
            "there are many already"
        );
        let joined = Arc::new(OnceLock::<()>::new());
        let joins = joined.clone();
        health.started(move || joins.get().is_none().then(|| "it joins".to_owned()));
        sleep(Duration::from_secs(1)).await;
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        joined.set(()).expect("once");
        for waiting in waiting {
            let waited = waiting.await.expect("no panic");
            assert!(waited < Duration::from_secs(5), "{waited:?}");
        }
        let late = Arc::new(Health::starting(shutdown.clone()));
        let waited = wait(&late).await;
        assert!(waited >= HELD_FOR && waited < HELD_FOR * 2, "{waited:?}");
        assert_eq!(wait(&late).await, Duration::ZERO, "it is over");
        let stopping = Arc::new(Health::starting(shutdown.clone()));
        shutdown.cancel();
        assert_eq!(wait(&stopping).await, Duration::ZERO);
    }

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
