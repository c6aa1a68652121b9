//! [`on_network`]: the frame of a test. And what every test waits with.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::network::Network;

/// How long a test waits for what must happen. Far longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs `test` among the clients of a network of its own, for `limit` at most.
///
/// # Panics
///
/// If the test does, or is not done in time.
pub fn on_network<F: Future>(limit: Duration, test: impl FnOnce(Network) -> F + Send)
where
    F::Output: Send,
{
    // Clusters get in each other's way on a small machine, and elections are about time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let run = || {
        let network = Network::new();
        // All threads that the runtime starts are among the clients, too.
        network.enter();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            if tokio::time::timeout(limit, test(network)).await.is_err() {
                panic!("the test was not done within {limit:?}");
            }
        });
    };
    // A thread of its own: it stays among the clients, and those who run tests shall not.
    let outcome = std::thread::scope(|threads| {
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn_scoped(threads, run);
        thread.expect("a thread").join()
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Looks until `condition` holds.
///
/// # Panics
///
/// After [`PATIENCE`], with what did not happen and the last reason why not.
pub async fn eventually<T>(
    what: impl Display,
    mut condition: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reason = match condition().await {
            Ok(found) => return found,
            Err(reason) => reason,
        };
        assert!(
            Instant::now() < deadline,
            "not within {PATIENCE:?}: {what}: {reason}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// The folder in which runs keep what shall be found afterwards.
///
/// # Panics
///
/// If it cannot be made.
pub fn kept_files() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    folder
}
