//! `docs/upstream/reply-of-another-request.md`: a reply to an early request counts as the reply to a later one.

use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::ReadPolicy;
use openraft_reports::peers::{PATIENCE, Peers, last_of};
use openraft_reports::store::Log;
use openraft_reports::{lead, start};
use tokio::time::{Instant, advance};

/// Several times the leader's lease, which is 300 ms at most.
const LONG: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the peer has heard nothing for 10s, and counts as heard")]
async fn a_reply_counts_from_when_its_request_was_sent() {
    let (peers, mut peer) = Peers::played();
    let raft = start(peers, Log::default()).await;
    lead(&raft, &[2]).await;
    peer.follow().await;

    // Two requests with an entry each. They are the last that the peer hears.
    let sent = Instant::now();
    let mut replies = Vec::new();
    for value in [1, 2] {
        let raft = raft.clone();
        tokio::spawn(async move { raft.client_write(value).await });
        let request = peer.request().await;
        assert_eq!(request.entries.len(), 1, "{request}");
        replies.push(last_of(&request));
    }
    advance(LONG).await;

    // The reply to the first one makes the leader send the news of the commit. It has the log id of the second one.
    peer.reply(replies[0]);
    let news = peer.request().await;
    assert!(news.entries.is_empty(), "{news}");
    assert_eq!(last_of(&news), replies[1]);

    // The peer never gets that. Its reply to the second one arrives.
    peer.reply(replies[1]);
    let last = replies[1].map(|last| last.index);
    raft.wait(Some(PATIENCE))
        .applied_index(last, "the second entry")
        .await
        .expect("a running node");

    let acknowledged = raft.metrics().borrow_watched().last_quorum_acked;
    let age = acknowledged
        .map(|at| at.elapsed())
        .expect("a majority that was heard");
    let read = raft.ensure_linearizable(ReadPolicy::LeaseRead).await;
    assert!(
        age >= LONG && read.is_err(),
        "the peer has heard nothing for {:?}, and counts as heard {age:?} ago; a read by lease: {read:?}",
        sent.elapsed()
    );
}
