//! Holding a request's body: a run may have to be repeated, so the whole of it
//! is there before the first one.
//!
//! A body that arrives takes no place among the requests under way. It has limits of its own: a rate, a number, and the budget
//! of memory, which is charged for what is there and not for what is announced. A body that is there at once meets none of them
//! but the last. When the budget has no room, the bodies that have been arriving for longest are given up: clients that hold
//! what they sent, and send the rest as slowly as they may, keep nobody else's out.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame};
use parking_lot::Mutex;
use spindrift_memory::{Charge, Purpose, Spent};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::bodies::{Arriving, Bodies};
use super::body_source::{BodySource, Incomplete};
use super::pace::Meter;
use super::problem::Problem;
use super::readers::{MAX_RELIEVED, RELIEF_PAUSE};

/// What a body may have of the budget while large ones have their share of it.
const SMALL_BODY: usize = 64 * 1024;
/// The share of the budget that larger bodies have: a half. The rest is for small bodies, and for requests that run.
const LARGE_BODIES_SHARE: usize = 2;

/// The body of a request. Dropped before its end, it is read on for a while: the request has its answer already.
pub(crate) struct RequestBody<'a> {
    /// `None` if there is nothing to read, or nothing more.
    incoming: Option<BodySource>,
    bodies: &'a Bodies,
}

impl<'a> RequestBody<'a> {
    /// The body of a request that has just come.
    pub(crate) fn new(incoming: BodySource, bodies: &'a Bodies) -> Self {
        RequestBody {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            bodies,
        }
    }

    /// Reads the body to its end. What is held of it is on the budget for as long as the bytes are.
    ///
    /// # Errors
    ///
    /// Fails if it is over its limit, if that is declared without reading it,
    /// if it arrives too slowly or is not there at the `deadline` of its request, if too many others arrive or the budget is
    /// spent, or if the client goes away. `timeout`, which the request has until its `deadline`, is for words only.
    pub(crate) async fn hold(
        mut self,
        headers: &HeaderMap,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Bytes, Problem> {
        let Some(incoming) = &mut self.incoming else {
            return Ok(Bytes::new());
        };
        let limits = &self.bodies.limits;
        let limit_bytes = limits.max_bytes;
        let declared = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok());
        if declared.is_some_and(|declared| declared > limit_bytes as u64) {
            return Err(Problem::BodyTooLarge { limit_bytes });
        }
        let mut held = Some(Held {
            bytes: Vec::new(),
            most_bytes: declared.map_or(limit_bytes, |declared| declared as usize),
            charge: self.bodies.memory.open(Purpose::Bodies),
            share_bytes: self.bodies.memory.limit_bytes() / LARGE_BODIES_SHARE,
        });
        let mut waiting = None;
        let mut received_bytes = 0;
        loop {
            let frame = match &mut waiting {
                None => match at_once(incoming).await {
                    Some(frame) => frame,
                    None => {
                        waiting = Some(Waiting::begin(self.bodies, held.take(), deadline)?);
                        continue;
                    }
                },
                Some(waiting) => match waiting.next(incoming, timeout).await {
                    Ok(frame) => frame,
                    Err(problem) => {
                        if matches!(problem, Problem::BodyTooSlow { .. } | Problem::GoingDown) {
                            // It sends nothing that would have to be read before the answer.
                            self.incoming = None;
                        }
                        return Err(problem);
                    }
                },
            };
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    received_bytes += data.len();
                    if received_bytes > limit_bytes {
                        return Err(Problem::BodyTooLarge { limit_bytes });
                    }
                    let mut push = || match &mut waiting {
                        Some(waiting) => waiting.push(&data),
                        None => held.as_mut().map_or(Ok(()), |held| held.push(&data)),
                    };
                    let mut relieved = 0;
                    while let Err(spent) = self.bodies.with_room(&mut push) {
                        // What clients do not read may be what takes the room.
                        if relieved == MAX_RELIEVED || !self.bodies.readers.relieve() {
                            return Err(spent.into());
                        }
                        relieved += 1;
                        sleep(RELIEF_PAUSE).await;
                    }
                }
                Some(Err(_)) => {
                    self.incoming = None;
                    return Err(Problem::BadRequest("the request body is incomplete"));
                }
            }
        }
        self.incoming = None;
        let held = match waiting {
            Some(waiting) => Some(waiting.into_held()?),
            None => held,
        };
        Ok(held.map(Held::into_bytes).unwrap_or_default())
    }
}

