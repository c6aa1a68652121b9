//! The threads that serve connections, each with an event loop of its own.
//!
//! A connection stays on its thread, and so do the requests on it and the
//! instances that answer them: nothing is handed from core to core in a
//! request. A guest that computes for long is interrupted again and again to
//! let the thread's other requests go on.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use spindrift_failures::{Kind, log_failure};
use spindrift_net::event_loop::wake_through_pipe;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::acceptor::Acceptor;
use super::connections::ConnectionPermit;
use super::deferred_writes;

/// A connection on its way to a thread.
struct Accepted {
    stream: std::net::TcpStream,
    client: SocketAddr,
    /// Its place among those that may be open.
    place: ConnectionPermit,
}

struct Worker {
    /// As many wait here as have places, at most.
    connections: mpsc::UnboundedSender<Accepted>,
    open: Arc<AtomicUsize>,
}

/// Threads that serve connections until they are dropped, and then until the
/// connections they have are closed.
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

impl Workers {
    /// Starts `count` threads. What is under way on them is in `tasks`.
    ///
    /// # Errors
    ///
    /// Fails if the system gives no thread or no event queue.
    pub(crate) fn start(
        count: NonZeroUsize,
        acceptor: Arc<Acceptor>,
        tasks: TaskTracker,
    ) -> io::Result<Self> {
        let workers = (0..count.get())
            .map(|number| Worker::start(number, acceptor.clone(), tasks.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Workers { workers })
    }

    /// Gives a connection, which has a place among those that may be open, to the thread that has the fewest.
    pub(crate) fn assign(&self, stream: TcpStream, client: SocketAddr, place: ConnectionPermit) {
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                lost(&error);
                return;
            }
        };
        let least = self
            .workers
            .iter()
            .min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        if let Some(worker) = least {
            worker.open.fetch_add(1, Ordering::Relaxed);
            let accepted = Accepted {
                stream,
                client,
                place,
            };
            if worker.connections.send(accepted).is_err() {
                lost(&"its thread has ended");
            }
        }
    }
}

impl Worker {
    fn start(number: usize, acceptor: Arc<Acceptor>, tasks: TaskTracker) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let open = Arc::new(AtomicUsize::new(0));
        let (connections, accepted) = mpsc::unbounded_channel();
        let counter = open.clone();
        std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(serve(accepted, acceptor, tasks, counter)))?;
        Ok(Worker { connections, open })
    }
}

/// Notes a connection that nobody serves.
fn lost(reason: &dyn Display) {
    log_failure!(
        WARN,
        Kind::LostConnections,
        "",
        "a connection was lost: {reason}"
    );
}

async fn serve(
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
    acceptor: Arc<Acceptor>,
    tasks: TaskTracker,
    open: Arc<AtomicUsize>,
) {
    tokio::spawn(deferred_writes::release_deferred_writes());
    tokio::spawn(wake_through_pipe());
    tokio::spawn(spindrift_memory::while_idle());
    while let Some(accepted) = accepted.recv().await {
        let (acceptor, open) = (acceptor.clone(), open.clone());
        tasks.spawn(async move {
            let Accepted {
                stream,
                client,
                place,
            } = accepted;
            match TcpStream::from_std(stream) {
                Ok(stream) => acceptor.serve(stream, client, place.activity()).await,
                Err(error) => lost(&error),
            }
            drop(place);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
    // The event loop must turn as long as there are connections, and requests
    // whose guests go on after their answer.
    tasks.wait().await;
}
