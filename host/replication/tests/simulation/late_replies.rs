//! What a leader makes of replies that have waited for it while its followers chose another leader: it must not take them for
//! news of its majority, and answer reads from its own map, which is of the past by then.
//!
//! Why it would is said in `host/replication/src/network/late_replies.rs`, with what is done about it. Here the course of
//! events is brought about message by message. A leader that stands still hears nothing and is not heard, and replies are late
//! when it goes on. All of that is so as well of one that does not stand still and whose messages are held back, as here.
//!
//! 1. The leader writes three entries. Both followers take them, and their replies wait. From then on one of the two, the
//!    *stranger*, hears nothing of the leader and stands for election: in vain, while the other one, the *follower*, hears.
//! 2. The follower's reply for the first entry arrives. The leader sends it the news of the commit, a request with the log id
//!    of the third entry. The follower takes it, its reply waits too, and from then on it hears nothing either.
//! 3. After a while its reply for the second entry arrives, and the leader makes one more request with that log id. For this
//!    one, which nobody has got, the replies would count that arrive last: for the third entry, and for the news of step 2.
//!
//! The other two have chosen a leader, and a write to it was acknowledged, before step 3 in one test and soon after it in the
//! other. What keeps the old leader from reading the past is in the former that late replies are withheld, and in the latter,
//! where they are not late enough for that, that reads leave a part of the lease unused.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::thread;
use std::time::Duration;

use spindrift_replication::Role;
use spindrift_store::{Consistency, Outcome, Transaction};
use tokio::sync::oneshot;

use crate::clients::{key_name, number_of, set};
use crate::interposition;
use crate::pods::run::Run;
use crate::process::{PORT, Process, STORE};

/// The key that the new leader writes.
const KEY: usize = 0;

/// What it holds before, and after.
const OLD: u64 = 1;
const NEW: u64 = 2;

/// A key whose value nobody asks for.
const OTHER_KEY: usize = 1;

/// How long a message and its reply take that are not held back, and some more.
const ROUND: Duration = Duration::from_millis(20);

/// How long a node hears nothing until it surely has stood for election, and a leader until its lease has run out: more
/// than twice the election time-out.
const SILENCE: Duration = Duration::from_millis(640);

/// The leader's lease: the election time-out.
const LEASE: Duration = Duration::from_millis(300);

/// What is not late yet, by little: late is what takes longer than half of the election time-out.
const NOT_LATE: Duration = Duration::from_millis(120);

/// Courses that end in a read whatever their seed.
const CERTAIN: Range<u64> = 0..5;

/// Courses of which about one in three does: the stranger has to stand for election when the follower may just vote for it.
const CHANCY: Range<u64> = 0..30;

/// How long anything may take that is to happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a read on the old leader found, which began after somebody was told of the write of the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// What that has written.
    New,
    /// What was before.
    Old,
    /// It was refused.
    Nothing,
}

/// A message on its way, by the addresses of its ends.
#[derive(Clone, Copy)]
struct Message {
    from: SocketAddr,
    to: SocketAddr,
}

/// The course of events, with the leader's messages in the hand of the test.
struct Course {
    run: Run,
    leader: Process,
    follower: Process,
    stranger: Process,
}

impl Course {
    /// Step 1. How many of the messages that wait bring the follower's reply for the first entry, and how many more that for
    /// the second, is returned with it.
    fn begin() -> (Self, [usize; 2]) {
        let run = Run::clustered(3);
        let leader = run.leader().expect("a leader").clone();
        let mut others = run.living().filter(|process| process.name != leader.name);
        let mut other = || others.next().expect("three processes").clone();
        let (follower, stranger) = (other(), other());
        drop(others);
        let mut course = Self {
            run,
            leader,
            follower,
            stranger,
        };
        // From both, so that each has its way to the leader.
        for process in [course.leader.clone(), course.follower.clone()] {
            let written = put(&process, KEY, OLD);
            assert!(course.wait("a write is answered", written));
        }
        course.pass(ROUND);

        let (leader, follower) = (&course.leader.name, &course.follower.name);
        let sim = &course.run.sim;
        sim.hold(leader.as_str(), follower.as_str());
        sim.hold(leader.as_str(), course.stranger.name.as_str());
        sim.set_link_latency(
            follower.as_str(),
            course.stranger.name.as_str(),
            Duration::from_millis(1),
        );
        let leader = course.address(&course.leader);
        let all_but_replies = move |message: &Message| !message.is_reply_to(leader);
        // One process has two writes under way at most.
        let writers = [&course.follower, &course.leader, &course.leader].map(Clone::clone);
        let replies = writers.map(|writer| {
            // What comes of it is for nobody to hear.
            drop(put(&writer, OTHER_KEY, OLD));
            course.pass_with(ROUND, all_but_replies);
            course.replies()
        });
        let stranger = course.address(&course.stranger);
        course.pass_with(SILENCE, move |message| {
            !message.is_reply_to(leader) && !message.is_of(stranger)
        });
        let [first, second, _] = replies;
        (course, [first, second - first])
    }

