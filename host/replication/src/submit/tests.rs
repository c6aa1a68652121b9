//! Commits on their way to a leader that does as the test says.

use std::collections::VecDeque;

use futures::FutureExt;
use parking_lot::Mutex;
use spindrift_memory::{Budget, Purpose};
use spindrift_store::{Listing, Read, ReadSet, StoreId, Write};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::command::decode_commits;
use super::super::queue::Ended;
use super::*;

/// Longer than anything takes that is to happen.
const SOON: Duration = Duration::from_secs(60);

/// What the leader does with a batch.
enum Does {
    /// Applies it after a while.
    Apply(Duration),
    /// Has not taken it.
    Refuse,
    /// The same after a while.
    RefuseAfter(Duration),
    /// Has no memory for it.
    RefuseForMemory,
    /// Says nothing, and may have taken it.
    Nothing,
}

/// The leader, at the end of every way.
#[derive(Default)]
struct Leader {
    /// What it does with the next batches. With those after them it does nothing.
    script: Mutex<VecDeque<Does>>,
    /// Whether there is no way to it.
    unreachable: Mutex<bool>,
    /// The batches that have reached it: their numbers and their keys.
    got: Mutex<Vec<(u64, Vec<String>)>>,
}

impl Proposals for Leader {
    type Way = ();

    async fn open(&self, _: &(NodeId, Member)) -> Option<()> {
        (!*self.unreachable.lock()).then_some(())
    }

    async fn propose(&self, (): (), batch: Batch) -> Attempt<BatchReply> {
        let commits = decode_commits(batch.commits).expect("commits");
        let keys = commits.iter().flat_map(|commit| &commit.writes);
        let keys: Vec<String> = keys
            .map(|write| String::from_utf8_lossy(write.key_bytes()).into_owned())
            .collect();
        self.got.lock().push((batch.sequence, keys));
        let does = self.script.lock().pop_front().unwrap_or(Does::Nothing);
        match does {
            Does::Apply(after) => {
                sleep(after).await;
                let applied = (1..=commits.len() as u64)
                    .map(|revision| Applied::Committed { revision })
                    .collect();
                Attempt::Done(BatchReply::Applied(applied))
            }
            Does::Refuse => Attempt::NotProposed,
            Does::RefuseAfter(after) => {
                sleep(after).await;
                Attempt::NotProposed
            }
            Does::RefuseForMemory => Attempt::NoMemory,
            Does::Nothing => pending().await,
        }
    }
}

/// A submitter at work.
struct Work {
    queue: Arc<CommitQueue>,
    memory: Arc<Budget>,
    leader: Arc<Leader>,
    leadership: watch::Sender<Leadership>,
    submitter: JoinHandle<()>,
}

impl Work {
    /// Without a leader, whose script is this once there is one.
    fn begin(script: impl IntoIterator<Item = Does>) -> Self {
        let (leadership, known) = watch::channel(Leadership::default());
        let leader = Arc::new(Leader::default());
        leader.script.lock().extend(script);
        let queue = Arc::new(CommitQueue::default());
        let submitter = Submitter {
            node: 1,
            queue: queue.clone(),
            link: leader.clone(),
            leadership: known,
            metrics: ReplicationMetrics::default(),
            twice: false,
        };
        Work {
            queue,
            memory: Budget::unlimited(),
            leader,
            leadership,
            submitter: tokio::spawn(submitter.run()),
        }
    }

    /// There is a leader from now on.
    fn elect(&self, term: u64) {
        self.leadership.send_replace(Leadership {
            term,
            leader: Some((term, Member::default())),
            voters: 3,
        });
    }

    /// Commits a key, for which there is so much time, and says how and when that ended.
    fn commit(&self, key: &str, time: u64) -> JoinHandle<(Ended<Outcome>, u64)> {
        let commit = Commit {
            writes: vec![Write::set(StoreId::new(0), key, b"")],
            ..Commit::default()
        };
        let held = self
            .memory
            .charge(Purpose::Transactions, commit.size_bytes());
        let queued = Queued {
            commit,
            held: held.expect("it is never spent"),
        };
        let (queue, begun) = (self.queue.clone(), Instant::now());
        let place = async move {
            let place = queue.add(queued, begun + Duration::from_millis(time));
            let ended = place.answer().await;
            let took = begun.elapsed().as_millis();
            (ended, u64::try_from(took).expect("a short while"))
        };
        let mut place = Box::pin(place);
        // It is in the queue when this returns.
        assert!((&mut place).now_or_never().is_none());
        tokio::spawn(place)
    }

