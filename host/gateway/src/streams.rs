//! [`Streams`]: guests that go on after their response head.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use spindrift_failures::{Kind, log_failure};
use spindrift_memory::{Budget, Purpose};
use tokio::task::AbortHandle;

use super::sending::Sending;

/// Guests that go on after their response head, for clients that read what they write.
///
/// Each of them holds a place among the requests that may be under way. They hold half of the places at most, so that clients
/// which stop reading keep nobody out whose answer is short. One more is written in place of that whose client has taken nothing
/// for longest. The same goes for the memory that they hold.
#[derive(Debug)]
pub(crate) struct Streams {
    most: usize,
    memory: Arc<Budget>,
    streams: Mutex<Vec<Stream>>,
    /// Guests that were ended for another.
    evicted: Counter,
}

#[derive(Debug)]
struct Stream {
    guest: AbortHandle,
    sending: Arc<Sending>,
}

/// How long a client may take nothing before its guest may be ended for another.
const STALLED: Duration = Duration::from_millis(250);
/// The same while the memory of guests takes much of the budget.
const STALLED_UNDER_PRESSURE: Duration = Duration::from_millis(50);
/// How many guests are ended at most when there is no memory for another.
const RELIEF: usize = 8;

impl Streams {
    /// For so many places in all, and guests whose memory is on the budget `memory`.
    pub(crate) fn new(places: usize, memory: Arc<Budget>) -> Self {
        Streams {
            most: places.div_ceil(2),
            memory,
            streams: Mutex::default(),
            evicted: Counter::default(),
        }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Guests that were ended because their clients had stopped reading, and there were too many.
    pub(crate) fn evicted(&self) -> &Counter {
        &self.evicted
    }

    /// Takes in a guest that goes on for the task that is being polled, if there is room for it.
    pub(crate) fn admit(&self, guest: &AbortHandle) -> bool {
        let Some(sending) = Sending::current() else {
            return true;
        };
        sending.note_move();
        let mut streams = self.streams.lock();
        if streams.len() >= self.most {
            streams.retain(|stream| !stream.guest.is_finished());
        }
        if streams.len() >= self.most {
            if self.evict(&mut streams, 1, STALLED) == 0 {
                return false;
            }
        } else if self.memory.is_under_pressure(Purpose::Guests) {
            self.evict(&mut streams, 1, STALLED_UNDER_PRESSURE);
        }
        let guest = guest.clone();
        streams.push(Stream { guest, sending });
        true
    }

    /// Ends some guests whose clients do not read, where there is no memory or no instance for another one. Says whether there
    /// were any. What they hold is free a little later, when their tasks have ended.
    pub(crate) fn relieve(&self) -> bool {
        let mut streams = self.streams.lock();
        self.evict(&mut streams, RELIEF, STALLED_UNDER_PRESSURE) > 0
    }

    /// Ends up to `most` guests, those first whose clients have taken nothing for longest, and for `stalled` at least. Says how
    /// many.
    fn evict(&self, streams: &mut Vec<Stream>, most: usize, stalled: Duration) -> usize {
        for evicted in 0..most {
            let times = streams.iter().enumerate().filter_map(|(index, stream)| {
                let time = stream.sending.stalled_for();
                (time >= stalled && !stream.guest.is_finished()).then_some((time, index))
            });
            let Some((_, index)) = times.max() else {
                return evicted;
            };
            streams.swap_remove(index).guest.abort();
            self.evicted.inc();
            log_failure!(
                WARN,
                Kind::SlowReaders,
                "",
                "a streamed answer was cut off: its client does not read, and others need its place or its memory"
            );
        }
        most
    }
}
