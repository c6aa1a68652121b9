//! [`Queue`]: items wait here, in order, until another thread takes them, and can be taken back until then.
//!
//! A caller adds an item and waits for its answer until a deadline. Then it takes the item back. If the item is still queued,
//! nobody will ever take it. If it was taken, its outcome is unknown. Deadlines may come in any order, since each caller watches
//! its own. An item that is taken back frees its memory at once.

use std::collections::VecDeque;

use parking_lot::Mutex;
use spindrift_net::event_loop::woken;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

/// How much room the queue keeps for more while it is empty, and how much is taken at a time as a rule at most.
const KEPT_PLACES: usize = 1024;

/// A queue of `T`, each of which is answered with an `A`. Any thread may add to it.
#[derive(Debug)]
pub struct Queue<T, A> {
    state: Mutex<State<T, A>>,
    /// Told whenever there is something new to take.
    pub added: Notify,
}

#[derive(Debug)]
struct State<T, A> {
    /// By their places, which are numbers that only grow. Nothing is at a place that was taken back, see `trim`. Each request
    /// comes through here, on one of several threads: none of them holds the lock for longer than it takes to move an item.
    places: VecDeque<(u64, Option<Waiting<T, A>>)>,
    next_place: u64,
    /// How much waits.
    count: usize,
    /// Whether nobody takes anything any more.
    closed: bool,
}

/// Something that waits, or that was taken.
#[derive(Debug)]
pub struct Waiting<T, A> {
    place: u64,
    /// What was added.
    pub item: T,
    /// Until when an answer is waited for.
    pub deadline: Instant,
    /// Who waits.
    pub answer: oneshot::Sender<A>,
}

/// How waiting for an answer has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended<A> {
    /// With the answer.
    Answered(A),
    /// The deadline came while it was in the queue. Nobody will take it any more.
    TakenBack,
    /// The deadline came after it had been taken.
    Unanswered,
    /// Nobody takes items now, or the taker has ended.
    Closed,
}

/// A place in a queue. Where it is dropped, what has not been taken is taken back.
#[derive(Debug)]
pub struct Place<'q, T, A> {
    queue: &'q Queue<T, A>,
    place: u64,
    deadline: Instant,
    answer: oneshot::Receiver<A>,
    /// Whether there is nothing left to take back.
    over: bool,
}

impl<T, A> Default for Queue<T, A> {
    fn default() -> Self {
        let state = State {
            places: VecDeque::new(),
            next_place: 0,
            count: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            added: Notify::new(),
        }
    }
}

impl<T, A> Queue<T, A> {
    /// Adds something that wants an answer by `deadline`.
    pub fn add(&self, item: T, deadline: Instant) -> Place<'_, T, A> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.state.lock();
        let place = state.next_place;
        state.next_place += 1;
        if !state.closed {
            let waiting = Waiting {
                place,
                item,
                deadline,
                answer: sender,
            };
            state.places.push_back((place, Some(waiting)));
            state.count += 1;
        }
        drop(state);
        self.added.notify_one();
        Place {
            queue: self,
            place,
            deadline,
            answer,
            over: false,
        }
    }

    /// Takes from the front for as long as `wanted` says so.
    pub fn take(&self, mut wanted: impl FnMut(&T) -> bool) -> Vec<Waiting<T, A>> {
        let mut state = self.state.lock();
        let mut taken = Vec::with_capacity(state.count.min(KEPT_PLACES));
        while let Some((_, first)) = state.places.front_mut() {
            match first {
                Some(waiting) if !wanted(&waiting.item) => break,
                _ => taken.extend(first.take()),
            }
            state.places.pop_front();
        }
        state.count -= taken.len();
        state.trim();
        taken
    }

    /// Gives back what was taken and has come to nothing, each to its old place. Drops those for which nobody waits now.
    pub fn put_back(&self, taken: Vec<Waiting<T, A>>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        for waiting in taken {
            if !waiting.answer.is_closed() {
                state.places.push_back((waiting.place, Some(waiting)));
                state.count += 1;
            }
        }
        state
            .places
            .make_contiguous()
            .sort_unstable_by_key(|(place, _)| *place);
        drop(state);
        self.added.notify_one();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.state.lock().count
    }

    /// Drops everything that waits, and what is still to come: those who wait hear of it at once.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.count = 0;
        let dropped = std::mem::take(&mut state.places);
        drop(state);
        drop(dropped);
    }

    /// Takes back what is at `place`, and says whether it was there.
    fn take_back(&self, place: u64) -> bool {
        let mut state = self.state.lock();
        let taken_back = state.take_back(place);
        drop(state);
        taken_back.is_some()
    }
}

impl<T, A> State<T, A> {
    fn take_back(&mut self, place: u64) -> Option<Waiting<T, A>> {
        let index = self
            .places
            .binary_search_by_key(&place, |(place, _)| *place);
        let (_, waiting) = self.places.get_mut(index.ok()?)?;
        let taken_back = waiting.take()?;
        self.count -= 1;
        self.trim();
        Some(taken_back)
    }

    /// Forgets places with nothing at them once they are the most, and keeps little room where nothing waits.
    fn trim(&mut self) {
        if self.places.len() > 2 * self.count {
            self.places.retain(|(_, waiting)| waiting.is_some());
        }
        if self.count == 0 && self.places.capacity() > KEPT_PLACES {
            self.places.shrink_to(KEPT_PLACES);
        }
    }
}

impl<T, A> Place<'_, T, A> {
    /// Waits for the answer until the deadline.
    pub async fn answer(mut self) -> Ended<A> {
        let answered = tokio::select! {
            biased;
            answered = woken(&mut self.answer) => Some(answered),
            () = sleep_until(self.deadline) => None,
        };
        let ended = match answered {
            Some(Ok(answer)) => Ended::Answered(answer),
            Some(Err(_)) => Ended::Closed,
            None => self.give_up(),
        };
        self.over = true;
        ended
    }

    /// The deadline has come.
    fn give_up(&mut self) -> Ended<A> {
        // First, so that what was taken is not put back from here on.
        self.answer.close();
        if self.queue.take_back(self.place) {
            return Ended::TakenBack;
        }
        match self.answer.try_recv() {
            Ok(answer) => Ended::Answered(answer),
            Err(_) => Ended::Unanswered,
        }
    }
}

impl<T, A> Drop for Place<'_, T, A> {
    fn drop(&mut self) {
        if !self.over {
            self.give_up();
        }
    }
}

#[cfg(test)]
mod tests;
