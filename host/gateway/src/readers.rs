//! [`Readers`]: ending what is sent to clients that do not read it.
//!
//! Over HTTP/2 a client may leave a stream's window closed while its socket takes all that is written and its PINGs are
//! answered: neither the socket nor the connection tells that it does not read. So [`Watch`] looks at what is left of the answer,
//! and ends the stream, or the connection of HTTP/1, when that does not get less at [`MinRate`]. Hyper waits for a stream's window
//! inside the task of the stream, where no body is asked for anything, so the watch is around that task: see [`StreamTasks`].
//!
//! A client that reads just as fast as it has to may take a quarter of an hour for a mebibyte. So where there is no memory for
//! another answer, those that have been read for longest are given up.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use spindrift_failures::{Kind, log_failure};
use spindrift_memory::{Budget, Purpose};
use tokio::time::{Instant, Sleep, sleep};

use super::pace::{Meter, MinRate};
use super::sending::{Entered, Sending};

/// What a stream of HTTP/2 takes beside its bodies, in bytes: its task, its heads, its place in hyper and `h2`.
const STREAM_BYTES: usize = 4 * 1024;

/// How many answers are given up at most when there is no memory for another.
const RELIEF: usize = 8;

/// Runs after which guests whose clients do not read are ended, if there was no memory or no instance: then there may be.
pub(crate) const MAX_RELIEVED: u32 = 8;
/// How long it takes them to end.
pub(crate) const RELIEF_PAUSE: Duration = Duration::from_millis(5);

/// What watches clients that are sent something.
#[derive(Debug)]
pub(crate) struct Readers {
    rate: MinRate,
    memory: Arc<Budget>,
    /// Clients that were cut because they read too slowly.
    too_slow: Counter,
    /// Answers that were cut because others needed their memory.
    given_up: Counter,
    late: Mutex<LateAnswers>,
}

/// Answers whose clients have had them for a tick and more, and have not read them, those first that are so for longest.
#[derive(Debug, Default)]
struct LateAnswers {
    last_number: u64,
    answers: BTreeMap<u64, Arc<Sending>>,
}

/// One of them, until this is dropped.
#[derive(Debug)]
struct Late {
    number: u64,
    readers: Arc<Readers>,
}

impl Late {
    fn begin(readers: &Arc<Readers>, sending: &Arc<Sending>) -> Self {
        let mut late = readers.late.lock();
        late.last_number += 1;
        let number = late.last_number;
        late.answers.insert(number, sending.clone());
        Late {
            number,
            readers: readers.clone(),
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.readers.late.lock().answers.remove(&self.number);
    }
}

impl Readers {
    /// Has clients read at this rate.
    pub(crate) fn new(rate: MinRate, memory: Arc<Budget>) -> Arc<Self> {
        Arc::new(Readers {
            rate,
            memory,
            too_slow: Counter::default(),
            given_up: Counter::default(),
            late: Mutex::default(),
        })
    }

    /// How many clients were cut because they read too slowly.
    pub(crate) fn too_slow(&self) -> &Counter {
        &self.too_slow
    }

    /// How many answers were cut because others needed their memory.
    pub(crate) fn given_up(&self) -> &Counter {
        &self.given_up
    }

    /// Gives up some answers that clients have not read for longest, where there is no memory for another. Says whether there
    /// were any. What they hold is free a little later, when their tasks have ended.
    pub(crate) fn relieve(&self) -> bool {
        let mut late = self.late.lock();
        let mut given_up = 0;
        while given_up < RELIEF
            && let Some((_, sending)) = late.answers.pop_first()
        {
            sending.give_up();
            given_up += 1;
        }
        given_up > 0
    }

    /// Watches a connection that begins.
    pub(crate) fn watch_connection(self: &Arc<Self>) -> Watch {
        self.watch(Sending::of_connection(&self.memory))
    }

    fn watch(self: &Arc<Self>, sending: Arc<Sending>) -> Watch {
        Watch {
            readers: self.clone(),
            sending,
            timer: None,
            is_armed: false,
            meter: None,
            counted: 0,
            late: None,
        }
    }
}

/// Polls what serves a connection of HTTP/1, or a stream of HTTP/2, as long as the client reads.
#[derive(Debug)]
pub(crate) struct Watch {
    readers: Arc<Readers>,
    sending: Arc<Sending>,
    /// The next tick. Kept when there is nothing to watch, so that a request that is answered at once sets no timer.
    timer: Option<Pin<Box<Sleep>>>,
    is_armed: bool,
    /// Measures while the client has something to read.
    meter: Option<Meter>,
    /// What the client had taken at the last tick, in bytes.
    counted: u64,
    /// Its answer may be given up for others, since it has been there for a tick and is not read.
    late: Option<Late>,
}

impl Watch {
    /// The output of `work`, or nothing if the client reads too slowly: then `work` is to be dropped.
    pub(crate) async fn over<F: Future>(&mut self, mut work: Pin<&mut F>) -> Option<F::Output> {
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
        if self.late.is_some() && self.sending.poll_given_up(cx.waker()) {
            self.cut_given_up();
            return Poll::Ready(None);
        }
        if cut {
            self.cut();
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn is_too_slow_at_tick(&mut self) -> bool {
        let sent = self.sending.sent();
        let moved = sent - self.counted;
        self.counted = sent;
        if self.sending.takes_drained() || self.sending.unsent() == 0 {
            // It has read all that there was; what there is now is new.
            self.meter = None;
            self.late = None;
        }
        match &mut self.meter {
            // A part of this tick is over already.
            None => {
                self.meter = Some(Meter::default());
                false
            }
            Some(meter) => {
                if self.late.is_none() {
                    self.late = Some(Late::begin(&self.readers, &self.sending));
                }
                meter.count(moved);
                meter.is_too_slow_at_tick(&self.readers.rate)
            }
        }
    }

    fn cut_given_up(&self) {
        self.readers.given_up.inc();
        log_failure!(
            WARN,
            Kind::SlowReaders,
            "",
            unsent_bytes = self.sending.unsent(),
            "an answer was cut off: others need its memory, and its client reads slowly"
        );
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
pub(crate) struct StreamTasks(pub Arc<Readers>);

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
            self.0.relieve();
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
