//! Waking an event loop that sleeps on another thread.
//!
//! Tokio does it through an eventfd, one write for each task, and the kernel puts the woken thread on an idle core, which
//! may have to come out of its sleep first. Here it is done through a pipe. A write to a pipe says that the writer is about
//! to wait, so that the woken thread may follow it on its core; on a virtual machine with two cores, a round trip between
//! two threads took some 40 µs through eventfds and 5 µs through pipes. And one write wakes all tasks of a thread: it is made
//! once the event loop has come to the tasks that were ready, so what these have for the other thread arrives together.
//! A request to a replicated store goes from a gateway's thread to that of replication and back.
//!
//! A thread's event loop takes part by [`wake_through_pipe`], and what is awaited on it by [`woken`]. Elsewhere, `woken`
//! changes nothing.

use std::cell::RefCell;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

/// Bytes that are read from a pipe at a time. One is written for all tasks that are woken together.
const READ_BYTES: usize = 64;

thread_local! {
    /// How this thread's event loop is woken, and what it is about to wake, while it takes part.
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// What a thread has of its own event loop.
struct Own {
    bell: Arc<Bell>,
    /// Other event loops, to be woken when this one has come to the tasks that were ready before.
    to_ring: Vec<Arc<Bell>>,
    /// The task that does so.
    ringer: Waker,
}

/// What other threads have of an event loop.
#[derive(Debug)]
struct Bell {
    /// Tasks to wake; nothing once nobody listens any more.
    woken: Mutex<Option<Vec<Waker>>>,
    /// Never full: it is written to only where `woken` was empty.
    pipe: File,
}

impl Bell {
    /// Has a task of the event loop woken.
    fn wake(self: &Arc<Self>, task: &Waker) {
        let mut woken = self.woken.lock();
        let Some(tasks) = woken.as_mut() else {
            drop(woken);
            task.wake_by_ref();
            return;
        };
        let first = tasks.is_empty();
        tasks.push(task.clone());
        drop(woken);
        if first && !self.ring_later() {
            self.ring();
        }
    }

    /// Leaves it to this thread's event loop to ring. Says whether there is one.
    fn ring_later(self: &Arc<Self>) -> bool {
        let later = OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            let own = own.as_mut()?;
            own.to_ring.push(self.clone());
            own.ringer.wake_by_ref();
            Some(())
        });
        matches!(later, Ok(Some(())))
    }

    fn ring(&self) {
        if let Err(error) = (&self.pipe).write(&[0]) {
            // It cannot be, and must not leave anybody asleep.
            tracing::debug!("an event loop is not woken through its pipe: {error}");
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        let tasks = self.woken.lock().as_mut().map(std::mem::take);
        tasks.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Wakes at once what this thread's event loop would wake once it has come to the tasks that were ready. For a task that keeps
/// the thread for long: others may rely on this thread to ring, and would wait with it.
pub fn ring_now() {
    let to_ring = OWN.try_with(|own| {
        let mut own = own.borrow_mut();
        own.as_mut().map(|own| std::mem::take(&mut own.to_ring))
    });
    let to_ring = to_ring.ok().flatten().unwrap_or_default();
    to_ring.iter().for_each(|bell| bell.ring());
}

/// Has the event loop of this thread woken through a pipe, for ever. To be spawned on an event loop that stays on its
/// thread. Where the system has no pipe left, tasks are woken as Tokio does it.
pub async fn wake_through_pipe() {
    if let Err(error) = listen().await {
        tracing::warn!("an event loop is not woken through a pipe: {error}");
    }
}

async fn listen() -> io::Result<()> {
    let (writer, mut reader) = pipe::pipe()?;
    let pipe = File::from(writer.into_nonblocking_fd()?);
    let bell = Arc::new(Bell {
        woken: Mutex::new(Some(Vec::new())),
        pipe,
    });
    let listening = Listening(bell.clone());
    poll_fn(move |context| {
        let ringing = OWN.with_borrow_mut(|own| {
            let own = own.get_or_insert_with(|| Own {
                bell: bell.clone(),
                to_ring: Vec::new(),
                ringer: context.waker().clone(),
            });
            own.ringer.clone_from(context.waker());
            std::mem::take(&mut own.to_ring)
        });
        ringing.iter().for_each(|bell| bell.ring());
        let mut rung = [0; READ_BYTES];
        loop {
            let mut rung = ReadBuf::new(&mut rung);
            ready!(Pin::new(&mut reader).poll_read(context, &mut rung))?;
            listening.0.wake_all();
        }
    })
    .await
}

/// Nobody is left asleep where an event loop ends, or its pipe fails.
struct Listening(Arc<Bell>);

impl Drop for Listening {
    fn drop(&mut self) {
        // A thread that is ending has no local storage any more.
        let own = OWN.try_with(RefCell::take).ok().flatten();
        for bell in own.into_iter().flat_map(|own| own.to_ring) {
            bell.ring();
        }
        let tasks = self.0.woken.lock().take();
        tasks.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Awaits `future`, for which another thread's doing is waited.
pub fn woken<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let mut through: Option<(Waker, Waker)> = None;
    async move {
        let mut future = pin!(future);
        poll_fn(move |context| {
            let task = context.waker();
            if through
                .as_ref()
                .is_none_or(|(known, _)| !known.will_wake(task))
            {
                let bell = OWN.with_borrow(|own| own.as_ref().map(|own| own.bell.clone()));
                through = bell.map(|bell| {
                    let task = task.clone();
                    (task.clone(), Waker::from(Arc::new(Through { bell, task })))
                });
            }
            match &through {
                Some((_, through)) => future.as_mut().poll(&mut Context::from_waker(through)),
                None => future.as_mut().poll(context),
            }
        })
        .await
    }
}

/// Awaits `future`, which seldom comes about, beside something for which the same task is woken often. It is polled only when
/// it was woken itself: to look whether a lock that all threads share says so would cost every request.
pub fn seldom<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let call = Arc::new(Call {
        is_due: AtomicBool::new(true),
        task: AtomicWaker::new(),
    });
    let waker = Waker::from(call.clone());
    async move {
        let mut future = pin!(future);
        poll_fn(move |context| {
            // First, so that what comes after the look wakes this task.
            call.task.register(context.waker());
            if !call.is_due.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            call.is_due.swap(false, Ordering::AcqRel);
            future.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }
}

/// Notes that a future was woken, and wakes the task that awaits it.
struct Call {
    is_due: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Wakes a task where it is, or through the pipe from elsewhere.
struct Through {
    bell: Arc<Bell>,
    task: Waker,
}

impl Wake for Through {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = OWN.try_with(|own| {
            let own = own.borrow();
            own.as_ref()
                .is_some_and(|own| Arc::ptr_eq(&own.bell, &self.bell))
        });
        if here.unwrap_or_default() {
            self.task.wake_by_ref();
        } else {
            self.bell.wake(&self.task);
        }
    }
}

#[cfg(test)]
mod tests;
