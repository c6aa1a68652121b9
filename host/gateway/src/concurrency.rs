//! [`Concurrency`]: how many requests may be under way at once, and how those beyond wait for a place.
//!
//! A burst of more requests than there are places is over in a moment, so a request waits for a short while before the host
//! refuses it. While it waits it holds its body, which is on the budget already, and nothing else. Places that become free go to
//! the connections in turn, whatever the number of requests that wait on each: only the first of a connection stands in the queue of
//! all, and the others wait behind it. So a connection with many streams delays one with a single request by one request at most
//! for each place.
//!
//! A request that a component makes to its own application has a place of its own, and the caller keeps its place meanwhile. If
//! callers had all places, none of them would go on. So the places are in rooms: that of depth 0 is for clients, each further one
//! for the requests that as many others have led to, and a request takes a place in its room and in all further ones. Each room
//! is larger than the one before, so the deepest requests always go on. An application that makes no such request keeps no places
//! for them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use spindrift_runtime::MAX_DEPTH;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;

/// The part of those that wait which may be of one connection: an eighth.
const CONNECTION_SHARE: usize = 8;
/// The part of the places that clients leave to requests of the application to itself: a quarter.
const OWN_SHARE: usize = 4;

/// The places of requests.
#[derive(Debug)]
pub(crate) struct Concurrency {
    limit: usize,
    /// How long a request waits for a place.
    patience: Duration,
    /// By depth. The last one has all places. Never freed: each process has one application. So a place needs no count of those
    /// who refer to them, which all threads would have to change for each request.
    rooms: &'static [Semaphore],
    /// Whether clients leave places to requests of the application to itself.
    keeps_places: AtomicBool,
    /// How many requests may wait: as many as may be under way.
    waiting: Semaphore,
    /// The same for requests of the application to itself.
    own_waiting: Semaphore,
    /// How many wait.
    pub waits: Gauge,
    /// Requests for which there was no place.
    pub refused: Counter,
}

/// The place of a request in its room and in all further ones. It is free when this is dropped.
#[derive(Debug)]
pub(crate) struct RequestPermit {
    rooms: &'static [Semaphore],
    taken: Range<usize>,
}

impl RequestPermit {
    /// Takes the rest of it, if that is free.
    fn try_take(&mut self) -> bool {
        while let Some(room) = self.rooms.get(self.taken.end) {
            let Ok(permit) = room.try_acquire() else {
                return false;
            };
            permit.forget();
            self.taken.end += 1;
        }
        true
    }

    /// Takes the rest of it, as soon as that is free.
    async fn take(mut self) -> Option<Self> {
        while let Some(room) = self.rooms.get(self.taken.end) {
            room.acquire().await.ok()?.forget();
            self.taken.end += 1;
        }
        Some(self)
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        for room in &self.rooms[self.taken.clone()] {
            room.add_permits(1);
        }
    }
}

/// The requests of one connection that wait for places.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Held by the one that stands in the queue of all connections.
    first: Mutex<()>,
    length: AtomicUsize,
}

/// A request in line.
struct InLine<'a>(&'a Line);

