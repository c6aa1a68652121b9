//! Finds this process's pod and its workload when the process starts, and tries again after a transient error.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::{Instant, sleep};

use super::api_server::{ApiServer, CallError};
use super::in_cluster::ThisPod;
use super::own_pod::OwnPod;
use super::workload::Workload;

/// How often it is said what is waited for.
const REMIND: Duration = Duration::from_secs(10);

/// Pause until the API server is asked again for what it will know in a moment. It grows, to the usual one.
const SOON: Duration = Duration::from_millis(100);

/// What keeps this process from knowing its peers.
#[derive(Debug)]
pub(crate) enum LookupError {
    /// It may be gone after `pause`.
    Transient { reason: String, pause: Duration },
    /// It is part of a usual start, and gone in a second or two.
    NotReady { reason: String },
    /// Somebody has to change something, and to start the process again.
    Permanent(String),
}

/// Finds the own pod and its workload, however long the API server makes it wait: to end would only mean to be started again,
/// ever later. `waits_for` is told each time what is waited for.
///
/// # Errors
///
/// Says what has to be changed.
pub(crate) async fn find(
    api: &ApiServer,
    this: &ThisPod,
    mut waits_for: impl FnMut(&str) + Send,
) -> Result<(OwnPod, Workload), String> {
    let began = Instant::now();
    let mut reminded: Option<Instant> = None;
    let mut soon = SOON;
    loop {
        let (reason, pause) = match try_to_find(api, this).await {
            Ok(found) => return Ok(found),
            Err(LookupError::Permanent(reason)) => return Err(reason),
            Err(LookupError::Transient { reason, pause }) => (reason, pause),
            Err(LookupError::NotReady { reason }) => {
                let pause = soon;
                soon = (soon * 2).min(api.pacing().retry_after);
                if began.elapsed() < REMIND {
                    tracing::debug!("this process waits for a moment: {reason}");
                    waits_for(&reason);
                    sleep(pause).await;
                    continue;
                }
                (reason, pause)
            }
        };
        waits_for(&reason);
        if reminded.is_none_or(|at| at.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            tracing::warn!("this process waits to learn who its peers are: {reason}");
        }
        sleep(pause).await;
    }
}

async fn try_to_find(api: &ApiServer, this: &ThisPod) -> Result<(OwnPod, Workload), LookupError> {
    let name = &this.name;
    let pod: Pod = api.get(name).await.map_err(|error| match error {
        CallError::NotFound => LookupError::Permanent(format!(
            "there is no pod {name} in the namespace {}; the environment variable HOSTNAME must be the pod's name, \
             metadata.name",
            api.namespace()
        )),
        error => LookupError::Transient {
            reason: error.to_string(),
            pause: error.pause(api.pacing()),
        },
    })?;
    let own = OwnPod::new(&pod, this.ip).ok_or_else(|| LookupError::NotReady {
        reason: format!("the API server does not know the address of this pod, {name}, yet"),
    })?;
    let workload = Workload::of(api, &pod).await?;
    Ok((own, workload))
}
