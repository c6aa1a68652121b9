//! How far clients are with what they are sent.
//!
//! Over HTTP/2 a client may leave a stream's window closed while its socket takes all that is written and its PINGs are
//! answered: neither the socket nor the connection tells that it does not read. So each piece of an answer counts what is left of
//! it for as long as hyper and `h2` hold it, and [`Watch`] ends the stream, or the connection of HTTP/1, when that does not get
//! less at [`MinRate`]. Hyper waits for a stream's window inside the task of the stream, where no body is asked for anything, so
//! the watch is around that task: see [`StreamTasks`].

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::task::AtomicWaker;
use hyper::rt::Executor;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep};

use super::concurrency::Line;
use super::pace::{Meter, MinRate};
use crate::logging::{Kind, log_failure};
use crate::memory::{Budget, Charge, Purpose};

/// What a stream of HTTP/2 takes beside its bodies, in bytes: its task, its heads, its place in hyper and `h2`.
const STREAM_BYTES: usize = 4 * 1024;

/// How much of the budget one connection's unread answers may take: a 16th.
const CONNECTION_SHARE: usize = 16;

/// What a connection of HTTP/1 or a stream of HTTP/2 has been given to send.
#[derive(Debug)]
pub struct Sending {
    /// Bytes that the client has not taken yet.
    unsent: AtomicUsize,
    /// Bytes that it has taken.
    sent: AtomicU64,
    /// Whether it had taken all since this was last asked.
    drained: AtomicBool,
    /// When it took something last, in milliseconds since the connection began. Only what is streamed counts.
    moved_ms: AtomicU64,
    /// The end of a streamed body, which waits until the client has taken the rest.
    end: AtomicWaker,
    is_stream: bool,
    connection: Arc<Connection>,
}

/// What a connection's streams share.
#[derive(Debug)]
pub struct Connection {
    began: Instant,
    /// Bytes of answers that the client has not taken yet, and what those are expected to have that are on their way.
    unread_bytes: AtomicUsize,
    share_bytes: usize,
    memory: Arc<Budget>,
    /// The length of the last answer.
    usual_bytes: AtomicUsize,
    less: Notify,
    line: Line,
}

thread_local! {
    /// What the task that is being polled sends.
    static CURRENT: RefCell<Option<Arc<Sending>>> = const { RefCell::new(None) };
}

impl Sending {
    /// That of a connection that begins.
    pub fn of_connection(memory: &Arc<Budget>) -> Arc<Self> {
        let connection = Arc::new(Connection {
            began: Instant::now(),
            unread_bytes: AtomicUsize::new(0),
            share_bytes: memory.limit_bytes() / CONNECTION_SHARE,
            memory: memory.clone(),
            usual_bytes: AtomicUsize::new(0),
            less: Notify::new(),
            line: Line::default(),
        });
        Self::new(connection, false)
    }

    /// That of a stream of `connection`.
    fn of_stream(connection: &Arc<Connection>) -> Arc<Self> {
        Self::new(connection.clone(), true)
    }

    fn new(connection: Arc<Connection>, is_stream: bool) -> Arc<Self> {
        Arc::new(Sending {
            unsent: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            drained: AtomicBool::new(false),
            moved_ms: AtomicU64::new(0),
            end: AtomicWaker::new(),
            is_stream,
            connection,
        })
    }

    /// That of the task that is being polled, if [`Watch`] polls it.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Does `work` as a task does that sends nothing.
    pub fn without<T>(work: impl FnOnce() -> T) -> T {
        let _entered = Entered(CURRENT.take());
        work()
    }

    /// Whether it is a stream of HTTP/2.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Bytes that the client has not taken yet.
    pub fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Acquire)
    }

    /// Has `waker` woken when the client has taken all. Says whether it has.
    pub fn poll_drained(&self, waker: &Waker) -> bool {
        self.end.register(waker);
        self.unsent() == 0
    }

    /// For how long the client has taken nothing of what there is for it.
    fn stalled_for(&self) -> Duration {
        if self.unsent() == 0 {
            return Duration::ZERO;
        }
        let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
        self.connection.began.elapsed().saturating_sub(moved)
    }

    fn note_move(&self) {
        let now = self.connection.began.elapsed().as_millis() as u64;
        self.moved_ms.store(now, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) {
        if self.unsent.fetch_sub(bytes, Ordering::AcqRel) == bytes {
            self.drained.store(true, Ordering::Relaxed);
            self.end.wake();
        }
    }
}

/// Makes a [`Sending`] the current one until dropped.
struct Entered(Option<Arc<Sending>>);

