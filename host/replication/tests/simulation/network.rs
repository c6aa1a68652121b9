//! [`SimulatedNetwork`]: turmoil's TCP, as replication sees it.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use spindrift_replication::{Io, Listener, Transport};
use tokio::time::{Instant, sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use crate::mishaps;

/// How long a connection may take to be made, as in the real network.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections that one process may begin while no time passes. It has to do with a dozen others, in a few ways.
pub const CONNECTIONS_AT_ONCE: u32 = 200;

/// Time that has to pass, so that a process that begins more can be told.
const BREATH: Duration = Duration::from_millis(50);

thread_local! {
    /// When a connection was begun last on this thread, and how many were at that time.
    static BEGUN: Cell<Option<(Instant, u32)>> = const { Cell::new(None) };
}

/// The network of the simulation that the calling thread is in.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedNetwork;

impl Transport for SimulatedNetwork {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Io>> {
        let address = address.to_owned();
        Box::pin(async move {
            if is_spinning() {
                mishaps::note(format!(
                    "connections to {address} are begun again and again at one moment"
                ));
                sleep(BREATH).await;
            }
            let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
            let stream = connecting.map_err(|_| io::ErrorKind::TimedOut)??;
            Ok(Box::new(stream) as Io)
        })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(Port(listener)) as Box<dyn Listener>)
        })
    }
}

/// Counts a connection, and says whether there are too many at this moment.
fn is_spinning() -> bool {
    let now = Instant::now();
    let before = BEGUN.get().filter(|(at, _)| *at == now);
    let begun = before.map_or(1, |(_, begun)| begun + 1);
    BEGUN.set(Some((now, begun)));
    begun > CONNECTIONS_AT_ONCE
}

struct Port(TcpListener);

impl Listener for Port {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Io, SocketAddr)>> {
        Box::pin(async {
            let (stream, from) = self.0.accept().await?;
            Ok((Box::new(stream) as Io, from))
        })
    }
}
