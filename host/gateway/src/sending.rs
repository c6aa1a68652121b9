//! How far clients are with what they are sent: each piece of an answer counts what is left of it for as long as hyper and `h2`
//! hold it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::task::AtomicWaker;
use spindrift_memory::{Budget, Charge, Purpose};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::concurrency::Line;

/// How much of the budget one connection's unread answers may take: a 16th.
const CONNECTION_SHARE: usize = 16;

/// What a connection of HTTP/1 or a stream of HTTP/2 has been given to send.
#[derive(Debug)]
pub(crate) struct Sending {
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
    /// Whether the rest is not waited for any longer.
    given_up: AtomicBool,
    /// What waits for it.
    watch: AtomicWaker,
    is_stream: bool,
    connection: Arc<Connection>,
}

/// What a connection's streams share.
#[derive(Debug)]
pub(crate) struct Connection {
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
    pub(crate) fn of_connection(memory: &Arc<Budget>) -> Arc<Self> {
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
    pub(crate) fn of_stream(connection: &Arc<Connection>) -> Arc<Self> {
        Self::new(connection.clone(), true)
    }

    fn new(connection: Arc<Connection>, is_stream: bool) -> Arc<Self> {
        Arc::new(Sending {
            unsent: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            drained: AtomicBool::new(false),
            moved_ms: AtomicU64::new(0),
            end: AtomicWaker::new(),
            given_up: AtomicBool::new(false),
            watch: AtomicWaker::new(),
            is_stream,
            connection,
        })
    }

    /// That of the task that is being polled, if a `Watch` polls it.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Does `work` as a task does that sends nothing.
    pub(crate) fn without<T>(work: impl FnOnce() -> T) -> T {
        let _entered = Entered(CURRENT.take());
        work()
    }

    /// Whether it is a stream of HTTP/2.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Bytes that the client has not taken yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Acquire)
    }

    /// Has `waker` woken when the client has taken all. Says whether it has.
    pub(crate) fn poll_drained(&self, waker: &Waker) -> bool {
        self.end.register(waker);
        self.unsent() == 0
    }

    /// Bytes that the client has taken so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether it had taken all since this was last asked.
    pub(crate) fn takes_drained(&self) -> bool {
        self.drained.swap(false, Ordering::Relaxed)
    }

    /// Has the client not waited for any longer.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.watch.wake();
    }

    /// Has `waker` woken when the client is not waited for any longer. Says whether that is so.
    pub(crate) fn poll_given_up(&self, waker: &Waker) -> bool {
        self.watch.register(waker);
        self.given_up.load(Ordering::Acquire)
    }

    /// For how long the client has taken nothing of what there is for it.
    pub(crate) fn stalled_for(&self) -> Duration {
        if self.unsent() == 0 {
            return Duration::ZERO;
        }
        let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
        self.connection.began.elapsed().saturating_sub(moved)
    }

    pub(crate) fn note_move(&self) {
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
pub(crate) struct Entered(Option<Arc<Sending>>);

impl Entered {
    pub(crate) fn new(sending: &Arc<Sending>) -> Self {
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
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Waits until the client has read enough of earlier answers for another one to be worked on, and takes room for it as far
    /// as its length can be known.
    pub(crate) async fn room(self: &Arc<Self>) -> Expected {
        loop {
            let less = self.less.notified();
            if let Some(room) = self.room_now() {
                return room;
            }
            less.await;
        }
    }

    /// As [`room`](Self::room), without waiting: as a rule there is room.
    pub(crate) fn room_now(self: &Arc<Self>) -> Option<Expected> {
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
pub(crate) struct Expected(Unread);

impl Expected {
    /// The answer is there, and has so many bytes. Says whether there is room for it: several may have been worked on at once,
    /// each longer than those before. Once the answers of all connections take more than a part of the budget, those of one may
    /// have no more than twice its share.
    pub(crate) fn has_room_for(&mut self, bytes: usize) -> bool {
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
    pub(crate) fn into_unread(self) -> Unread {
        self.0
    }
}

/// Bytes of a connection's answers that its client has not read.
#[derive(Debug)]
pub(crate) struct Unread {
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
pub(crate) struct Piece {
    bytes: Bytes,
    /// Counts what is left of it. Nothing does outside of a `Watch`.
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
    pub(crate) fn new(
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
    pub(crate) fn streamed(
        bytes: Bytes,
        sending: Option<Arc<Sending>>,
        charge: Option<Charge>,
    ) -> Self {
        if let Some(sending) = sending.as_ref().filter(|sending| sending.unsent() == 0) {
            // What was there before has been taken: the client has all the time from now on for this one.
            sending.note_move();
        }
        let mut piece = Self::new(bytes, sending, charge, None);
        piece.is_streamed = true;
        piece
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
