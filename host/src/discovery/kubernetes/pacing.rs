//! [`Pacing`]: how long things take, and how often they are tried.

use std::time::Duration;

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
    /// How often a claim looks at the Lease, however often it is repeated.
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
