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
