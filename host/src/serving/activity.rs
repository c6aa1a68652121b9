//! [`Activity`]: what goes on on a connection, and for what it is waited too long.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The shortest time between two looks at a connection, whatever its time-outs are.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// How long a client is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    /// How long the head of a request may take. It counts for the first one from when the connection was accepted, a TLS
    /// handshake included, and for any other from its first byte.
    pub head: Duration,
    /// How long a connection may have no request under way.
    pub idle: Duration,
    /// How long a client may take to read an answer, if that is bounded here.
    pub answer: Option<Duration>,
}

impl Patience {
    /// How often a connection has to be looked at: a head that begins between two looks is not late at the second.
    pub(super) fn pause(&self) -> Duration {
        self.head.min(self.idle).max(LEAST_PAUSE)
    }
}

/// What is due on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this time. It is then to be asked for again.
    At(Instant),
    /// A request's head has taken too long.
    Head,
    /// There has been no request for too long.
    Idle,
    /// The client has left an answer unread for too long.
    Answer,
}

/// A moment of a connection, in microseconds since it was accepted, plus one. Zero stands for none.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn set(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX - 1);
        self.0.store(micros + 1, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        let micros = self.0.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(micros))
    }
}

/// What goes on on one connection. Its parts note it: the stream what is read and written, the service which requests are
/// under way, hyper when it waits for a head.
#[derive(Debug)]
pub(crate) struct Activity {
    /// When the connection was accepted.
    began: Instant,
    /// Told when the connection has to make room for another.
    evicted: Notify,
    /// Whether HTTP is spoken on it: a TLS handshake is over.
    open: AtomicBool,
    /// Whether there has been a request.
    asked: AtomicBool,
    /// Requests whose answers are not sent, as far as the host knows.
    answering: AtomicUsize,
    /// Those of them that do not wait for the client.
    working: AtomicUsize,
    /// Whether it speaks HTTP/1. This is known once hyper has waited for a head.
    http1: AtomicBool,
    /// Whether what arrives on HTTP/1 belongs to the next head.
    awaits_head: AtomicBool,
    /// The first byte of the head that has begun to arrive.
    head: Moment,
    /// The end of what was last under way.
    quiet: Moment,
    /// Since when something is written that has not left.
    unflushed: Moment,
    /// Bytes written.
    written: AtomicU64,
    /// Set to have the stream ask the system whether bytes have arrived that no event has told of yet.
    look: AtomicBool,
    /// Whether they have.
    arrived: AtomicBool,
    /// Whether the connection, when it is closed, is not read on.
    hurried: AtomicBool,
}

impl Activity {
    /// Of a connection that is accepted now.
    pub(crate) fn new() -> Self {
        Activity {
            began: Instant::now(),
            evicted: Notify::new(),
            open: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            answering: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            http1: AtomicBool::new(false),
            awaits_head: AtomicBool::new(false),
            head: Moment::default(),
            quiet: Moment::default(),
            unflushed: Moment::default(),
            written: AtomicU64::new(0),
            look: AtomicBool::new(false),
            arrived: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        }
    }

    /// When the first head has to be there.
    pub(crate) fn first_head_until(&self, patience: &Patience) -> Instant {
        self.began + patience.head
    }

    /// Notes that HTTP is spoken on it from now on.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Whether HTTP is spoken on it.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Has the connection end at once, to make room for another.
    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Resolves when the connection has to make room for another.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// How little there is to lose in this connection: the greatest makes room first. Those come first that have asked for
    /// nothing, then those that are idle, then those with a request under way; among them the one that has been so for the
    /// longest time.
    pub(super) fn idleness(&self) -> (u8, Duration) {
        let elapsed = self.began.elapsed();
        if !self.asked.load(Ordering::Relaxed) {
            return (2, elapsed);
        }
        let since = self.quiet.get().unwrap_or_default();
        let busy = self.is_answering() || self.unflushed.get().is_some();
        (u8::from(!busy), elapsed.saturating_sub(since))
    }

