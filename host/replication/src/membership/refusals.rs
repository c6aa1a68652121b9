//! [`Refusals`]: at which addresses nothing listens, as far as this process has tried.
//!
//! A refused connection says more than one that nobody answers: the machine is there, and no process listens. A member listens
//! for as long as it lives, so the process that was a member there has ended, and another one at its address would be another
//! member. It is no proof: a firewall, a proxy, or a Service without endpoints may refuse in the name of a process that lives.
//! So one refusal says nothing, and several in a row, over some time, only shorten what another node that leaves waits for.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::network::{Io, Listener, Transport};

/// Refusals in a row before they say anything.
const ENOUGH: u32 = 5;

/// Refusals that are further apart are in no row: nobody has tried in between.
const GAP: Duration = Duration::from_secs(1);

/// Addresses that are remembered. Beyond it all are forgotten.
const MAX_ADDRESSES: usize = 256;

/// The addresses that have refused every connection of late. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<HashMap<String, Row>>>);

/// Refusals in a row.
#[derive(Clone, Copy, Debug)]
struct Row {
    first: Instant,
    last: Instant,
    count: u32,
}

impl Refusals {
    /// The same transport, whose refused connections are noted.
    #[must_use]
    pub fn watching(&self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Watched {
            transport,
            refusals: self.clone(),
        })
    }

    /// For how long `address` has refused every connection, and did so lately; nothing if it did so a few times only.
    #[must_use]
    pub fn lasting(&self, address: &str) -> Option<Duration> {
        let rows = self.0.lock();
        let row = rows.get(address).filter(|row| row.count >= ENOUGH)?;
        (row.last.elapsed() <= GAP).then(|| row.last - row.first)
    }

    fn note<T>(&self, address: &str, connected: &io::Result<T>) {
        let refused = connected
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        let mut rows = self.0.lock();
        if !refused {
            rows.remove(address);
            return;
        }
        let now = Instant::now();
        if let Some(row) = rows.get_mut(address)
            && now - row.last <= GAP
        {
            row.last = now;
            row.count = row.count.saturating_add(1);
            return;
        }
        if rows.len() >= MAX_ADDRESSES {
            rows.clear();
        }
        let row = Row {
            first: now,
            last: now,
            count: 1,
        };
        rows.insert(address.to_owned(), row);
    }
}

/// A transport whose refused connections are noted.
struct Watched {
    transport: Arc<dyn Transport>,
    refusals: Refusals,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

impl Transport for Watched {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Io>> {
        let connecting = self.transport.connect(address);
        let (refusals, address) = (self.refusals.clone(), address.to_owned());
        Box::pin(async move {
            let connected = connecting.await;
            refusals.note(&address, &connected);
            connected
        })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        self.transport.listen(address)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(100);

    fn failed(kind: io::ErrorKind) -> io::Result<()> {
        Err(kind.into())
    }

    async fn refuse(refusals: &Refusals, times: u32) {
        for _ in 0..times {
            advance(PAUSE).await;
            refusals.note("a", &failed(io::ErrorKind::ConnectionRefused));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_refusals_in_a_row_last_from_the_first_to_the_last() {
        let refusals = Refusals::default();
        refuse(&refusals, 4).await;
        assert_eq!(refusals.lasting("a"), None, "a few");
        refuse(&refusals, 1).await;
        assert_eq!(refusals.lasting("a"), Some(PAUSE * 4));
        assert_eq!(refusals.lasting("b"), None);
        advance(GAP * 2).await;
        assert_eq!(refusals.lasting("a"), None, "nobody has tried since");
        // This process may have stood still, and the other one have lived meanwhile.
        refuse(&refusals, 5).await;
        assert_eq!(refusals.lasting("a"), Some(PAUSE * 4));
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_else_comes_of_a_connection_ends_the_row() {
        for other in [Ok(()), failed(io::ErrorKind::TimedOut)] {
            let refusals = Refusals::default();
            refuse(&refusals, 9).await;
            refusals.note("a", &other);
            refuse(&refusals, 4).await;
            assert_eq!(refusals.lasting("a"), None, "{other:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_addresses_are_remembered_than_a_cluster_has() {
        let refusals = Refusals::default();
        for number in 0..2 * MAX_ADDRESSES {
            let address = format!("n{number}:7000");
            refusals.note(&address, &failed(io::ErrorKind::ConnectionRefused));
        }
        assert!(refusals.0.lock().len() <= MAX_ADDRESSES);
    }
}
