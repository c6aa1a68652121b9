//! Waiting for a condition.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take. Under a paused clock this is no time at all.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until `value` gives what is wanted.
///
/// # Panics
///
/// If it does not come to, saying what it gave last.
pub async fn eventually<T: Debug>(
    what: &str,
    mut value: impl FnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        let now = value();
        if wanted(&now) {
            return now;
        }
        assert!(
            Instant::now() < deadline,
            "waited for {what}; it is {now:?}"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until `value` is what is wanted.
///
/// # Panics
///
/// If it does not come to.
pub async fn becomes<T: Debug + PartialEq>(what: &str, value: impl FnMut() -> T, wanted: T) {
    eventually(what, value, |now| *now == wanted).await;
}
