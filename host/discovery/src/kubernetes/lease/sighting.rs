//! [`Sighting`]: for how long a process has seen the Lease as it is.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// The Lease as it was seen last, by its resource version or as missing, and when it was first seen so.
#[derive(Debug, Default)]
pub(super) struct Sighting(Option<(Option<String>, Instant)>);

impl Sighting {
    /// Notes the Lease, and gives for how long it has been seen as it is: from an earlier look on, or not at all. By the own
    /// clock alone.
    pub fn see(&mut self, lease: Option<&Lease>) -> Duration {
        let version = lease.and_then(|lease| lease.metadata.resource_version.clone());
        match &self.0 {
            Some((seen, since)) if *seen == version => since.elapsed(),
            _ => {
                self.0 = Some((version, Instant::now()));
                Duration::ZERO
            }
        }
    }
}
