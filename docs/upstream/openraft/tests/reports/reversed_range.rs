//! `docs/upstream/reversed-range.md`: the stream of a leader that was succeeded panics when its log has become shorter.

use openraft::async_runtime::WatchReceiver;
use openraft::entry::RaftEntry;
use openraft::raft::AppendEntriesRequest;
use openraft_reports::peers::Peers;
use openraft_reports::store::Log;
use openraft_reports::{Entry, Leader, LogId, Vote, lead, start};

/// The assertion is there in builds with debug assertions only, as `cargo test` makes them.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "read_log_entries received reversed range")]
async fn the_stream_of_a_leader_that_was_succeeded_ends() {
    let (peers, mut peer) = Peers::played();
    let raft = start(peers, Log::default()).await;
    lead(&raft, &[2]).await;
    peer.follow().await;

    // Three entries of term 1 are sent, and not answered.
    let committed = raft
        .metrics()
        .borrow_watched()
        .last_applied
        .expect("an entry");
    for value in [1, 2, 3] {
        let raft = raft.clone();
        tokio::spawn(async move { raft.client_write(value).await });
        let request = peer.request().await;
        assert_eq!(request.entries.len(), 1, "{request}");
    }

    // The peer was elected, and its one entry takes their place. The transport asks for the next request only then.
    let first = LogId::new(Leader::new(2), committed.index + 1);
    let appended = raft
        .append_entries(AppendEntriesRequest {
            vote: Vote::new_committed(2, 2),
            prev_log_id: Some(committed),
            entries: vec![Entry::new_blank(first)],
            leader_commit: None,
        })
        .await;
    appended.expect("a running node");
    let next = peer.request_of_this_stream().await;
    assert!(next.is_none(), "a request of a past leader: {next:?}");
}
