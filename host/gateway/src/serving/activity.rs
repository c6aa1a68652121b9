//! [`Activity`]: what goes on on a connection, and for what it is waited too long.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::atomic_instant::AtomicInstant;
use super::timeouts::{Due, Idle, Timeouts};
use super::unsent_heads::UnsentHeads;

/// What goes on on one connection. Its parts note it: the stream what is read and written, the service which requests are
/// under way, hyper when it waits for a head.
#[derive(Debug)]
pub struct Activity {
    /// When the connection was accepted.
    began: Instant,
    /// Told when the connection has to make room for another.
    evicted: Notify,
    /// Whether it makes room as soon as no request is under way.
    leaves: AtomicBool,
    /// Bytes of bodies that were handed over since this was last asked.
    handed_over: AtomicUsize,
    /// Whether something was decrypted since this was last asked.
    decrypted: AtomicBool,
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
    /// Whether the last body comes in chunks.
    in_chunks: AtomicBool,
    /// Whether a head has begun to arrive.
    head_begun: AtomicBool,
    /// When, if it did not come as a whole.
    head: AtomicInstant,
    /// The end of what was last under way.
    quiet: AtomicInstant,
    /// Whether something is written that has not left.
    unflushed: AtomicBool,
    /// Since when the client does not take it.
    stalled: AtomicInstant,
    /// Bytes written.
    written: AtomicU64,
    /// Heads of answers that have not left.
    unsent_heads: UnsentHeads,
    /// Whether it is one with TLS.
    tls: AtomicBool,
    /// Set to have the stream ask the system whether bytes have arrived that no event has told of yet.
    look: AtomicBool,
    /// Whether they have.
    arrived: AtomicBool,
    /// Whether the connection, when it is closed, is not read on.
    hurried: AtomicBool,
}

impl Activity {
    /// Of a connection that is accepted now.
    pub fn begin() -> Self {
        Activity {
            began: Instant::now(),
            evicted: Notify::new(),
            leaves: AtomicBool::new(false),
            handed_over: AtomicUsize::new(0),
            decrypted: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            answering: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            http1: AtomicBool::new(false),
            awaits_head: AtomicBool::new(false),
            in_chunks: AtomicBool::new(false),
            head_begun: AtomicBool::new(false),
            head: AtomicInstant::default(),
            quiet: AtomicInstant::default(),
            unflushed: AtomicBool::new(false),
            stalled: AtomicInstant::default(),
            written: AtomicU64::new(0),
            unsent_heads: UnsentHeads::default(),
            tls: AtomicBool::new(false),
            look: AtomicBool::new(false),
            arrived: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        }
    }

    /// When the first head has to be there.
    pub(crate) fn first_head_until(&self, timeouts: &Timeouts) -> Instant {
        self.began + timeouts.head
    }

    /// Notes that so many bytes of a body were handed over.
    pub(crate) fn handed_over(&self, bytes: usize) {
        self.handed_over.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many were, since this was last asked.
    pub(crate) fn takes_handed_over(&self) -> usize {
        match self.handed_over.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.handed_over.swap(0, Ordering::Relaxed),
        }
    }

    /// Notes that a TLS handshake is over, or that something was decrypted: TLS has all that it needs of what has come.
    pub(crate) fn decrypted(&self) {
        self.decrypted.store(true, Ordering::Relaxed);
    }

    /// Whether that was so since this was last asked.
    pub(crate) fn takes_decrypted(&self) -> bool {
        // Most often it was not, and a look costs less.
        self.decrypted.load(Ordering::Relaxed) && self.decrypted.swap(false, Ordering::Relaxed)
    }