    fn got(&self) -> Vec<(u64, Vec<String>)> {
        self.leader.got.lock().clone()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.submitter.abort();
    }
}

/// How a commit ended, and after how many milliseconds.
async fn ended(commit: JoinHandle<(Ended<Outcome>, u64)>) -> (Ended<Outcome>, u64) {
    let ended = timeout(SOON, commit).await.expect("it ends");
    ended.expect("no panic")
}

fn is_committed(ended: &Ended<Outcome>) -> bool {
    matches!(
        ended,
        Ended::Answered(Outcome::Answered(Applied::Committed { .. }))
    )
}

async fn pass(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

const AT_ONCE: Does = Does::Apply(Duration::ZERO);

#[tokio::test(start_paused = true)]
async fn without_a_leader_each_commit_is_taken_back_at_its_own_deadline_and_never_sent() {
    let work = Work::begin([AT_ONCE]);
    // The one with the latest deadline is in front.
    let late = work.commit("late", 3000);
    let soon = work.commit("soon", 1000);
    let (soon, at) = ended(soon).await;
    assert!(matches!(soon, Ended::TakenBack), "{soon:?}");
    assert!((1000..1005).contains(&at), "{at}");
    assert_eq!(work.queue.len(), 1, "what was taken back is free");
    work.elect(1);
    let (late, at) = ended(late).await;
    assert!(is_committed(&late), "{late:?}");
    assert!(at < 1010, "{at}");
    assert_eq!(work.got(), [(1, vec!["late".to_owned()])]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_just_before_the_leader_is_sent_with_those_that_waited_long() {
    let work = Work::begin([AT_ONCE]);
    let old = work.commit("old", 5000);
    pass(4995).await;
    let new = work.commit("new", 5000);
    pass(2).await;
    work.elect(1);
    for commit in [old, new] {
        let (ended, at) = ended(commit).await;
        assert!(is_committed(&ended), "{ended:?} after {at} ms");
    }
    assert_eq!(work.got().len(), 1, "one batch");
}

#[tokio::test(start_paused = true)]
async fn in_flight_each_commit_is_unanswered_at_its_own_deadline_and_the_batch_goes_on() {
    let work = Work::begin([Does::Apply(Duration::from_millis(2000))]);
    let patient = work.commit("patient", 3000);
    let hasty = work.commit("hasty", 1000);
    work.elect(1);
    let (hasty, at) = ended(hasty).await;
    assert!(matches!(hasty, Ended::Unanswered), "{hasty:?}");
    assert!((1000..1005).contains(&at), "{at}");
    let (patient, at) = ended(patient).await;
    assert!(is_committed(&patient), "{patient:?}");
    assert!((2000..2005).contains(&at), "{at}");
    assert_eq!(work.got().len(), 1, "sent once");
}

#[tokio::test(start_paused = true)]
async fn what_a_leader_has_not_taken_waits_again_and_can_be_taken_back() {
    let refusals = std::iter::repeat_with(|| Does::Refuse).take(1000);
    let work = Work::begin(refusals);
    work.elect(1);
    let (first, at) = ended(work.commit("first", 500)).await;
    assert!(matches!(first, Ended::TakenBack), "{first:?}");
    assert!((500..505).contains(&at), "{at}");
    let tries = work.got().len();
    assert!((2..=26).contains(&tries), "tried {tries} times");
    assert!(work.queue.is_empty());
    *work.leader.script.lock() = [AT_ONCE].into();
    let (second, _) = ended(work.commit("second", 500)).await;
    assert!(is_committed(&second), "{second:?}");
    let (_, keys) = work.got().pop().expect("a batch");
    assert_eq!(keys, ["second"], "what was taken back is not sent");
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_way_to_the_leader_nothing_is_sent_until_there_is() {
    let work = Work::begin([AT_ONCE]);
    *work.leader.unreachable.lock() = true;
    work.elect(1);
    let (hasty, at) = ended(work.commit("hasty", 1000)).await;
    assert!(matches!(hasty, Ended::TakenBack), "{hasty:?}");
    assert!((1000..1005).contains(&at), "{at}");
    let patient = work.commit("patient", 1000);
    pass(500).await;
    *work.leader.unreachable.lock() = false;
    let (patient, at) = ended(patient).await;
    assert!(is_committed(&patient), "{patient:?}");
    assert!(at < 530, "{at}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_may_have_been_taken_is_sent_again_as_it_was_to_the_next_leader() {
    let work = Work::begin([Does::Nothing, Does::Refuse, AT_ONCE]);
    work.elect(1);
    let commit = work.commit("key", 5000);
    pass(100).await;
    work.elect(2);
    let (ended, _) = ended(commit).await;
    assert!(is_committed(&ended), "{ended:?}");
    let got = work.got();
    assert_eq!(got, vec![(1, vec!["key".to_owned()]); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_is_heard_is_given_up_with_its_last_commit() {
    let work = Work::begin([Does::Nothing, Does::Nothing, AT_ONCE]);
    work.elect(1);
    let first = work.commit("first", 1000);
    pass(1).await;
    let second = work.commit("second", 1000);
    pass(1).await;
    // There is no room for one more batch before one of them is given up.
    let third = work.commit("third", 3000);
    for commit in [first, second] {
        let (ended, _) = ended(commit).await;
        // It is told by the submitter, or tells by its own clock.
        let unknown = matches!(
            ended,
            Ended::Unanswered | Ended::Answered(Outcome::Failed(CommitError::Unknown(_)))
        );
        assert!(unknown, "{ended:?}");
    }
    let (third, at) = ended(third).await;
    assert!(is_committed(&third), "{third:?}");
    assert!((998..1010).contains(&at), "{at}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_takes_its_commit_with_it_and_only_its_own() {
    let work = Work::begin([AT_ONCE]);
    let gone = work.commit("gone", 5000);
    let stays = work.commit("stays", 5000);
    let held = work.memory.used_bytes();
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!(work.queue.len(), 1);
    assert!(work.memory.used_bytes() < held, "{:?}", work.memory);
    work.elect(1);
    assert!(is_committed(&ended(stays).await.0));
    assert_eq!(work.got(), [(1, vec!["stays".to_owned()])]);
    assert_eq!(work.memory.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_while_its_leader_refuses_takes_its_commit_with_it() {
    let work = Work::begin([Does::Refuse, Does::Refuse, AT_ONCE]);
    let gone = work.commit("gone", 5000);
    let stays = work.commit("stays", 5000);
    work.elect(1);
    // Both were out once, and are back.
    pass(RETRY_PAUSE.as_millis() as u64 / 2).await;
    assert_eq!((work.got().len(), work.queue.len()), (1, 2));
    gone.abort();
    assert!(is_committed(&ended(stays).await.0));
    let both = vec!["gone".to_owned(), "stays".to_owned()];
    let one = vec!["stays".to_owned()];
    assert_eq!(work.got(), [(1, both), (2, one.clone()), (3, one)]);
    assert_eq!(work.memory.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_before_its_leader_refuses_takes_its_commit_with_it() {
    let work = Work::begin([Does::RefuseAfter(Duration::from_millis(100)), AT_ONCE]);
    let gone = work.commit("gone", 5000);
    let stays = work.commit("stays", 5000);
    work.elect(1);
    pass(50).await;
    gone.abort();
    assert!(is_committed(&ended(stays).await.0));
    let both = vec!["gone".to_owned(), "stays".to_owned()];
    assert_eq!(work.got(), [(1, both), (2, vec!["stays".to_owned()])]);
    assert_eq!(work.memory.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_flight_holds_its_memory_until_its_end_though_its_clients_have_gone() {
    let work = Work::begin([Does::Apply(Duration::from_millis(1000))]);
    work.elect(1);
    let gone = work.commit("gone", 5000);
    let held = work.memory.used_bytes();
    assert!(held > 0);
    pass(10).await;
    gone.abort();
    pass(900).await;
    assert_eq!(work.memory.used_bytes(), held);
    pass(200).await;
    assert_eq!(work.memory.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_memory_is_not_waited_for() {
    let work = Work::begin([Does::RefuseForMemory, AT_ONCE]);
    work.elect(1);
    let (refused, at) = ended(work.commit("refused", 5000)).await;
    let Ended::Answered(Outcome::Failed(CommitError::NotApplied(why))) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.reason.contains("--memory-budget"), "{why}");
    assert!(at < 10, "{at}");
    assert!(is_committed(&ended(work.commit("next", 5000)).await.0));
    assert_eq!(work.memory.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_when_the_node_stops_is_of_unknown_outcome_and_what_waits_is_not() {
    let work = Work::begin([]);
    work.elect(1);
    let in_flight = work.commit("in-flight", 5000);
    pass(10).await;
    work.leadership.send_replace(Leadership::default());
    let waits = work.commit("waits", 5000);
    pass(10).await;
    work.submitter.abort();
    let (in_flight, _) = ended(in_flight).await;
    let unknown = Ended::Answered(Outcome::Failed(CommitError::Unknown(Unavailable::new(""))));
    assert_eq!(
        std::mem::discriminant(&in_flight),
        std::mem::discriminant(&unknown)
    );
    work.queue.close();
    let (waits, _) = ended(waits).await;
    assert!(matches!(waits, Ended::Closed), "{waits:?}");
}

/// While a batch is in flight it is the only copy of its commits, which wait again if the leader has not taken it.
#[test]
fn commits_that_were_in_a_batch_are_what_they_were() {
    let store = StoreId::new(1);
    let reads = ReadSet {
        reads: vec![Read {
            store,
            key: "read".into(),
            revision: 7,
        }],
        listings: vec![Listing { store, revision: 8 }],
        since: 0,
    };
    let writes = vec![
        Write::set(store, "set", b"value"),
        Write::delete(store, "deleted"),
    ];
    let commits = [Commit { reads, writes }, Commit::default()];
    let (queue, memory) = (CommitQueue::default(), Budget::unlimited());
    let later = Instant::now() + SOON;
    let _places = commits.each_ref().map(|commit| {
        let held = memory.open(Purpose::Transactions);
        let commit = commit.clone();
        queue.add(Queued { commit, held }, later)
    });
    let mut answers = Answers(take_batch(&queue));
    let kept = |answers: &Answers| -> Vec<Commit> {
        let waiting = answers.0.iter();
        waiting.map(|waiting| waiting.item.commit.clone()).collect()
    };
    let batch = encode_commits(&kept(&answers));
    answers.forget_commits();
    assert_eq!(kept(&answers), [Commit::default(), Commit::default()]);
    answers.remember_commits(batch).expect("commits");
    assert_eq!(kept(&answers), commits);
    answers.0.clear();
}

#[test]
fn batches_go_on_beside_one_that_waits_until_there_are_many_replies_to_remember() {
    let mut numbers = Numbers::default();
    let (waiting, _) = numbers.next();
    let mut sent = 1;
    while numbers.have_room() {
        let (sequence, settled) = numbers.next();
        assert_eq!(settled, waiting);
        numbers.settle(sequence);
        sent += 1;
        assert!(sent <= MAX_REMEMBERED_REPLIES, "without end");
    }
    assert_eq!(sent, MAX_REMEMBERED_REPLIES);
    numbers.settle(waiting);
    let (next, settled) = numbers.next();
    assert_eq!(settled, next, "all before it are settled");
}

#[test]
fn a_batch_is_sent_whenever_there_is_room_for_one_more() {
    let mut numbers = Numbers::default();
    for _ in 0..3 * MAX_REMEMBERED_REPLIES {
        while numbers.have_room() && numbers.unsettled.len() <= MAX_BATCHES_IN_FLIGHT {
            numbers.next();
        }
        assert_eq!(numbers.unsettled.len(), MAX_BATCHES_IN_FLIGHT);
        let first = numbers.unsettled.first().copied();
        numbers.settle(first.expect("one in flight"));
    }
}