impl Entered {
    fn new(sending: &Arc<Sending>) -> Self {
        Entered(CURRENT.replace(Some(sending.clone())))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Connection {
    /// Where its requests wait for their places.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Waits until the client has read enough of earlier answers for another one to be worked on, and takes room for it as far
    /// as its length can be known.
    pub async fn room(self: &Arc<Self>) -> Expected {
        loop {
            let less = self.less.notified();
            if let Some(room) = self.room_now() {
                return room;
            }
            less.await;
        }
    }

    /// As [`room`](Self::room), without waiting: as a rule there is room.
    pub fn room_now(self: &Arc<Self>) -> Option<Expected> {
        let bytes = self.usual_bytes.load(Ordering::Relaxed);
        self.try_take(bytes, self.share_bytes).then(|| {
            let connection = self.clone();
            Expected(Unread { connection, bytes })
        })
    }

    /// Takes room for `bytes`, if no more than `most` are taken then. There is always room for one answer.
    fn try_take(&self, bytes: usize, most: usize) -> bool {
        let with = |unread: usize| {
            let sum = unread.saturating_add(bytes);
            (unread == 0 || sum <= most).then_some(sum)
        };
        self.unread_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with)
            .is_ok()
    }
}

/// Room on a connection for an answer that is being worked on.
#[derive(Debug)]
pub struct Expected(Unread);

impl Expected {
    /// The answer is there, and has so many bytes. Says whether there is room for it: several may have been worked on at once,
    /// each longer than those before. Once the answers of all connections take more than a part of the budget, those of one may
    /// have no more than twice its share.
    pub fn has_room_for(&mut self, bytes: usize) -> bool {
        let connection = &self.0.connection;
        connection.usual_bytes.store(bytes, Ordering::Relaxed);
        let more = bytes.saturating_sub(self.0.bytes);
        if more > 0 {
            let others = connection.unread_bytes.load(Ordering::Relaxed) - self.0.bytes;
            let sum = others.saturating_add(bytes);
            let is_too_much = others > 0 && sum > connection.share_bytes.saturating_mul(2);
            if is_too_much && connection.memory.is_under_pressure(Purpose::Answers) {
                return false;
            }
            connection.unread_bytes.fetch_add(more, Ordering::Relaxed);
            self.0.bytes = bytes;
        } else {
            self.0.shrink_to(bytes);
        }
        true
    }

    /// What the client has not read from here on.
    pub fn into_unread(self) -> Unread {
        self.0
    }
}

/// Bytes of a connection's answers that its client has not read.
#[derive(Debug)]
pub struct Unread {
    connection: Arc<Connection>,
    bytes: usize,
}

impl Unread {
    fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes - bytes;
        if less > 0 {
            self.bytes = bytes;
            let connection = &self.connection;
            connection.unread_bytes.fetch_sub(less, Ordering::Relaxed);
            connection.less.notify_waiters();
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// A piece of an answer, for as long as it is held for the client.
#[derive(Debug, Default)]
pub struct Piece {
    bytes: Bytes,
    /// Counts what is left of it. Nothing does outside of a [`Watch`].
    sending: Option<Arc<Sending>>,
    /// It is part of a streamed answer.
    is_streamed: bool,
    /// What is held for it on the budget.
    _charge: Option<Charge>,
    /// What it takes of the connection's share.
    _unread: Option<Unread>,
}

impl Piece {
    /// A piece that `sending` counts from now on, on the budget by `charge`.
    pub fn new(
        bytes: Bytes,
        sending: Option<Arc<Sending>>,
        charge: Option<Charge>,
        unread: Option<Unread>,
    ) -> Self {
        if let Some(sending) = &sending {
            sending.unsent.fetch_add(bytes.len(), Ordering::AcqRel);
        }
        Piece {
            bytes,
            sending,
            is_streamed: false,
            _charge: charge,
            _unread: unread,
        }
    }

    /// As [`Piece::new`], for a piece of a streamed answer.
    pub fn streamed(bytes: Bytes, sending: Option<Arc<Sending>>, charge: Option<Charge>) -> Self {
        if let Some(sending) = sending.as_ref().filter(|sending| sending.unsent() == 0) {
            // What was there before has been taken: the client has all the time from now on for this one.
            sending.note_move();
        }
        let mut piece = Self::new(bytes, sending, charge, None);
        piece.is_streamed = true;
        piece
    }

    /// The bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(sending) = &self.sending {
            sending.sent.fetch_add(count as u64, Ordering::Relaxed);
            if self.is_streamed {
                sending.note_move();
            }
            sending.take(count);
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let left = self.bytes.len();
        if let Some(sending) = self.sending.as_ref().filter(|_| left > 0) {
            sending.take(left);
        }
    }
}

/// What watches clients that are sent something.
#[derive(Clone, Debug)]
pub struct Readers {
    rate: MinRate,
    memory: Arc<Budget>,
    /// Clients that were cut because they read too slowly.
    too_slow: Counter,
}

impl Readers {
    /// Has clients read at this rate.
    pub fn new(rate: MinRate, memory: Arc<Budget>) -> Self {
        Readers {
            rate,
            memory,
            too_slow: Counter::default(),
        }
    }

    /// How many clients were cut because they read too slowly.
    pub fn too_slow(&self) -> &Counter {
        &self.too_slow
    }

    /// Watches a connection that begins.
    pub fn watch_connection(&self) -> Watch {
        self.watch(Sending::of_connection(&self.memory))
    }

