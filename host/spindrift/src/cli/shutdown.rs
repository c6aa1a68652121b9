//! When the process stops, and how long each step of that may take.

use std::time::Duration;

use anyhow::{Context, Result};
use spindrift_gateway::Shutdown;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::LimitArgs;
use super::exit_code::{SECOND_SIGINT, SECOND_SIGTERM};
use crate::logging;

/// What it is where nothing is said, outside of a pod.
const DELAY: Duration = Duration::ZERO;
const TIMEOUT: Duration = Duration::from_secs(30);

/// What it is in a pod. Kubernetes tells those that send requests to a pod that it goes at the same time as it tells the
/// pod, and kills it after 30 seconds. The delay is for the first, and with [`LEAVE_TIMEOUT`] all of it fits into the second.
const DELAY_IN_POD: Duration = Duration::from_secs(5);
const TIMEOUT_IN_POD: Duration = Duration::from_secs(10);

/// How long a node may take to leave its cluster once its requests are finished, after which the process ends without it.
pub const LEAVE_TIMEOUT: Duration = Duration::from_secs(13);

impl LimitArgs {
    /// How the server goes down when `signal` is cancelled.
    pub fn shutdown(&self, signal: CancellationToken, in_pod: bool) -> Shutdown {
        let (delay, patience) = if in_pod {
            (DELAY_IN_POD, TIMEOUT_IN_POD)
        } else {
            (DELAY, TIMEOUT)
        };
        Shutdown {
            signal,
            delay: self.shutdown_delay.unwrap_or(delay),
            patience: self.shutdown_timeout.unwrap_or(patience),
        }
    }
}

/// A token that the first SIGTERM or SIGINT cancels. The second one ends the
/// process at once.
pub fn stop_on_signal() -> Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => ("SIGTERM", SECOND_SIGTERM),
                _ = interrupt.recv() => ("SIGINT", SECOND_SIGINT),
            }
        };
        let (name, _) = next().await;
        tracing::info!(
            "{name}: finishing the requests under way; a second signal stops the process at once"
        );
        token.cancel();
        let (name, code) = next().await;
        tracing::warn!("{name} again: stopping at once");
        logging::flush();
        std::process::exit(code.into());
    });
    Ok(shutdown)
}
