//! [`Connections`]: how many connections are open, how many may be, and which one makes room for another.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use slab::Slab;

use crate::serving::{Activity, Idle};

/// How long a connection has been open without a request, at least, when it makes room for another.
const SILENT: Duration = Duration::from_secs(1);

/// How long a connection that has had a request has been idle, at least, when it makes room for another.
const IDLE: Duration = Duration::from_secs(5);

/// Among how many connections, taken by chance, the idlest is looked for. All of them would be too many to look at for each
/// client that wants one more; and where a crowd has most of the connections, it has most of these.
const SAMPLE: usize = 32;

/// The connections of the public port, from the moment that it listens.
pub struct Connections {
    limit: usize,
    /// How many may be closing beside those that are open, since they make room.
    most_leaving: usize,
    open: Mutex<Open>,
    /// Connections beyond the limit.
    pub(crate) refused: Counter,
    /// Connections that had no request for too long.
    pub(crate) closed_idle: Counter,
    /// Idle connections whose place another has got.
    made_room: Counter,
}

#[derive(Default)]
struct Open {
    /// What goes on on each of them, those included that make room.
    connections: Slab<Arc<Activity>>,
    leaving: usize,
}

/// The place of a connection, until this is dropped.
pub(crate) struct ConnectionPermit {
    connections: Arc<Connections>,
    key: usize,
    activity: Arc<Activity>,
}

impl Connections {
    /// None, of `limit` that may be open. Beside them, `most_leaving` may be closing to make room.
    pub(crate) fn new(limit: usize, most_leaving: usize) -> Self {
        Connections {
            limit,
            most_leaving,
            open: Mutex::default(),
            refused: Counter::default(),
            closed_idle: Counter::default(),
            made_room: Counter::default(),
        }
    }

    /// A place for one more. Where as many are open as may be, it is that of a connection that is idle. `None` where there is no
    /// such connection.
    pub(crate) fn open(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let mut open = self.open.lock();
        if open.connections.len() - open.leaving >= self.limit {
            let has_room = open.leaving < self.most_leaving;
            open.idlest().filter(|_| has_room)?.leave();
            open.leaving += 1;
            self.made_room.inc();
        }
        let activity = Arc::new(Activity::begin());
        Some(ConnectionPermit {
            key: open.connections.insert(activity.clone()),
            connections: self.clone(),
            activity,
        })
    }

    /// How many may be open.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many are open. Those that are refused, or make room, do not count.
    pub fn count(&self) -> usize {
        let open = self.open.lock();
        open.connections.len() - open.leaving
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
        registry.register(
            "connections_made_room",
            "Idle connections closed because as many as allowed were open, and another was wanted",
            self.made_room.clone(),
        );
    }
}

impl Open {
    /// The idlest of some connections that have been idle for long enough, those first that have had no request.
    fn idlest(&self) -> Option<&Activity> {
        let entries = self.connections.capacity();
        let some = (0..SAMPLE).filter_map(|_| {
            let activity = self.connections.get(rand::random_range(0..entries))?;
            let idle = match activity.idle()? {
                Idle::Silent(time) => (time >= SILENT).then_some((true, time)),
                Idle::SinceRequest(time) => (time >= IDLE).then_some((false, time)),
            };
            Some((idle?, activity))
        });
        let idlest = some.max_by_key(|&(idle, _)| idle);
        idlest.map(|(_, activity)| &**activity)
    }
}

impl ConnectionPermit {
    /// What goes on on the connection.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.connections.try_remove(self.key);
        if self.activity.is_leaving() {
            open.leaving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_are_open_as_may_be() {
        let connections = Arc::new(Connections::new(2, 1));
        let places: Vec<_> = (0..3).map(|_| connections.open()).collect();
        let had: Vec<_> = places.iter().map(Option::is_some).collect();
        assert_eq!((had, connections.count()), (vec![true, true, false], 2));
        drop(places);
        assert_eq!((connections.count(), connections.limit()), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_one_makes_room() {
        let connections = Arc::new(Connections::new(2, 1));
        let first = connections.open().expect("a place");
        advance(SILENT).await;
        let second = connections.open().expect("a place");
        advance(Duration::from_millis(1)).await;
        let third = connections.open().expect("the place of the first");
        assert!(first.activity().is_leaving());
        assert!(!second.activity().is_leaving());
        assert_eq!(connections.count(), 2);
        advance(SILENT).await;
        assert!(connections.open().is_none(), "the first is still there");
        drop(first);
        let fourth = connections.open().expect("the place of the second");
        assert!(second.activity().is_leaving());
        drop((second, third, fourth));
        assert_eq!(connections.count(), 0);
    }
}
