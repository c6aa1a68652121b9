//! Which replies are withheld.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::mpsc::unbounded;
use futures::stream::iter;
use futures::{FutureExt, Stream, StreamExt};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::errors::{RPCError, Unreachable};
use openraft::raft::StreamAppendError;
use tokio::time::advance;

use super::append::{place, vote};
use crate::network::CommitNews;
use crate::network::commit_news::Request;
use crate::network::cutoff::Outcome;
use crate::network::late_replies::Unanswered;
use crate::suspension::SuspendedFor;
use crate::types::Entry;

const LATE: Duration = Duration::from_millis(150);
const LATER: Duration = Duration::from_millis(151);

/// A request that brings the entry at `index`.
fn entry(index: u64) -> Request {
    Request {
        entries: vec![Entry::new(place(index), EntryPayload::Blank)],
        ..nothing_after(index - 1)
    }
}

/// A request without entries.
fn nothing_after(index: u64) -> Request {
    Request {
        vote: vote(),
        prev_log_id: Some(place(index)),
        entries: Vec::new(),
        leader_commit: None,
    }
}

/// A follower's word that it has what `request` brings.
fn acknowledgement(request: &Request) -> Outcome {
    let last = request.entries.last().map(RaftEntry::log_id);
    Ok(Ok(last.or(request.prev_log_id)))
}

/// Those of `replies` that get through.
fn heard(unanswered: Unanswered, replies: impl IntoIterator<Item = Outcome>) -> Vec<Outcome> {
    let (sender, receiver) = unbounded::<Outcome>();
    for reply in replies {
        sender.unbounded_send(reply).expect("open");
    }
    drop(sender);
    let results = unanswered.results(receiver, LATE);
    results.collect().now_or_never().expect("no wait")
}

/// The indices that are acknowledged once `requests` are sent, with `pause` before they are answered.
async fn acknowledged_of(
    unanswered: Unanswered,
    requests: impl Stream<Item = Request>,
    pause: Duration,
) -> Vec<u64> {
    let sent: Vec<Request> = unanswered.sent(requests).collect().await;
    advance(pause).await;
    let heard = heard(unanswered, sent.iter().map(acknowledgement));
    let indices = heard.into_iter().map(|result| {
        let matching = result.expect("no failure").expect("no conflict");
        matching.expect("an entry").index
    });
    indices.collect()
}

/// The indices that are acknowledged once `made` are made and all of them sent, with `pause` before they are answered.
async fn acknowledged(made: Vec<Request>, pause: Duration) -> Vec<u64> {
    let unanswered = Unanswered::none(SuspendedFor::default());
    let requests = unanswered.made(iter(made));
    acknowledged_of(unanswered, requests, pause).await
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_does_not_count_for_a_later_request_with_the_same_log_id() {
    let made = || vec![entry(5), nothing_after(5), entry(6)];
    assert_eq!(
        acknowledged(made(), LATER).await,
        [5, 6],
        "that of the request after it"
    );
    assert_eq!(acknowledged(made(), LATE).await, [5, 5, 6], "in time");
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_counts_that_can_be_taken_for_no_other() {
    let late = LATE * 10;
    assert_eq!(acknowledged(vec![entry(5), entry(6)], late).await, [5, 6]);
    let heartbeats = vec![nothing_after(5), nothing_after(5), nothing_after(5)];
    assert_eq!(acknowledged(heartbeats, late).await, [5], "the last one");
}

/// openraft takes it for answered all the same.
#[tokio::test(start_paused = true)]
async fn a_late_reply_can_be_taken_for_that_to_a_request_which_was_never_sent() {
    let unanswered = Unanswered::none(SuspendedFor::default());
    let made = unanswered.made(iter([entry(5), nothing_after(5), entry(6)]));
    let requests = CommitNews::default().with_next_entries(Box::pin(made));
    assert_eq!(acknowledged_of(unanswered, requests, LATER).await, [6]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_acknowledgement_is_heard_however_late() {
    let replies = [
        Ok(Err(StreamAppendError::Conflict(place(5)))),
        Ok(Err(StreamAppendError::HigherVote(vote()))),
        Err(RPCError::Unreachable(Unreachable::from_string("gone"))),
    ];
    for reply in replies {
        let unanswered = Unanswered::none(SuspendedFor::default());
        let made = unanswered.made(iter([nothing_after(5), nothing_after(5)]));
        let _: Vec<Request> = unanswered.sent(made).collect().await;
        advance(LATE * 10).await;
        let told = format!("{reply:?}");
        assert_eq!(heard(unanswered, [reply]).len(), 1, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_from_before_a_suspension_is_late_whatever_the_clock_says() {
    let minutes = Arc::new(AtomicU64::new(0));
    let clock = minutes.clone();
    let clock = move || Duration::from_secs(60 * clock.load(Ordering::Relaxed));
    let unanswered = Unanswered::none(SuspendedFor::new(clock));
    let requests = [nothing_after(4), nothing_after(4)];
    let sent: Vec<Request> = unanswered
        .sent(unanswered.made(iter(requests)))
        .collect()
        .await;
    minutes.store(10, Ordering::Relaxed);
    let replies = sent.iter().map(acknowledgement);
    assert_eq!(heard(unanswered, replies).len(), 1);
}
