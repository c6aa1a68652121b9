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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    /// Longer than any of it takes.
    const SOON: Duration = Duration::from_secs(20);

    fn event_loop<T>(run: impl Future<Output = T>) -> T {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("an event loop").block_on(async {
            let run = async {
                tokio::spawn(wake_through_pipe());
                yield_now().await;
                run.await
            };
            timeout(SOON, run).await.expect("it ends in time")
        })
    }

    #[test]
    fn tasks_of_two_event_loops_wake_each_other() {
        const TURNS: usize = 1000;
        let (asked, mut asking) = tokio::sync::mpsc::unbounded_channel::<oneshot::Sender<usize>>();
        let other = thread::spawn(move || {
            event_loop(async move {
                let mut turns = 0;
                while let Some(question) = woken(asking.recv()).await {
                    turns += 1;
                    question.send(turns).expect("somebody waits");
                }
            });
        });
        event_loop(async move {
            for turn in 1..=TURNS {
                let (question, answer) = oneshot::channel();
                asked.send(question).expect("the other one listens");
                assert_eq!(woken(answer).await, Ok(turn));
            }
        });
        other.join().expect("no panic");
    }

    #[test]
    fn a_task_that_keeps_its_thread_can_wake_others_at_once() {
        let (asked, asking) = oneshot::channel::<mpsc::Sender<()>>();
        let other = thread::spawn(move || {
            event_loop(async move {
                let answer = woken(asking).await.expect("a question");
                answer.send(()).expect("somebody waits");
            });
        });
        event_loop(async move {
            let (answer, answered) = mpsc::channel();
            asked.send(answer).expect("the other one listens");
            ring_now();
            assert_eq!(answered.recv_timeout(SOON / 2), Ok(()));
        });
        other.join().expect("no panic");
    }

    #[test]
    fn all_who_are_woken_together_wake() {
        const TASKS: usize = 500;
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..TASKS).map(|_| oneshot::channel::<()>()).unzip();
        let asleep = Arc::new(AtomicUsize::new(0));
        let other = thread::spawn({
            let asleep = asleep.clone();
            move || {
                while asleep.load(Ordering::Acquire) < TASKS {
                    thread::yield_now();
                }
                senders.into_iter().for_each(|sender| {
                    sender.send(()).expect("somebody waits");
                });
            }
        });
        event_loop(async move {
            let tasks = receivers.into_iter().map(|receiver| {
                let asleep = asleep.clone();
                tokio::spawn(woken(async move {
                    asleep.fetch_add(1, Ordering::AcqRel);
                    receiver.await
                }))
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.expect("no panic").expect("it was sent");
            }
        });
        other.join().expect("no panic");
    }

    #[test]
    fn nobody_is_left_asleep_by_an_event_loop_that_has_ended() {
        let (through, bell) = mpsc::channel();
        event_loop(async {
            let own = OWN.with_borrow(|own| own.as_ref().map(|own| own.bell.clone()));
            through.send(own.expect("it takes part")).expect("open");
        });
        struct Counted(AtomicUsize);
        impl Wake for Counted {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::AcqRel);
            }
        }
        let counted = Arc::new(Counted(AtomicUsize::new(0)));
        bell.recv()
            .expect("a bell")
            .wake(&Waker::from(counted.clone()));
        assert_eq!(counted.0.load(Ordering::Acquire), 1);
        assert!(
            OWN.with_borrow(Option::is_none),
            "its thread has forgotten it"
        );
    }

    #[test]
    fn elsewhere_nothing_changes() {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("an event loop").block_on(async {
            let (sender, receiver) = oneshot::channel();
            let other = thread::spawn(move || sender.send(7));
            assert_eq!(timeout(SOON, woken(receiver)).await, Ok(Ok(7)));
            other.join().expect("no panic").expect("somebody waits");
        });
    }

    #[test]
    fn what_seldom_comes_is_asked_only_when_it_was_woken_and_is_not_missed() {
        event_loop(async {
            let (tell, told) = oneshot::channel();
            let polls = AtomicUsize::new(0);
            let mut told = pin!(told);
            let mut seldom = pin!(seldom(poll_fn(|context| {
                polls.fetch_add(1, Ordering::Relaxed);
                told.as_mut().poll(context)
            })));
            for _ in 0..100 {
                assert!(futures::poll!(seldom.as_mut()).is_pending());
                yield_now().await;
            }
            assert_eq!(polls.load(Ordering::Relaxed), 1);
            let other = thread::spawn(move || tell.send(7));
            assert_eq!(seldom.await, Ok(7));
            assert_eq!(polls.load(Ordering::Relaxed), 2);
            other.join().expect("no panic").expect("somebody waits");
        });
    }

    #[test]
    fn what_seldom_comes_is_told_to_the_task_that_awaits_it_now() {
        event_loop(async {
            let (tell, told) = oneshot::channel();
            let mut seldom = Box::pin(seldom(told));
            assert!(futures::poll!(seldom.as_mut()).is_pending());
            let awaits = tokio::spawn(seldom);
            yield_now().await;
            tell.send(7).expect("somebody waits");
            assert_eq!(awaits.await.expect("no panic"), Ok(7));
        });
    }
}