    fn watch(&self, sending: Arc<Sending>) -> Watch {
        Watch {
            readers: self.clone(),
            sending,
            timer: None,
            is_armed: false,
            meter: None,
            counted: 0,
        }
    }
}

/// Polls what serves a connection of HTTP/1, or a stream of HTTP/2, as long as the client reads.
#[derive(Debug)]
pub struct Watch {
    readers: Readers,
    sending: Arc<Sending>,
    /// The next tick. Kept when there is nothing to watch, so that a request that is answered at once sets no timer.
    timer: Option<Pin<Box<Sleep>>>,
    is_armed: bool,
    /// Measures while the client has something to read.
    meter: Option<Meter>,
    /// What the client had taken at the last tick, in bytes.
    counted: u64,
}

impl Watch {
    /// The output of `work`, or nothing if the client reads too slowly: then `work` is to be dropped.
    pub async fn over<F: Future>(&mut self, mut work: Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| self.poll_over(work.as_mut(), cx)).await
    }

    fn poll_over<F: Future>(
        &mut self,
        work: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<F::Output>> {
        let entered = Entered::new(&self.sending);
        let polled = work.poll(cx);
        drop(entered);
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Some(output));
        }
        if !self.is_armed && self.sending.unsent() == 0 {
            return Poll::Pending;
        }
        let tick = self.readers.rate.tick();
        let mut timer = self.timer.take().unwrap_or_else(|| {
            self.is_armed = true;
            Box::pin(sleep(tick))
        });
        if !self.is_armed {
            self.is_armed = true;
            timer.as_mut().reset(Instant::now() + tick);
        }
        let mut cut = false;
        while self.is_armed && !cut && timer.as_mut().poll(cx).is_ready() {
            cut = self.is_too_slow_at_tick();
            self.is_armed = self.sending.unsent() > 0;
            if self.is_armed {
                timer.as_mut().reset(Instant::now() + tick);
            }
        }
        self.timer = Some(timer);
        if cut {
            self.cut();
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn is_too_slow_at_tick(&mut self) -> bool {
        let sent = self.sending.sent.load(Ordering::Relaxed);
        let moved = sent - self.counted;
        self.counted = sent;
        if self.sending.drained.swap(false, Ordering::Relaxed) || self.sending.unsent() == 0 {
            // It has read all that there was; what there is now is new.
            self.meter = None;
        }
        match &mut self.meter {
            // A part of this tick is over already.
            None => {
                self.meter = Some(Meter::default());
                false
            }
            Some(meter) => {
                meter.count(moved);
                meter.is_too_slow_at_tick(&self.readers.rate)
            }
        }
    }

    fn cut(&self) {
        self.readers.too_slow.inc();
        let MinRate {
            bytes_per_second,
            grace,
        } = self.readers.rate;
        log_failure!(
            WARN,
            Kind::SlowReaders,
            "",
            unsent_bytes = self.sending.unsent(),
            "a client was cut off: it read less than {bytes_per_second} bytes a second of an answer, for {grace:?}"
        );
    }
}

/// Runs the streams of HTTP/2 connections, each in a task of its own, and ends those whose clients do not read.
///
/// Dropped, a stream is reset, and what `h2` holds of it is freed. There is no room on the budget for any number of streams:
/// beyond it they are reset at once.
#[derive(Clone, Debug)]
pub struct StreamTasks(pub Readers);

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        // Hyper starts streams while it is polled itself, so what is current is their connection's.
        let Some(parent) = Sending::current() else {
            tokio::spawn(stream);
            return;
        };
        let Ok(charge) = self.0.memory.charge(Purpose::Answers, STREAM_BYTES) else {
            log_failure!(
                WARN,
                Kind::NoMemory,
                "",
                "an HTTP/2 stream was reset: the memory that is held for requests is at its limit"
            );
            return;
        };
        let mut watch = self.0.watch(Sending::of_stream(parent.connection()));
        tokio::spawn(async move {
            let stream = std::pin::pin!(stream);
            watch.over(stream).await;
            drop(charge);
        });
    }
}

/// Guests that go on after their response head, for clients that read what they write.
///
/// Each of them holds a place among the requests that may be under way. They hold half of the places at most, so that clients
/// which stop reading keep nobody out whose answer is short. One more is written in place of that whose client has taken nothing
/// for longest. The same goes for the memory that they hold.
#[derive(Debug)]
pub struct Streams {
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
    pub fn new(places: usize, memory: Arc<Budget>) -> Self {
        Streams {
            most: places.div_ceil(2),
            memory,
            streams: Mutex::default(),
            evicted: Counter::default(),
        }
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Guests that were ended because their clients had stopped reading, and there were too many.
    pub fn evicted(&self) -> &Counter {
        &self.evicted
    }

    /// Takes in a guest that goes on for the task that is being polled, if there is room for it.
    pub fn admit(&self, guest: &AbortHandle) -> bool {
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
    pub fn relieve(&self) -> bool {
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