    /// What is due now.
    pub(super) fn due(&self, patience: &Patience) -> Due {
        let now = Instant::now();
        let next = now + patience.pause();
        let within = |since: Duration, allowed: Duration, late: Due| {
            let until = self.began + since + allowed;
            if now >= until {
                late
            } else {
                Due::At(until.min(next))
            }
        };
        if !self.asked.load(Ordering::Relaxed) {
            return within(Duration::ZERO, patience.head, Due::Head);
        }
        if let Some(since) = self.unflushed.get() {
            return match patience.answer {
                Some(allowed) => within(since, allowed, Due::Answer),
                None => Due::At(next),
            };
        }
        if self.is_answering() {
            return Due::At(next);
        }
        match self.head.get() {
            Some(since) => within(since, patience.head, Due::Head),
            None => {
                let since = self.quiet.get().unwrap_or_default();
                within(since, patience.idle, Due::Idle)
            }
        }
    }

    /// Whether hyper waits for the rest of the head of a further request on HTTP/1.
    pub(super) fn has_begun_head(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        asked && !self.is_answering() && self.head.get().is_some()
    }

    /// Whether a head has begun to arrive of which hyper waits for the rest. On HTTP/2 there is none after the first.
    pub(super) fn has_head(&self) -> bool {
        self.head.get().is_some()
    }

    /// Whether answers are to be sent.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    /// Whether an answer of HTTP/1 is to be sent, or has not left yet.
    pub(super) fn owes_http1(&self) -> bool {
        self.http1.load(Ordering::Relaxed) && !self.is_idle()
    }

