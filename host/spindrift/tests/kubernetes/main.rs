//! Real processes in pods of a stand-in for the Kubernetes API server: clusters that form, heal and end with nothing
//! configured but a secret.
//!
//! | file | subject |
//! | --- | --- |
//! | `pods` | [`Pods`](pods::Pods): the pods of one Deployment and what runs in them |
//! | `conditions` | what tests wait for |
//! | `starting` | starts like any other |
//! | `forming` | how clusters come to be |
//! | `healing` | pods that go, and an API server that is away |
//! | `recovering` | a majority that is lost for good |
//!
//! The stand-in and the pods' objects are those of the tests of `spindrift-discovery`; the HTTP client is that of the tests
//! of clusters.

mod conditions;
mod forming;
mod healing;
mod pods;
mod recovering;
mod starting;

#[path = "../../../discovery/tests/kubernetes/api_server/mod.rs"]
#[allow(dead_code, unused_imports)]
mod api_server;

#[path = "../../../discovery/tests/kubernetes/pod.rs"]
#[allow(dead_code)]
mod pod;

#[path = "../../../discovery/tests/kubernetes/waiting.rs"]
#[allow(dead_code)]
mod waiting;

#[path = "../cluster/load"]
#[allow(dead_code)]
mod load {
    //! The HTTP client of the tests of clusters.
    pub mod client;
}

#[path = "../../../replication/tests/checking"]
#[allow(dead_code)]
mod checking {
    //! What that client names outcomes with.
    pub mod history;
}

#[path = "../cluster/nodes/view.rs"]
mod view;

use std::fmt::{Debug, Display};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a test waits for what must happen. A Lease takes 15 seconds to expire; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `condition` holds.
///
/// # Panics
///
/// If it does not come to, with what it said last.
async fn eventually<T, E: Debug>(
    what: impl Display,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match condition().await {
            Ok(value) => return value,
            Err(reason) if Instant::now() >= deadline => panic!("waited for {what}: {reason:?}"),
            Err(_) => sleep(PAUSE).await,
        }
    }
}