    /// Step 2.
    fn news_of_the_first(&mut self, replies: usize) {
        let (leader, stranger) = (self.address(&self.leader), self.address(&self.stranger));
        self.commits_one(replies);
        self.pass_with(ROUND, move |message| {
            !message.is_reply_to(leader) && !message.is_of(stranger)
        });
    }

    /// Step 3. When its request was made is returned.
    fn news_of_the_second(&mut self, replies: usize) -> Duration {
        self.commits_one(replies);
        let made = self.run.sim.elapsed();
        self.arrives(usize::MAX);
        made
    }

    /// So many of the follower's replies arrive, by which the leader learns that it may commit one more entry.
    fn commits_one(&mut self, replies: usize) {
        let before = self.revision_of_the_leader();
        self.arrives(replies);
        let after = self.revision_of_the_leader();
        assert_eq!(after, before + 1, "one entry is committed");
    }

    fn revision_of_the_leader(&self) -> u64 {
        self.leader.published().expect("it runs").revision
    }

    /// So many of the follower's replies arrive.
    fn arrives(&mut self, replies: usize) {
        let mut left = replies;
        let (leader, follower) = (self.address(&self.leader), self.address(&self.follower));
        self.deliver(|message| {
            let due = message.is_reply_to(leader) && message.from.ip() == follower && left > 0;
            left -= usize::from(due);
            due
        });
        self.step();
    }

    /// How many of the follower's replies wait.
    fn replies(&self) -> usize {
        let (leader, follower) = (self.address(&self.leader), self.address(&self.follower));
        let mut count = 0;
        self.deliver(|message| {
            count += usize::from(message.is_reply_to(leader) && message.from.ip() == follower);
            false
        });
        count
    }

    /// One of the other two, once it leads.
    fn successor(&self) -> Option<&Process> {
        let mut others = [&self.follower, &self.stranger].into_iter();
        others.find(|process| {
            let seen = process.published();
            seen.is_some_and(|seen| seen.role == Role::Leader)
        })
    }

    /// What a read finds that begins now on the old leader, and goes on when that hears of everything.
    fn read(mut self) -> Found {
        let mut reading = get(&self.leader, KEY);
        self.pass(ROUND);
        if let Ok(found) = reading.try_recv() {
            return found;
        }
        for other in [&self.follower, &self.stranger] {
            let sim = &self.run.sim;
            sim.release(self.leader.name.as_str(), other.name.as_str());
        }
        self.wait("the read is answered", reading)
    }

    fn address(&self, process: &Process) -> IpAddr {
        self.run.sim.lookup(process.name.as_str())
    }

    /// Lets those messages from and to the leader go that are chosen; they are there in the next step.
    fn deliver(&self, mut chosen: impl FnMut(&Message) -> bool) {
        let leader = self.address(&self.leader);
        self.run.sim.links(|links| {
            for sent in links.flatten() {
                let (from, to) = sent.pair();
                let message = Message { from, to };
                if message.is_of(leader) && chosen(&message) {
                    sent.deliver();
                }
            }
        });
    }

    fn step(&mut self) {
        self.run.sim.step().expect("no process fails");
        interposition::set_elapsed(self.run.sim.elapsed());
    }

