//! Which replies are withheld.

use std::time::Duration;

use futures::channel::mpsc::unbounded;
use futures::{FutureExt, StreamExt};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use tokio::time::advance;

use super::append::{place, vote};
use crate::replication::network::commit_news::Request;
use crate::replication::network::cutoff::Outcome;
use crate::replication::network::late_replies::Unanswered;
use crate::replication::types::Entry;

const LATE: Duration = Duration::from_millis(150);

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

/// The indices that are acknowledged once `made` are made and sent, with `pause` before they are answered.
async fn acknowledged(made: Vec<Request>, pause: Duration) -> Vec<u64> {
    let unanswered = Unanswered::default();
    let requests = futures::stream::iter(made);
    let sent: Vec<Request> = unanswered.sent(unanswered.made(requests)).collect().await;
    advance(pause).await;
    let (sender, receiver) = unbounded::<Outcome>();
    for request in &sent {
        let last = request.entries.last().map(RaftEntry::log_id);
        let reply = Ok(Ok(last.or(request.prev_log_id)));
        sender.unbounded_send(reply).expect("open");
    }
    drop(sender);
    let results = unanswered.results(receiver, LATE);
    let results: Vec<Outcome> = results.collect().now_or_never().expect("no wait");
    let indices = results.into_iter().map(|result| {
        let matching = result.expect("no failure").expect("no conflict");
        matching.expect("an entry").index
    });
    indices.collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_does_not_count_for_a_later_request_with_the_same_log_id() {
    let made = || vec![entry(5), nothing_after(5), entry(6)];
    let late = LATE + Duration::from_millis(1);
    assert_eq!(
        acknowledged(made(), late).await,
        [5, 6],
        "that of the request after it"
    );
    assert_eq!(acknowledged(made(), Duration::ZERO).await, [5, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_counts_that_can_be_taken_for_no_other() {
    let late = LATE * 10;
    assert_eq!(acknowledged(vec![entry(5), entry(6)], late).await, [5, 6]);
    let heartbeats = vec![nothing_after(5), nothing_after(5), nothing_after(5)];
    assert_eq!(acknowledged(heartbeats, late).await, [5], "the last one");
}
