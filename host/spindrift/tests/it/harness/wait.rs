//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Far longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `condition` gives something, and returns that.
///
/// # Panics
///
/// After [`PATIENCE`], saying `what` did not happen.
pub async fn eventually<T>(what: impl Display, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        pause().await;
    }
}

/// The time between two looks at a condition.
pub(super) async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// The outcome of `future`.
///
/// # Panics
///
/// After [`PATIENCE`], saying `what` did not happen.
pub async fn within<F: Future>(what: impl Display, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}
