//! That the news of a commit waits for entries, and for how long.

use std::time::Instant;

use futures::channel::mpsc;
use futures::{FutureExt, Stream, StreamExt};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;

use super::append::{place, vote};
use super::soon;
use crate::network::CommitNews;
use crate::network::commit_news::{PATIENCE, Request};
use crate::types::Entry;

/// How many entries a request has, and what it says is committed.
type Seen = (usize, u64);

fn seen(request: Request) -> Seen {
    let committed = request.leader_commit.expect("something is committed");
    (request.entries.len(), committed.index)
}

/// The request that is there already.
fn now(stream: &mut (impl Stream<Item = Request> + Unpin)) -> Option<Seen> {
    stream.next().now_or_never().flatten().map(seen)
}

fn news(committed: u64) -> Request {
    Request {
        vote: vote(),
        prev_log_id: Some(place(9)),
        entries: Vec::new(),
        leader_commit: Some(place(committed)),
    }
}

fn entries(committed: u64) -> Request {
    Request {
        entries: vec![Entry::new(place(10), EntryPayload::Blank)],
        ..news(committed)
    }
}

/// A stream over which entries have gone before, and how to put requests into it.
async fn stream(
    commits: &CommitNews,
) -> (
    mpsc::UnboundedSender<Request>,
    impl Stream<Item = Request> + Unpin + use<>,
) {
    let (sender, receiver) = mpsc::unbounded();
    let mut stream = Box::pin(commits.with_next_entries(receiver));
    sender.unbounded_send(entries(1)).expect("open");
    assert_eq!(next(&mut stream).await, Some((1, 1)));
    (sender, stream)
}

async fn next(stream: &mut (impl Stream<Item = Request> + Unpin)) -> Option<Seen> {
    soon("a request, or the end", stream.next()).await.map(seen)
}

#[tokio::test]
async fn news_goes_with_the_entries_that_come_meanwhile() {
    let (sender, mut stream) = stream(&CommitNews::default()).await;
    sender.unbounded_send(news(2)).expect("open");
    sender.unbounded_send(entries(2)).expect("open");
    assert_eq!(next(&mut stream).await, Some((1, 2)));
    drop(sender);
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn news_goes_alone_where_no_entries_come() {
    let (sender, mut stream) = stream(&CommitNews::default()).await;
    let began = Instant::now();
    sender.unbounded_send(news(2)).expect("open");
    assert_eq!(next(&mut stream).await, Some((0, 2)));
    assert!(began.elapsed() >= PATIENCE);
}

#[tokio::test]
async fn news_that_is_the_last_is_not_lost() {
    let (sender, mut stream) = stream(&CommitNews::default()).await;
    sender.unbounded_send(news(2)).expect("open");
    drop(sender);
    assert_eq!(next(&mut stream).await, Some((0, 2)));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn news_that_a_follower_wants_goes_at_once() {
    let commits = CommitNews::default();
    let (sender, mut stream) = stream(&commits).await;
    assert_eq!(now(&mut stream), None, "there is nothing");
    commits.want();
    sender.unbounded_send(news(2)).expect("open");
    assert_eq!(now(&mut stream), Some((0, 2)));

    // It waits already when it comes to be wanted.
    sender.unbounded_send(news(3)).expect("open");
    assert_eq!(now(&mut stream), None, "it waits");
    commits.want();
    assert_eq!(now(&mut stream), Some((0, 3)));
}

#[tokio::test]
async fn a_heartbeat_waits_for_nothing() {
    let (sender, receiver) = mpsc::unbounded();
    let mut stream = Box::pin(CommitNews::default().with_next_entries(receiver));
    sender.unbounded_send(news(2)).expect("open");
    assert_eq!(now(&mut stream), Some((0, 2)));
}
