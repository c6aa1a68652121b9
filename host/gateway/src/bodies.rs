//! [`Bodies`]: the request bodies that arrive, how many there may be, and which of them make room for others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use spindrift_memory::{Budget, Spent};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body_source::BodySource;
use super::pace::MinRate;
use super::readers::Readers;
use super::request_body::Held;

/// How much of a body that nobody takes is read, and for how long.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);
/// How many such bodies are read at a time. One more is not, and its client may lose the answer.
const MAX_DISCARDED: usize = 1024;

/// How many bodies are given up at most to make room for a piece of another.
const MAX_GIVEN_UP: usize = 64;

/// What bodies may do.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// The largest body, in bytes.
    pub max_bytes: usize,
    /// How fast a body has to arrive.
    pub rate: MinRate,
    /// How many may arrive at once.
    pub max_arriving: usize,
}

/// The bodies of all requests.
pub(crate) struct Bodies {
    pub(crate) limits: BodyLimits,
    pub(crate) memory: Arc<Budget>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) arriving: Semaphore,
    /// Those that are waited for, the oldest first.
    pub(crate) waited_for: Mutex<WaitedFor>,
    discarded: Arc<Semaphore>,
    /// Cancelled when the server goes down, and waits for no body any longer.
    pub(crate) gives_up: CancellationToken,
}

#[derive(Default)]
pub(crate) struct WaitedFor {
    pub(crate) last_number: u64,
    pub(crate) bodies: BTreeMap<u64, Arc<Arriving>>,
}

/// A body that is waited for.
pub(crate) struct Arriving {
    pub(crate) since: Instant,
    /// `None` once it was given up.
    pub(crate) held: Mutex<Option<Held>>,
    pub(crate) given_up: AtomicWaker,
}

impl Bodies {
    /// None yet. They are waited for until `gives_up`. Where there is no memory for one, `readers` are told to make room.
    pub(crate) fn new(
        limits: BodyLimits,
        memory: Arc<Budget>,
        readers: Arc<Readers>,
        gives_up: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Bodies {
            readers,
            gives_up,
            waited_for: Mutex::default(),
            arriving: Semaphore::new(limits.max_arriving.min(Semaphore::MAX_PERMITS)),
            discarded: Arc::new(Semaphore::new(MAX_DISCARDED)),
            limits,
            memory,
        })
    }

    /// How many bodies are waited for.
    pub(crate) fn arriving(&self) -> usize {
        let free = self.arriving.available_permits();
        self.limits.max_arriving.saturating_sub(free)
    }

    /// Has `push` take in a piece, and gives up older bodies as long as there is no room for it.
    pub(crate) fn with_room(
        &self,
        mut push: impl FnMut() -> Result<(), Spent>,
    ) -> Result<(), Spent> {
        for _ in 0..MAX_GIVEN_UP {
            match push() {
                Err(_) if self.give_up_oldest() => {}
                outcome => return outcome,
            }
        }
        push()
    }

    /// Gives up the body that has been arriving for longest, if that is longer than any has to be waited for.
    fn give_up_oldest(&self) -> bool {
        let mut waited_for = self.waited_for.lock();
        let Some((&number, oldest)) = waited_for.bodies.first_key_value() else {
            return false;
        };
        if oldest.since.elapsed() < self.limits.rate.grace {
            return false;
        }
        let oldest = oldest.clone();
        waited_for.bodies.remove(&number);
        drop(waited_for);
        drop(oldest.held.lock().take());
        oldest.given_up.wake();
        true
    }

    /// Reads what a client goes on sending, within bounds, while it is told that
    /// nobody takes it: closing the connection on unread data would take the
    /// answer with it.
    pub(crate) fn discard(&self, mut body: BodySource) {
        let (Ok(place), Ok(runtime)) = (
            self.discarded.clone().try_acquire_owned(),
            // None at the end of the process.
            Handle::try_current(),
        ) else {
            return;
        };
        runtime.spawn(tokio::time::timeout(DISCARD_TIME, async move {
            let _place = place;
            let mut left = DISCARD_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(length) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        }));
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies")
            .field("limits", &self.limits)
            .field("arriving", &self.arriving())
            .finish_non_exhaustive()
    }
}
