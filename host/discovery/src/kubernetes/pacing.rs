//! [`Pacing`]: how long things take, and how often they are tried.

use std::time::Duration;

use tokio::time::Instant;

use super::api_server::CallError;

/// After so long without a failure the pauses begin small again.
const FORGET_FAILURES_AFTER: Duration = Duration::from_secs(20);

/// The durations of the source. The default is what a cluster should run with; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// How long the API server may take for one call.
    pub call_limit: Duration,
    /// How long a Lease has to stay as it is before the cluster that it records may be given up. A multiple of
    /// [`renew_every`](Self::renew_every), in whole seconds, since it is shown in the Lease.
    pub lease_duration: Duration,
    /// How often the leader renews the Lease.
    pub renew_every: Duration,
    /// How often a claim looks at the Lease, however often it is repeated; more often at first.
    pub look_every: Duration,
    /// How old the peers' answers may be when the Lease is taken over.
    pub fresh: Duration,
    /// Pause after a call that failed in passing.
    pub retry_after: Duration,
    /// Pause after a call that the API server refuses: what this process is allowed has to be changed first.
    pub retry_refused_after: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            call_limit: Duration::from_secs(5),
            lease_duration: Duration::from_secs(15),
            renew_every: Duration::from_secs(5),
            look_every: Duration::from_secs(1),
            fresh: Duration::from_secs(10),
            retry_after: Duration::from_secs(1),
            retry_refused_after: Duration::from_secs(30),
        }
    }
}

impl Pacing {
    /// When a claim looks at the Lease again, if the process has looked for a cluster for so long. Pods that start together wait for
    /// each other's first answers, which take a moment, and one that waits for longer need not ask so often.
    pub(crate) fn look_again_after(&self, looked_for: Duration) -> Duration {
        let least = self.look_every / 10;
        (looked_for / 4).clamp(least, self.look_every)
    }
}

/// The pauses of one task that has to get through to an API server that is away: each twice as long as the one before, from half
/// of [`retry_after`](Pacing::retry_after) to twice that, and up to as much again by chance, so that all pods do not come back at
/// one moment.
///
/// The pauses stay short: after an outage, pods must soon hear of lost peers and roles, and they ask little. kube's own default
/// grows to a minute.
#[derive(Debug)]
pub(crate) struct Pauses {
    pacing: Pacing,
    next: Duration,
    failed: Option<Instant>,
}

impl Pauses {
    pub(crate) fn new(pacing: &Pacing) -> Self {
        Self {
            pacing: *pacing,
            next: pacing.retry_after / 2,
            failed: None,
        }
    }

    /// The pause after a failure.
    pub(crate) fn after(&mut self, error: &CallError) -> Duration {
        if matches!(error, CallError::Refused { .. }) {
            return self.pacing.retry_refused_after;
        }
        let failed = self.failed.replace(Instant::now());
        if failed.is_some_and(|failed| failed.elapsed() > FORGET_FAILURES_AFTER) {
            self.next = self.pacing.retry_after / 2;
        }
        let pause = self.next;
        self.next = (pause * 2).min(self.pacing.retry_after * 2);
        pause.mul_f64(1.0 + rand::random::<f64>())
    }
}