impl Drop for RequestBody<'_> {
    fn drop(&mut self) {
        // Nobody closes a connection on a component: what it still writes is its own business.
        let of_client = |body: &BodySource| matches!(body, BodySource::Client(_));
        let unread = self.incoming.take().filter(|body| !body.is_end_stream());
        if let Some(body) = unread.filter(of_client) {
            self.bodies.discard(body);
        }
    }
}

/// What comes of a body: a frame, an error, or its end.
type Next = Option<Result<Frame<Bytes>, Incomplete>>;

/// What is there of a body already, if anything is.
///
/// Hyper hands a body over only once it has been asked for it, and does so before this task is polled again: so it is asked
/// twice.
async fn at_once(body: &mut BodySource) -> Option<Next> {
    let mut is_asked = false;
    poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(next) => Poll::Ready(Some(next)),
        Poll::Pending if is_asked => Poll::Ready(None),
        Poll::Pending => {
            is_asked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// A body that has to be waited for.
struct Waiting<'a> {
    bodies: &'a Bodies,
    number: u64,
    arriving: Arc<Arriving>,
    tick: Pin<Box<Sleep>>,
    meter: Meter,
    /// Until the request's time is up.
    deadline: Pin<Box<Sleep>>,
    _place: SemaphorePermit<'a>,
}

impl<'a> Waiting<'a> {
    fn begin(bodies: &'a Bodies, held: Option<Held>, deadline: Instant) -> Result<Self, Problem> {
        let place = bodies.arriving.try_acquire();
        let place = place.map_err(|_| Problem::TooManyBodies {
            limit: bodies.limits.max_arriving,
        })?;
        let arriving = Arc::new(Arriving {
            since: Instant::now(),
            held: Mutex::new(held),
            given_up: AtomicWaker::new(),
        });
        let mut waited_for = bodies.waited_for.lock();
        waited_for.last_number += 1;
        let number = waited_for.last_number;
        waited_for.bodies.insert(number, arriving.clone());
        Ok(Waiting {
            bodies,
            number,
            arriving,
            tick: Box::pin(sleep(bodies.limits.rate.tick())),
            meter: Meter::default(),
            deadline: Box::pin(sleep_until(deadline)),
            _place: place,
        })
    }

    /// What comes next.
    ///
    /// # Errors
    ///
    /// It takes too long, the body was given up, or the server goes down.
    async fn next(&mut self, body: &mut BodySource, timeout: Duration) -> Result<Next, Problem> {
        let bodies = self.bodies;
        let rate = bodies.limits.rate;
        let next = poll_fn(|cx| {
            self.arriving.given_up.register(cx.waker());
            if self.arriving.held.lock().is_none() {
                return Poll::Ready(Err(self.spent().into()));
            }
            // First, so that a client that always has something to send is measured, too.
            if self.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Problem::BodyTimeout(timeout)));
            }
            while self.tick.as_mut().poll(cx).is_ready() {
                self.tick.as_mut().reset(Instant::now() + rate.tick());
                if self.meter.is_too_slow_at_tick(&rate) {
                    return Poll::Ready(Err(Problem::BodyTooSlow {
                        bytes_per_second: rate.bytes_per_second,
                        grace: rate.grace,
                    }));
                }
            }
            Pin::new(&mut *body).poll_frame(cx).map(Ok)
        });
        tokio::select! {
            biased;
            next = next => next,
            () = bodies.gives_up.cancelled() => Err(Problem::GoingDown),
        }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Spent> {
        let spent = self.spent();
        self.arriving
            .held
            .lock()
            .as_mut()
            .ok_or(spent)?
            .push(data)?;
        self.meter.count(data.len() as u64);
        Ok(())
    }

    fn into_held(self) -> Result<Held, Spent> {
        self.arriving.held.lock().take().ok_or(self.spent())
    }

    fn spent(&self) -> Spent {
        Spent {
            limit_bytes: self.bodies.memory.limit_bytes(),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.bodies.waited_for.lock().bodies.remove(&self.number);
    }
}

