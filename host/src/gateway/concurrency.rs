//! [`Concurrency`]: how many requests may be under way at once, and how those beyond wait for a place.
//!
//! A burst of more requests than there are places is over in a moment, so a request waits for a short while before the host
//! refuses it. While it waits it holds its body, which is on the budget already, and nothing else. Places that become free go to
//! the connections in turn, whatever the number of requests that wait on each: only the first of a connection stands in the queue of
//! all, and the others wait behind it. So a connection with many streams delays one with a single request by one request at most
//! for each place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;

/// The part of those that wait which may be of one connection: an eighth.
const CONNECTION_SHARE: usize = 8;

/// The places of requests.
#[derive(Debug)]
pub struct Concurrency {
    limit: usize,
    /// How long a request waits for a place.
    patience: Duration,
    places: Arc<Semaphore>,
    /// How many requests may wait: as many as may be under way.
    waiting: Semaphore,
    /// How many wait.
    pub waits: Gauge,
    /// Requests for which there was no place.
    pub refused: Counter,
}

/// The requests of one connection that wait for places.
#[derive(Debug, Default)]
pub struct Line {
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
    pub fn new(limit: usize, patience: Duration) -> Self {
        let places = limit.min(Semaphore::MAX_PERMITS);
        Concurrency {
            limit,
            patience,
            places: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(places),
            waits: Gauge::default(),
            refused: Counter::default(),
        }
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.limit.saturating_sub(self.places.available_permits())
    }

    /// A place for a request, which is free again when it is dropped. It is waited for in `line` until the `deadline` of the
    /// request at most.
    ///
    /// # Errors
    ///
    /// No place becomes free in time, or the queue is full.
    pub async fn place(
        &self,
        line: Option<&Line>,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let place = self.wait(line, deadline).await;
        place.ok_or_else(|| {
            self.refused.inc();
            Problem::Busy { limit: self.limit }
        })
    }

    async fn wait(&self, line: Option<&Line>, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let until = deadline.min(Instant::now() + self.patience);
        let _room = self.waiting.try_acquire().ok()?;
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
            self.places.clone().acquire_owned().await
        };
        timeout_at(until, place).await.ok()?.ok()
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
        let first = requests.place(Some(&line), deadline()).await;
        let mut second = pin!(requests.place(Some(&line), deadline()));
        assert!(poll!(second.as_mut()).is_pending());
        assert_eq!((requests.waits.get(), requests.under_way()), (1, 1));
        // As many wait as may.
        let other = Line::default();
        let third = requests.place(Some(&other), deadline()).now_or_never();
        assert!(matches!(third, Some(Err(Problem::Busy { limit: 1 }))));
        drop(first);
        let second = second.await.expect("a place");
        assert_eq!((requests.waits.get(), requests.under_way()), (0, 1));

        let began = Instant::now();
        assert!(requests.place(Some(&line), deadline()).await.is_err());
        assert_eq!(began.elapsed().as_millis(), PATIENCE.as_millis());
        // No request waits beyond its own time.
        let soon = Instant::now() + PATIENCE / 10;
        assert!(requests.place(Some(&line), soon).await.is_err());
        assert!(began.elapsed() < PATIENCE * 2);
        assert_eq!((requests.waits.get(), requests.refused.get()), (0, 3));
        drop(second);
        assert!(requests.place(Some(&line), deadline()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_waits_no_more() {
        let requests = Concurrency::new(1, PATIENCE);
        let (one, other) = (Line::default(), Line::default());
        let held = requests.place(Some(&one), deadline()).await;
        for _ in 0..10 {
            let mut gone = Box::pin(requests.place(Some(&other), deadline()));
            assert!(poll!(gone.as_mut()).is_pending());
        }
        assert_eq!(requests.waits.get(), 0);
        let mut next = pin!(requests.place(Some(&other), deadline()));
        assert!(poll!(next.as_mut()).is_pending());
        drop(held);
        assert!(next.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_take_turns() {
        let requests = Concurrency::new(80, PATIENCE);
        let (busy, other) = (Line::default(), Line::default());
        let held = join_all((0..80).map(|_| requests.place(None, deadline()))).await;
        // One connection has its share of all that wait, and no more.
        let mut many: Vec<_> = (0..20)
            .map(|_| Box::pin(requests.place(Some(&busy), deadline())))
            .collect();
        let mut refused = 0;
        for waiting in &mut many {
            refused += usize::from(poll!(waiting.as_mut()).is_ready());
        }
        assert_eq!(refused, 10);
        let mut single = pin!(requests.place(Some(&other), deadline()));
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
}