impl<'a> InLine<'a> {
    /// Unless there are so many in it.
    fn enter(line: &'a Line, most: usize) -> Option<Self> {
        let (order, more) = (Ordering::Relaxed, |length| {
            (length < most).then_some(length + 1)
        });
        line.length.fetch_update(order, order, more).ok()?;
        Some(InLine(line))
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.length.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a request that waits.
struct Waits<'a>(&'a Gauge);

impl<'a> Waits<'a> {
    fn new(waits: &'a Gauge) -> Self {
        waits.inc();
        Waits(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Concurrency {
    /// So many places, for which requests wait for as long as `patience`.
    pub(crate) fn new(limit: usize, patience: Duration) -> Self {
        let places = limit.min(Semaphore::MAX_PERMITS);
        let room = |depth| Semaphore::new(places - spare_places(places, depth));
        Concurrency {
            limit,
            patience,
            rooms: Vec::leak((0..=MAX_DEPTH).map(room).collect()),
            keeps_places: AtomicBool::new(false),
            waiting: Semaphore::new(places),
            own_waiting: Semaphore::new(places),
            waits: Gauge::default(),
            refused: Counter::default(),
        }
    }

    /// How many requests are under way.
    pub(crate) fn under_way(&self) -> usize {
        let free = self.rooms[MAX_DEPTH].available_permits();
        self.limit.saturating_sub(free)
    }

    /// Has clients leave places to requests of the application to itself from now on.
    pub(crate) fn keep_places(&self) {
        // All threads share this.
        if !self.keeps_places.load(Ordering::Relaxed) {
            self.keeps_places.store(true, Ordering::Relaxed);
        }
    }

    /// A place for a request that as many requests of the application to itself have led to as `depth` says. It is waited for in
    /// `line` until the `deadline` of the request at most.
    ///
    /// # Errors
    ///
    /// No place becomes free in time, or the queue is full.
    pub(crate) async fn place(
        &self,
        line: Option<&Line>,
        depth: usize,
        deadline: Instant,
    ) -> Result<RequestPermit, Problem> {
        let first = match depth {
            0 if !self.keeps_places.load(Ordering::Relaxed) => MAX_DEPTH,
            depth => depth.min(MAX_DEPTH),
        };
        let mut place = RequestPermit {
            rooms: self.rooms,
            taken: first..first,
        };
        if place.try_take() {
            return Ok(place);
        }
        let waiting = match depth {
            0 => &self.waiting,
            _ => &self.own_waiting,
        };
        let place = self.wait(place, waiting, line, deadline).await;
        place.ok_or_else(|| {
            self.refused.inc();
            Problem::Busy { limit: self.limit }
        })
    }

    async fn wait(
        &self,
        place: RequestPermit,
        waiting: &Semaphore,
        line: Option<&Line>,
        deadline: Instant,
    ) -> Option<RequestPermit> {
        let until = deadline.min(Instant::now() + self.patience);
        let _room = waiting.try_acquire().ok()?;
        let most = self.limit.div_ceil(CONNECTION_SHARE);
        let _in_line = match line {
            Some(line) => Some(InLine::enter(line, most)?),
            None => None,
        };
        let _waits = Waits::new(&self.waits);
        let place = async {
            let _first = match line {
                Some(line) => Some(line.first.lock().await),
                None => None,
            };
            place.take().await
        };
        timeout_at(until, place).await.ok()?
    }
}

/// How many of `places` a request leaves to deeper ones: a client a quarter, and each further depth less.
fn spare_places(places: usize, depth: usize) -> usize {
    let most = (places / OWN_SHARE).max(1).min(places.saturating_sub(1));
    let depths = most.min(MAX_DEPTH);
    match depths.checked_sub(depth) {
        Some(deeper @ 1..) => (most * deeper).div_ceil(depths),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use futures::future::join_all;
    use futures::{FutureExt, poll};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_a_place_and_not_for_long() {
        let requests = Concurrency::new(1, PATIENCE);
        let line = Line::default();
        let first = requests.place(Some(&line), 0, deadline()).await;
        let mut second = pin!(requests.place(Some(&line), 0, deadline()));
        assert!(poll!(second.as_mut()).is_pending());
        assert_eq!((requests.waits.get(), requests.under_way()), (1, 1));
        // As many wait as may.
        let other = Line::default();
        let third = requests.place(Some(&other), 0, deadline()).now_or_never();
        assert!(matches!(third, Some(Err(Problem::Busy { limit: 1 }))));
        drop(first);
        let second = second.await.expect("a place");
        assert_eq!((requests.waits.get(), requests.under_way()), (0, 1));

        let began = Instant::now();
        assert!(requests.place(Some(&line), 0, deadline()).await.is_err());
        assert_eq!(began.elapsed().as_millis(), PATIENCE.as_millis());
        // No request waits beyond its own time.
        let soon = Instant::now() + PATIENCE / 10;
        assert!(requests.place(Some(&line), 0, soon).await.is_err());
        assert!(began.elapsed() < PATIENCE * 2);
        assert_eq!((requests.waits.get(), requests.refused.get()), (0, 3));
        drop(second);
        assert!(requests.place(Some(&line), 0, deadline()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_waits_no_more() {
        let requests = Concurrency::new(1, PATIENCE);
        let (one, other) = (Line::default(), Line::default());
        let held = requests.place(Some(&one), 0, deadline()).await;
        for _ in 0..10 {
            let mut gone = Box::pin(requests.place(Some(&other), 0, deadline()));
            assert!(poll!(gone.as_mut()).is_pending());
        }
        assert_eq!(requests.waits.get(), 0);
        let mut next = pin!(requests.place(Some(&other), 0, deadline()));
        assert!(poll!(next.as_mut()).is_pending());
        drop(held);
        assert!(next.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_take_turns() {
        let requests = Concurrency::new(80, PATIENCE);
        let (busy, other) = (Line::default(), Line::default());
        let held = join_all((0..80).map(|_| requests.place(None, 0, deadline()))).await;
        // One connection has its share of all that wait, and no more.
        let mut many: Vec<_> = (0..20)
            .map(|_| Box::pin(requests.place(Some(&busy), 0, deadline())))
            .collect();
        let mut refused = 0;
        for waiting in &mut many {
            refused += usize::from(poll!(waiting.as_mut()).is_ready());
        }
        assert_eq!(refused, 10);
        let mut single = pin!(requests.place(Some(&other), 0, deadline()));
        assert!(poll!(single.as_mut()).is_pending());
        // The second place that becomes free is for the connection that came last.
        let mut held = held.into_iter();
        drop(held.next());
        let Poll::Ready(Ok(_first)) = poll!(many[0].as_mut()) else {
            panic!("no place");
        };
        assert!(poll!(many[1].as_mut()).is_pending());
        drop(held.next());
        let Poll::Ready(Ok(_single)) = poll!(single.as_mut()) else {
            panic!("no place");
        };
        assert!(poll!(many[1].as_mut()).is_pending());
    }

    #[test]
    fn each_depth_has_more_places_than_the_one_before() {
        for places in 1..200 {
            let rooms: Vec<_> = (0..=MAX_DEPTH)
                .map(|depth| places - spare_places(places, depth))
                .collect();
            assert_eq!(rooms.last(), Some(&places));
            let grows = |pair: &[usize]| pair[0] < pair[1] || pair[0] == places;
            assert!(rooms[0] >= 1 && rooms.windows(2).all(grows), "{rooms:?}");
            assert!(rooms[0] + places / OWN_SHARE <= places, "{rooms:?}");
        }
        assert_eq!(spare_places(1000, 0), 250);
        assert_eq!(spare_places(2, 0), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_leave_places_to_requests_of_the_application_to_itself() {
        let requests = Concurrency::new(16, PATIENCE);
        // Until there is such a request, clients have all places.
        let all = join_all((0..16).map(|_| requests.place(None, 0, deadline()))).await;
        assert!(all.iter().all(Result::is_ok));
        drop(all);
        requests.keep_places();
        let clients = join_all((0..16).map(|_| requests.place(None, 0, deadline()))).await;
        assert_eq!(clients.iter().filter(|place| place.is_ok()).count(), 12);
        assert_eq!(requests.under_way(), 12);
        // Callers at each depth leave a place to those that they call.
        let mut callers = Vec::new();
        for depth in 1..=4 {
            let place = requests.place(None, depth, deadline()).now_or_never();
            callers.push(place.expect("a place at once").expect("a place"));
            let another = requests.place(None, depth, deadline()).now_or_never();
            assert!(another.is_none(), "a second place at depth {depth}");
        }
        assert_eq!(requests.under_way(), 16);
        assert!(requests.place(None, 5, deadline()).await.is_err());
        callers.pop();
        assert!(requests.place(None, 5, deadline()).await.is_ok());
        drop((clients, callers));
        assert_eq!(requests.under_way(), 0);
        assert_eq!(requests.rooms[0].available_permits(), 12);
    }
}