    fn pass(&mut self, time: Duration) {
        self.pass_with(time, |_| false);
    }

    /// Time passes, while those messages that are chosen do not wait.
    fn pass_with(&mut self, time: Duration, chosen: impl Fn(&Message) -> bool) {
        let end = self.run.sim.elapsed() + time;
        while self.run.sim.elapsed() < end {
            self.deliver(&chosen);
            self.step();
        }
    }

    /// Time passes until something has come of an errand.
    fn wait<T>(&mut self, what: &str, mut errand: oneshot::Receiver<T>) -> T {
        let deadline = self.run.sim.elapsed() + PATIENCE;
        loop {
            if let Ok(result) = errand.try_recv() {
                return result;
            }
            let now = self.run.sim.elapsed();
            assert!(now < deadline, "it is not so that {what}");
            self.step();
        }
    }

    /// Time passes until there is a new leader and a write to it is acknowledged, or else until `end`. Says whether it is.
    fn succeeded_by(&mut self, end: Duration) -> bool {
        let mut written = None;
        while self.run.sim.elapsed() < end {
            let ended = written.as_mut().map(oneshot::Receiver::try_recv);
            if let Some(Ok(acknowledged)) = ended {
                return acknowledged;
            }
            if written.is_none()
                && let Some(successor) = self.successor()
            {
                written = Some(put(successor, KEY, NEW));
            }
            self.step();
        }
        false
    }
}

impl Message {
    /// Whether it is a reply to `node`, or what else comes on a connection that `node` has made.
    fn is_reply_to(&self, node: IpAddr) -> bool {
        self.to.ip() == node && self.from.port() == PORT
    }

    /// Whether `node` sends or gets it.
    fn is_of(&self, node: IpAddr) -> bool {
        self.from.ip() == node || self.to.ip() == node
    }
}

/// Writes a number, and says whether that was acknowledged.
fn put(process: &Process, key: usize, value: u64) -> oneshot::Receiver<bool> {
    process.at_store(async move |backend| {
        let transaction = Transaction::new(backend, Consistency::Linearizable);
        set(&transaction, key, value).await.expect("it is taken");
        matches!(transaction.commit().await, Ok(Outcome::Committed(_)))
    })
}

fn get(process: &Process, key: usize) -> oneshot::Receiver<Found> {
    process.at_store(async move |backend| {
        let transaction = Transaction::new(backend, Consistency::Linearizable);
        let found = transaction.get(STORE, &key_name(key)).await;
        match found.map(|entry| entry.as_ref().map(number_of)) {
            Ok(Some(NEW)) => Found::New,
            Ok(_) => Found::Old,
            Err(_) => Found::Nothing,
        }
    })
}

/// Runs a course in a thread of its own, whose chance follows from `seed`.
fn with_seed<T: Send + 'static>(seed: u64, course: impl FnOnce() -> T + Send + 'static) -> T {
    let running = thread::spawn(move || {
        interposition::take_over(seed);
        course()
    });
    running.join().expect("it comes to its end")
}

#[test]
fn replies_that_waited_for_long_are_no_news_of_a_majority() {
    for seed in CERTAIN {
        let found = with_seed(seed, || {
            let (mut course, [first, second]) = Course::begin();
            course.news_of_the_first(first);
            let end = course.run.sim.elapsed() + PATIENCE;
            assert!(course.succeeded_by(end), "there is a new leader");
            course.news_of_the_second(second);
            course.read()
        });
        assert_ne!(found, Found::Old, "seed {seed}");
    }
}

#[test]
fn replies_that_waited_for_a_moment_make_no_lease_longer() {
    let seen = CHANCY.filter(|seed| {
        let found = with_seed(*seed, || {
            let (mut course, [first, second]) = Course::begin();
            course.news_of_the_first(first);
            course.pass(NOT_LATE - ROUND);
            let made = course.news_of_the_second(second);
            // If the lease began with that request, it would not have run out by then.
            course
                .succeeded_by(made + LEASE - ROUND)
                .then(|| course.read())
        });
        assert_ne!(found, Some(Found::Old), "seed {seed}");
        found.is_some()
    });
    assert!(seen.count() > 0, "it came to a read in time");
}