    /// Has the connection end at once, to make room for another.
    pub(crate) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Has the connection end once no request is under way, to make room for another.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
        self.evicted.notify_one();
    }

    /// Whether it makes room so.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    /// Resolves when the connection has to make room for another.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// How little there is to lose in this connection: the greatest makes room first. Those come first that have asked for
    /// nothing, then those that are idle, then those with a request under way; among them the one that has been so for the
    /// longest time.
    pub(crate) fn idleness(&self) -> (u8, Duration) {
        let elapsed = self.began.elapsed();
        if !self.asked.load(Ordering::Relaxed) {
            return (2, elapsed);
        }
        let since = self.quiet.get().unwrap_or_default();
        (u8::from(self.is_idle()), elapsed.saturating_sub(since))
    }

    /// For how long there has been no request, where none is under way and the connection is not leaving already.
    pub(crate) fn idle(&self) -> Option<Idle> {
        match self.idleness() {
            _ if self.is_leaving() => None,
            (2, time) => Some(Idle::Silent(time)),
            (1, time) => Some(Idle::SinceRequest(time)),
            _ => None,
        }
    }

    /// What is due now.
    pub(crate) fn due(&self, timeouts: &Timeouts) -> Due {
        let now = Instant::now();
        let next = now + timeouts.pause();
        let within = |since: Duration, allowed: Duration, late: Due| {
            let until = self.began + since + allowed;
            if now >= until {
                late
            } else {
                Due::At(until.min(next))
            }
        };
        if !self.asked.load(Ordering::Relaxed) {
            return within(Duration::ZERO, timeouts.head, Due::Head);
        }
        if self.unflushed.load(Ordering::Relaxed) {
            return match (self.stalled.get(), timeouts.answer) {
                (Some(since), Some(allowed)) => within(since, allowed, Due::Answer),
                _ => Due::At(next),
            };
        }
        if self.is_answering() {
            return Due::At(next);
        }
        match self.head.get() {
            Some(since) => within(since, timeouts.head, Due::Head),
            // It is there as a whole, or is about to be waited for.
            None if self.has_head() => Due::At(next),
            None => {
                let since = self.quiet.get().unwrap_or_default();
                within(since, timeouts.idle, Due::Idle)
            }
        }
    }

    /// Whether hyper waits for the rest of the head of a further request on HTTP/1.
    pub(crate) fn has_begun_head(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        asked && !self.is_answering() && self.has_head()
    }

    /// Notes whether the body of the request that has arrived comes in chunks.
    pub(crate) fn has_chunks(&self, in_chunks: bool) {
        self.in_chunks.store(in_chunks, Ordering::Relaxed);
    }

    /// Whether what arrives on HTTP/1 belongs to a body in chunks, or may.
    pub(crate) fn expects_chunks(&self) -> bool {
        self.in_chunks.load(Ordering::Relaxed) && !self.awaits_head.load(Ordering::Relaxed)
    }

    /// Whether a head has begun to arrive of which hyper waits for the rest. On HTTP/2 there is none after the first.
    pub(crate) fn has_head(&self) -> bool {
        self.head_begun.load(Ordering::Relaxed)
    }

    /// Whether answers are to be sent.
    pub(crate) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    /// Whether an answer of HTTP/1 is to be sent, or has not left yet.
    pub(crate) fn owes_http1(&self) -> bool {
        self.http1.load(Ordering::Relaxed) && !self.is_idle()
    }

    /// Whether a request is under way that does not wait for its client to read.
    pub(crate) fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed) > 0
    }

    /// Whether nothing is under way, and nothing is left to be written.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_answering() && !self.unflushed.load(Ordering::Relaxed)
    }

    /// How many bytes have been written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Notes that hyper waits for a head of HTTP/1, and gives the time.
    pub(crate) fn awaits_head(&self) -> Instant {
        self.http1.store(true, Ordering::Relaxed);
        self.awaits_head.store(true, Ordering::Relaxed);
        let time = Instant::now();
        let now = time.saturating_duration_since(self.began);
        self.quiet.set(now);
        if self.asked.load(Ordering::Relaxed) && self.has_head() {
            // It has begun to arrive while another request was answered. That time is not the client's.
            self.head.set(now);
        }
        time
    }

    /// Notes bytes that a client has sent.
    pub(crate) fn received(&self, bytes: &[u8]) {
        self.decrypted();
        let asked = self.asked.load(Ordering::Relaxed);
        if asked && !self.awaits_head.load(Ordering::Relaxed) || self.has_head() {
            return;
        }
        // Empty lines before a request are to be ignored (RFC 9112, section 2.2): a client that ends its bodies with one has
        // not begun another request.
        if bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that nothing more has come. Most heads come as a whole, and need no time.
    pub(crate) fn waits(&self) {
        if self.has_head() && self.head.get().is_none() {
            self.head.set(self.began.elapsed());
        }
    }

    /// Notes that something is to be written.
    pub(crate) fn writes(&self) {
        self.unflushed.store(true, Ordering::Relaxed);
    }

    /// Notes that the client does not take what is written.
    pub(crate) fn stalls(&self) {
        if self.stalled.get().is_none() {
            self.stalled.set(self.began.elapsed());
        }
    }

    /// Notes how many bytes the system has taken.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.unsent_heads.wrote(bytes);
    }

    /// Heads of answers that have not left.
    pub(crate) fn unsent_heads(&self) -> &UnsentHeads {
        &self.unsent_heads
    }

    /// Notes that it is one with TLS.
    pub(crate) fn has_tls(&self) {
        self.tls.store(true, Ordering::Relaxed);
    }

    /// Whether it is one with TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.load(Ordering::Relaxed)
    }

    /// Notes that all that was written has left. On HTTP/2 more may be about to be written, unless `is_all`: says whether there
    /// has to be another flush for that.
    pub(crate) fn flushed(&self, is_all: bool) -> bool {
        let http1 = self.http1.load(Ordering::Relaxed);
        if is_all || http1 {
            self.unsent_heads.clear();
        }
        self.unflushed.store(false, Ordering::Relaxed);
        if self.stalled.get().is_some() {
            self.stalled.clear();
            // Hyper may have begun to wait for the next head before the client took the answer. HTTP/2 writes without a request,
            // too: the answer to a PING ends no silence.
            if http1 {
                self.quiet.set(self.began.elapsed());
            }
        }
        self.unsent_heads.is_charged()
    }

    /// Notes that a request has arrived, and whether its body is to follow.
    pub(crate) fn begin_request(&self, has_body: bool) {
        self.asked.store(true, Ordering::Relaxed);
        let ahead = !has_body && self.http1.load(Ordering::Relaxed);
        self.awaits_head.store(ahead, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        self.head.clear();
        self.begin_answering();
    }

    /// Notes that there is an answer to send, or part of one.
    pub(crate) fn begin_answering(&self) {
        self.answering.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that an answer, or part of one, was sent or is given up.
    pub(crate) fn end_answering(&self) {
        let last = self.answering.fetch_sub(1, Ordering::Relaxed) == 1;
        // On HTTP/1 hyper waits for the next head then.
        if last && !self.http1.load(Ordering::Relaxed) {
            self.quiet.set(self.began.elapsed());
        }
    }

    /// Notes that a request is worked on, and does not wait for its client.
    pub(crate) fn begin_work(&self) {
        self.working.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it is not, or that it waits for its client.
    pub(crate) fn end_work(&self) {
        self.working.fetch_sub(1, Ordering::Relaxed);
    }

    /// Has the stream ask the system, when it is read next, whether bytes have arrived.
    pub(crate) fn ask_for_arrived(&self) {
        self.arrived.store(false, Ordering::Relaxed);
        self.look.store(true, Ordering::Relaxed);
    }

    /// Whether the stream is to ask the system.
    pub(crate) fn takes_look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }

    /// Notes what the system has answered.
    pub(crate) fn note_arrived(&self, arrived: bool) {
        self.arrived.store(arrived, Ordering::Relaxed);
    }

    /// Whether bytes have arrived, as the stream was asked to look for.
    pub(crate) fn has_arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Has the connection, when it is closed, not read on.
    pub(crate) fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Whether the connection, when it is closed, is not read on.
    pub(crate) fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Relaxed)
    }
}

mod atomic_instant;
#[cfg(test)]
mod tests;
