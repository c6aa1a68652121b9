//! What is promised to those who wait, whatever happens and in whatever order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

use super::*;

/// What happens at a queue.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody adds something, and waits for so many milliseconds.
    Add(u64),
    /// Up to so many are taken.
    Take(usize),
    /// What was taken first of what is still out comes back.
    PutBack,
    /// It is answered instead.
    Answer,
    /// The taker forgets it.
    Forget,
    /// One of those who wait goes away.
    GoAway(prop::sample::Index),
    /// So many milliseconds pass.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..100u64).prop_map(Step::Add),
        3 => (1..4usize).prop_map(Step::Take),
        1 => Just(Step::PutBack),
        1 => Just(Step::Answer),
        1 => Just(Step::Forget),
        1 => any::<prop::sample::Index>().prop_map(Step::GoAway),
        3 => (1..60u64).prop_map(Step::Pass),
    ]
}

type Numbers = Queue<usize, usize>;

/// Somebody who waits.
struct Client {
    deadline: Instant,
    waiting: Option<JoinHandle<(Ended<usize>, Instant)>>,
    /// How it ended.
    ended: Option<Ended<usize>>,
    gone: bool,
}

impl Client {
    fn waits(&self) -> bool {
        self.ended.is_none() && !self.gone
    }
}

#[derive(Default)]
struct Model {
    queue: Arc<Numbers>,
    clients: Vec<Client>,
    /// What is out: taken, and not answered or put back yet.
    out: VecDeque<Waiting<usize, usize>>,
    answered: Vec<usize>,
    forgotten: Vec<usize>,
}

impl Model {
    async fn take(&mut self, step: &Step) {
        match step {
            Step::Add(millis) => {
                let (queue, number) = (self.queue.clone(), self.clients.len());
                let deadline = Instant::now() + Duration::from_millis(*millis);
                let waiting = tokio::spawn(async move {
                    let ended = queue.add(number, deadline).answer().await;
                    (ended, Instant::now())
                });
                self.clients.push(Client {
                    deadline,
                    waiting: Some(waiting),
                    ended: None,
                    gone: false,
                });
            }
            Step::Take(count) => {
                let mut left = *count;
                let taken = self.queue.take(|_| {
                    let more = left > 0;
                    left = left.saturating_sub(1);
                    more
                });
                for waiting in &taken {
                    let client = &self.clients[waiting.item];
                    assert!(client.waits(), "{} is taken, and over", waiting.item);
                }
                let numbers: Vec<usize> = taken.iter().map(|waiting| waiting.item).collect();
                assert!(numbers.is_sorted(), "in order: {numbers:?}");
                self.out.extend(taken);
            }
            Step::PutBack => {
                let back = self.out.pop_front();
                self.queue.put_back(back.into_iter().collect());
            }
            Step::Answer => {
                if let Some(waiting) = self.out.pop_front() {
                    self.answered.push(waiting.item);
                    waiting.answer.send(waiting.item).ok();
                }
            }
            Step::Forget => {
                if let Some(waiting) = self.out.pop_front() {
                    self.forgotten.push(waiting.item);
                }
            }
            Step::GoAway(which) => {
                let waiting: Vec<usize> = (0..self.clients.len())
                    .filter(|&number| self.clients[number].waits())
                    .collect();
                if !waiting.is_empty() {
                    let client = &mut self.clients[*which.get(&waiting)];
                    client.gone = true;
                    let waiting = client.waiting.take().expect("it waits");
                    waiting.abort();
                    assert!(waiting.await.is_err());
                }
            }
            Step::Pass(millis) => {
                for _ in 0..*millis {
                    advance(Duration::from_millis(1)).await;
                    self.settle().await;
                }
            }
        }
        self.settle().await;
        self.check();
    }

    /// Lets everybody hear of what there is to hear of.
    async fn settle(&mut self) {
        for _ in 0..3 {
            yield_now().await;
        }
        for (number, client) in self.clients.iter_mut().enumerate() {
            if !client.waiting.as_ref().is_some_and(JoinHandle::is_finished) {
                continue;
            }
            let (ended, at) = client.waiting.take().expect("it").await.expect("no panic");
            let late = at.saturating_duration_since(client.deadline);
            assert!(late <= Duration::from_millis(2), "late by {late:?}");
            let out = self.out.iter().any(|waiting| waiting.item == number);
            match &ended {
                Ended::Answered(answer) => {
                    assert_eq!(*answer, number, "the answer of another one");
                    assert!(self.answered.contains(&number));
                }
                Ended::TakenBack => {
                    assert!(!out && !self.answered.contains(&number));
                    assert!(at >= client.deadline, "too soon");
                }
                Ended::Unanswered => {
                    assert!(out, "nobody has taken it");
                    assert!(at >= client.deadline, "too soon");
                }
                Ended::Closed => assert!(self.forgotten.contains(&number)),
            }
            client.ended = Some(ended);
        }
    }

    /// Nothing is kept that nobody waits for.
    fn check(&self) {
        let is_out = |number: &usize| self.out.iter().any(|waiting| waiting.item == *number);
        let waiting = (0..self.clients.len())
            .filter(|&number| self.clients[number].waits())
            .filter(|number| !is_out(number));
        let waiting = waiting.count();
        assert_eq!(self.queue.len(), waiting);
        let places = self.queue.state.lock().places.len();
        assert!(places <= 2 * waiting, "{places} places for {waiting}");
    }
}

proptest! {
    #[test]
    fn each_is_answered_once_in_time_and_what_was_taken_back_is_never_taken(
        steps in vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut model = Model::default();
            for step in &steps {
                model.take(step).await;
            }
            // In the end everybody has heard.
            model.take(&Step::Pass(110)).await;
            assert!(model.clients.iter().all(|client| !client.waits()));
            assert!(model.queue.is_empty());
        });
    }
}

#[tokio::test]
async fn a_closed_queue_answers_at_once() {
    let queue = Numbers::default();
    let far = Instant::now() + Duration::from_secs(3600);
    let forgotten = queue.add(1, far);
    let waiting = queue.add(2, far);
    drop(queue.take(|number| *number == 1));
    assert_eq!(queue.len(), 1);
    queue.close();
    let late = queue.add(3, far);
    for place in [forgotten, waiting, late] {
        assert_eq!(place.answer().await, Ended::Closed);
    }
    assert!(queue.is_empty());
}