    /// Whether a request is under way that does not wait for its client to read.
    pub(super) fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed) > 0
    }

    /// Whether nothing is under way, and nothing is left to be written.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_answering() && self.unflushed.get().is_none()
    }

    /// How many bytes have been written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Notes that hyper waits for a head of HTTP/1, and gives the time.
    pub(super) fn awaits_head(&self) -> Instant {
        self.http1.store(true, Ordering::Relaxed);
        self.awaits_head.store(true, Ordering::Relaxed);
        let time = Instant::now();
        let now = time.saturating_duration_since(self.began);
        self.quiet.set(now);
        if self.asked.load(Ordering::Relaxed) && self.head.get().is_some() {
            // It has begun to arrive while another request was answered. That time is not the client's.
            self.head.set(now);
        }
        time
    }

    /// Notes bytes that a client has sent.
    pub(super) fn received(&self, bytes: &[u8]) {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked && !self.awaits_head.load(Ordering::Relaxed) || self.head.get().is_some() {
            return;
        }
        // Empty lines before a request are to be ignored (RFC 9112, section 2.2): a client that ends its bodies with one has
        // not begun another request.
        if bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.head.set(self.began.elapsed());
        }
    }

    /// Notes that something is to be written.
    pub(super) fn writes(&self) {
        if self.unflushed.get().is_none() {
            self.unflushed.set(self.began.elapsed());
        }
    }

    /// Notes how many bytes the system has taken.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes that all that was written has left.
    pub(super) fn flushed(&self) {
        if self.unflushed.get().is_none() {
            return;
        }
        self.unflushed.clear();
        // HTTP/2 writes without a request, too: the answer to a PING ends no silence.
        if self.http1.load(Ordering::Relaxed) {
            self.quiet.set(self.began.elapsed());
        }
    }

    /// Notes that a request has arrived, and whether its body is to follow.
    pub(super) fn begin_request(&self, has_body: bool) {
        self.asked.store(true, Ordering::Relaxed);
        let ahead = !has_body && self.http1.load(Ordering::Relaxed);
        self.awaits_head.store(ahead, Ordering::Relaxed);
        self.head.clear();
        self.begin_answering();
    }

    /// Notes that there is an answer to send, or part of one.
    pub(super) fn begin_answering(&self) {
        self.answering.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that an answer, or part of one, was sent or is given up.
    pub(super) fn end_answering(&self) {
        if self.answering.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.quiet.set(self.began.elapsed());
        }
    }

    /// Notes that a request is worked on, and does not wait for its client.
    pub(super) fn begin_work(&self) {
        self.working.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it is not, or that it waits for its client.
    pub(super) fn end_work(&self) {
        self.working.fetch_sub(1, Ordering::Relaxed);
    }

    /// Has the stream ask the system, when it is read next, whether bytes have arrived.
    pub(super) fn ask_for_arrived(&self) {
        self.arrived.store(false, Ordering::Relaxed);
        self.look.store(true, Ordering::Relaxed);
    }

    /// Whether the stream is to ask the system.
    pub(super) fn takes_look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }

    /// Notes what the system has answered.
    pub(super) fn note_arrived(&self, arrived: bool) {
        self.arrived.store(arrived, Ordering::Relaxed);
    }

    /// Whether bytes have arrived, as the stream was asked to look for.
    pub(super) fn has_arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Has the connection, when it is closed, not read on.
    pub(super) fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Whether the connection, when it is closed, is not read on.
    pub(super) fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(80);

    fn patience() -> Patience {
        Patience {
            head: HEAD,
            idle: IDLE,
            answer: Some(Duration::from_secs(30)),
        }
    }

    /// Lets time pass until something is due, and says how long that took, and what it is.
    async fn until_due(activity: &Activity) -> (Duration, Due) {
        let began = Instant::now();
        for _ in 0..100 {
            match activity.due(&patience()) {
                Due::At(at) => tokio::time::sleep_until(at).await,
                due => return (began.elapsed(), due),
            }
        }
        (began.elapsed(), Due::At(Instant::now()))
    }

    /// A connection of HTTP/1 that has had a request, and waits for the next.
    fn asked() -> Activity {
        let activity = Activity::new();
        activity.awaits_head();
        activity.received(b"GET / HTTP/1.1\r\n\r\n");
        activity.begin_request(false);
        activity.writes();
        activity.end_answering();
        activity.flushed();
        activity.awaits_head();
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_has_its_time_from_the_beginning() {
        let activity = Activity::new();
        advance(HEAD / 2).await;
        activity.received(b"GET /");
        assert_eq!(until_due(&activity).await, (HEAD / 2, Due::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_has_the_longer_time_and_a_head_on_it_the_shorter() {
        assert_eq!(until_due(&asked()).await, (IDLE, Due::Idle));
        for idle in [0, 3, 17, 79] {
            let activity = asked();
            let idle = Duration::from_secs(idle);
            let (looked, ()) = tokio::join!(until_due(&activity), async {
                sleep(idle).await;
                activity.received(b"G");
                sleep(HEAD / 2).await;
                activity.received(b"ET / HT");
            });
            assert_eq!(looked, (idle + HEAD, Due::Head));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn empty_lines_begin_no_head_and_do_not_make_a_connection_less_idle() {
        let activity = asked();
        let (looked, ()) = tokio::join!(until_due(&activity), async {
            for _ in 0..7 {
                sleep(HEAD).await;
                activity.received(b"\r\n");
            }
        });
        assert_eq!(looked, (IDLE, Due::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_waited_for_and_its_body_is_no_head() {
        let activity = asked();
        activity.begin_request(true);
        activity.received(b"a body");
        advance(IDLE * 3).await;
        assert!(matches!(activity.due(&patience()), Due::At(_)));
        activity.end_answering();
        activity.awaits_head();
        assert_eq!(until_due(&activity).await, (IDLE, Due::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_begins_while_another_request_is_answered_has_its_time_after_that() {
        let activity = asked();
        activity.begin_request(false);
        activity.received(b"GET /");
        advance(HEAD * 2).await;
        assert!(matches!(activity.due(&patience()), Due::At(_)));
        assert!(!activity.has_begun_head());
        activity.end_answering();
        activity.awaits_head();
        assert!(activity.has_begun_head());
        assert_eq!(until_due(&activity).await, (HEAD, Due::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_is_waited_for_as_long_as_is_said() {
        let activity = asked();
        activity.begin_request(false);
        activity.end_answering();
        activity.writes();
        assert_eq!(
            until_due(&activity).await,
            (Duration::from_secs(30), Due::Answer)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_http2_writes_by_itself_ends_no_silence() {
        let activity = Activity::new();
        activity.begin_request(false);
        activity.end_answering();
        let (looked, ()) = tokio::join!(until_due(&activity), async {
            for _ in 0..7 {
                sleep(HEAD).await;
                activity.received(b"a PING");
                activity.writes();
                activity.flushed();
            }
        });
        assert_eq!(looked, (IDLE, Due::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_for_nothing_makes_room_first() {
        let (idle, silent, busy) = (asked(), Activity::new(), asked());
        busy.begin_request(false);
        advance(HEAD).await;
        let (newest, idle_later) = (Activity::new(), asked());
        let mut all = [&idle, &silent, &busy, &newest, &idle_later];
        all.sort_by_key(|activity| std::cmp::Reverse(activity.idleness()));
        for (found, expected) in all
            .iter()
            .zip([&silent, &newest, &idle, &idle_later, &busy])
        {
            assert!(std::ptr::eq(*found, expected), "{found:?}");
        }
    }
}
