//! [`Connections`]: how many connections are open, and how many may be.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections of the public port, from the moment that it listens.
pub struct Connections {
    places: Arc<Semaphore>,
    limit: usize,
    /// Connections beyond the limit.
    pub(super) refused: Counter,
    /// Connections that had no request for too long.
    pub(super) closed_idle: Counter,
}

impl Connections {
    /// None, of `limit` that may be open.
    pub(super) fn new(limit: usize) -> Self {
        Connections {
            places: Arc::new(Semaphore::new(limit)),
            limit,
            refused: Counter::default(),
            closed_idle: Counter::default(),
        }
    }

    /// A place for one more, which has it until this is dropped. `None` where as many are open as may be.
    pub(super) fn open(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// How many may be open.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many are open. Those that are refused do not count.
    pub fn count(&self) -> usize {
        self.limit.saturating_sub(self.places.available_permits())
    }

    /// Names the counts.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections_refused",
            "Connections refused because as many as allowed were open",
            self.refused.clone(),
        );
        registry.register(
            "connections_closed_idle",
            "Connections closed because there was no request on them for too long",
            self.closed_idle.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_open_as_may_be() {
        let connections = Connections::new(2);
        let places: Vec<_> = (0..3).map(|_| connections.open()).collect();
        let had: Vec<_> = places.iter().map(Option::is_some).collect();
        assert_eq!((had, connections.count()), (vec![true, true, false], 2));
        drop(places);
        assert_eq!((connections.count(), connections.limit()), (0, 2));
    }
}