/// What has arrived of a body, in one piece: what hyper hands over may be a few bytes of a large buffer, which it would keep.
pub(crate) struct Held {
    bytes: Vec<u8>,
    /// What there may be in the end.
    most_bytes: usize,
    /// For the capacity of `bytes`.
    charge: Charge,
    /// What large bodies may have together.
    share_bytes: usize,
}

impl Held {
    fn push(&mut self, data: &[u8]) -> Result<(), Spent> {
        let length = self.bytes.len() + data.len();
        if length > self.charge.bytes() {
            let capacity = self.charge.bytes().saturating_mul(2).min(self.most_bytes);
            let capacity = capacity.max(length);
            let more = capacity - self.charge.bytes();
            if capacity <= SMALL_BODY {
                self.charge.grow(more)?;
            } else {
                self.charge.grow_within(more, self.share_bytes)?;
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn into_bytes(mut self) -> Bytes {
        let spare = self.charge.bytes() - self.bytes.len();
        if spare > self.bytes.len() / 4 {
            self.bytes.shrink_to_fit();
            self.charge.shrink(spare);
        }
        let Held { bytes, charge, .. } = self;
        Bytes::from_owner(Charged {
            bytes,
            _charge: charge,
        })
    }
}

/// Bytes that are on the budget until the last part of them is dropped.
struct Charged {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use spindrift_memory::Budget;

    use super::*;

    fn held(memory: &Arc<Budget>, most_bytes: usize) -> Held {
        Held {
            bytes: Vec::new(),
            most_bytes,
            charge: memory.open(Purpose::Bodies),
            share_bytes: memory.limit_bytes() / LARGE_BODIES_SHARE,
        }
    }

    proptest! {
        /// However a body is cut, what is charged is what is held: no less than its bytes, and no more than twice as much.
        #[test]
        fn what_is_charged_is_what_is_held(
            pieces in proptest::collection::vec(0..2000_usize, 0..60),
            is_declared in any::<bool>(),
        ) {
            let memory = Budget::unlimited();
            let total: usize = pieces.iter().sum();
            let mut body = held(&memory, if is_declared { total } else { 1 << 20 });
            for piece in pieces {
                body.push(&vec![7; piece]).expect("room");
                prop_assert!(body.bytes.capacity() <= memory.used_bytes());
                prop_assert!(memory.used_bytes() <= 2 * body.bytes.len());
            }
            let bytes = body.into_bytes();
            prop_assert_eq!(bytes.len(), total);
            prop_assert!(memory.used_bytes() >= total && memory.used_bytes() <= total + total / 4);
            let part = bytes.slice(..total.div_ceil(2));
            drop(bytes);
            // A part keeps all of it.
            prop_assert!(memory.used_bytes() >= total);
            drop(part);
            prop_assert_eq!(memory.used_bytes(), 0);
        }
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let memory = Budget::new(1 << 20);
        let mut large = held(&memory, 1 << 20);
        large.push(&[0; 512 << 10]).expect("half of it");
        let mut another = held(&memory, 1 << 20);
        another.push(&[0; SMALL_BODY]).expect("a small one");
        assert!(another.push(&[0; 1]).is_err());
        drop(large);
        another.push(&[0; 1]).expect("there is room again");
    }
}
