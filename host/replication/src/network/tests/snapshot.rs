//! Snapshots on their way from the leader to a follower.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use openraft::RaftSnapshotBuilder;
use openraft::errors::{ReplicationClosed, StreamingError};
use openraft::network::NetSnapshot;
use openraft::storage::RaftStateMachine;
use spindrift_store::{Applied, Commit, Map, ReadSet, StoreId, StoreLimits, Stores, Write};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::append::{connection, option, place, vote};
use super::peer::{MAX_MESSAGE_BYTES, Peer, identity, peers};
use super::{PATIENCE, soon};
use crate::Faults;
use crate::convert::snapshot_head;
use crate::metrics::ReplicationMetrics;
use crate::network::snapshot_intake::{Received, SnapshotIntake};
use crate::protocol as wire;
use crate::protocol::snapshot_piece::Piece;
use crate::state_machine::StateMachine;
use crate::types::{Member, Membership, StoredMembership, Vote};

const STORE: StoreId = StoreId::new(0);

fn map() -> Arc<Map> {
    let stores = [("default".to_owned(), StoreLimits::default())];
    Arc::new(Map::new(Stores::new(stores.into())))
}

/// A leader's snapshot with this many entries of 1 KiB.
pub async fn snapshot(entries: u64) -> Received {
    let map = map();
    for entry in 0..entries {
        let applied = map.apply_next(Commit {
            reads: ReadSet::default(),
            writes: vec![Write::set(STORE, &format!("key-{entry}"), &[7; 1024])],
        });
        assert!(matches!(applied, Applied::Committed { .. }), "{applied:?}");
    }
    let (mut machine, _applied) =
        StateMachine::new(map, ReplicationMetrics::default(), Faults::default());
    let mut builder = machine.get_snapshot_builder().await;
    let mut snapshot = builder.build_snapshot().await.expect("a snapshot");
    let nodes = BTreeMap::from([1, 2].map(|node| (node, Member::default())));
    let membership = Membership::new(vec![BTreeSet::from([1])], nodes).expect("a membership");
    snapshot.meta.last_log_id = Some(place(9));
    snapshot.meta.last_membership = StoredMembership::new(Some(place(1)), membership);
    snapshot
}

#[tokio::test]
async fn a_snapshot_replaces_what_a_follower_holds() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    // More than one message may have, and more than may be on its way at a time.
    for entries in [3, 6000] {
        let mut sent = snapshot(entries).await;
        sent.meta.last_log_id = Some(place(entries));
        let sending = connection.full_snapshot(vote(), sent, std::future::pending(), option());
        let response = soon("its answer", sending).await.expect("installed");
        assert_eq!(response.vote, vote());
        let map = &peer.host.parts.backend.map;
        soon("the entries", async {
            while map.entries(STORE) != entries {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(map.applied(), entries);
        let last = map
            .get(STORE, &format!("key-{}", entries - 1))
            .expect("an entry");
        assert_eq!(last.value(), [7; 1024]);
    }
    assert_eq!(peers.connections(), 0, "it has a connection of its own");
    peer.end().await;
}

#[tokio::test]
async fn an_earlier_leader_is_told_of_the_later_one() {
    let (peers, peer) = (
        peers(MAX_MESSAGE_BYTES),
        Peer::start(Some(identity(2))).await,
    );
    let mut connection = connection(&peers, &peer.address, 2).await;
    let later = Vote::new_committed(7, 3);
    for (leader, entries) in [(later, 2), (vote(), 5)] {
        let sent = snapshot(entries).await;
        let sending = connection.full_snapshot(leader, sent, std::future::pending(), option());
        let response = soon("its answer", sending).await.expect("an answer");
        assert_eq!(response.vote, later);
    }
    assert_eq!(peer.host.parts.backend.map.entries(STORE), 2);
    peer.end().await;
}

#[tokio::test]
async fn a_snapshot_that_is_not_wanted_any_more_is_given_up() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let mut connection = connection(&peers(MAX_MESSAGE_BYTES), &address, 2).await;
    let cancel = async { ReplicationClosed::new("for a test") };
    let sending = connection.full_snapshot(vote(), snapshot(3).await, cancel, option());
    let ended = soon("its end", sending).await;
    assert!(matches!(ended, Err(StreamingError::Closed(_))), "{ended:?}");
}

/// The pieces of a snapshot.
async fn pieces(from: Vote, entries: u64) -> Vec<Piece> {
    let snapshot = snapshot(entries).await;
    let head = Piece::Head(snapshot_head(&from, &snapshot.meta));
    let chunks = snapshot.snapshot.into_chunks().map(Piece::Chunk);
    std::iter::once(head).chain(chunks).collect()
}

type Outcome = Result<(Vote, Received), Status>;

/// A snapshot that is taken in, and where its pieces come from.
struct Sending {
    pieces: mpsc::Sender<Result<wire::SnapshotPiece, Status>>,
    outcome: tokio::task::JoinHandle<Outcome>,
}

impl Sending {
    fn begin(intake: &Arc<SnapshotIntake>) -> Self {
        let (pieces, receiver) = mpsc::channel(1);
        let intake = intake.clone();
        let outcome =
            tokio::spawn(async move { intake.take_in(ReceiverStream::new(receiver), map()).await });
        Self { pieces, outcome }
    }

    async fn send(&self, piece: Piece) {
        let piece = wire::SnapshotPiece { piece: Some(piece) };
        soon("room for a piece", self.pieces.send(Ok(piece)))
            .await
            .ok();
    }

    async fn end(self) -> Outcome {
        drop(self.pieces);
        soon("its end", self.outcome).await.expect("no panic")
    }

    async fn send_all(self, pieces: Vec<Piece>) -> Outcome {
        for piece in pieces {
            self.send(piece).await;
        }
        self.end().await
    }
}

fn intake(piece_timeout: Duration) -> Arc<SnapshotIntake> {
    Arc::new(SnapshotIntake::new(piece_timeout))
}

fn code(outcome: Outcome) -> Code {
    outcome.map(drop).expect_err("refused").code()
}

#[tokio::test]
async fn the_snapshot_that_is_begun_last_counts() {
    let intake = intake(PATIENCE);
    let first = Sending::begin(&intake);
    for piece in pieces(vote(), 600).await.into_iter().take(2) {
        first.send(piece).await;
    }
    // The same leader begins anew, while the first attempt is still open.
    let second = Sending::begin(&intake);
    let mut rest = pieces(vote(), 600).await.into_iter();
    second.send(rest.next().expect("a head")).await;
    let outcome = soon("the end of the first", first.outcome)
        .await
        .expect("no panic");
    assert_eq!(code(outcome), Code::Aborted);
    second.send_all(rest.collect()).await.expect("complete");
}

#[tokio::test]
async fn an_earlier_leader_does_not_displace_a_later_one() {
    let intake = intake(PATIENCE);
    let later = Sending::begin(&intake);
    let mut rest = pieces(Vote::new_committed(2, 2), 600).await.into_iter();
    later.send(rest.next().expect("a head")).await;
    later.send(rest.next().expect("the state")).await;
    let outdated = Sending::begin(&intake)
        .send_all(pieces(vote(), 3).await)
        .await;
    assert_eq!(code(outdated), Code::Aborted);
    later.send_all(rest.collect()).await.expect("complete");
    // Nothing is being taken in now, so it is openraft's to judge.
    let outdated = Sending::begin(&intake)
        .send_all(pieces(vote(), 3).await)
        .await;
    outdated.expect("complete");
}

#[tokio::test]
async fn a_snapshot_that_does_not_go_on_is_given_up() {
    let intake = intake(Duration::from_millis(50));
    for sent in 0..3 {
        let silent = Sending::begin(&intake);
        for piece in pieces(vote(), 600).await.into_iter().take(sent) {
            silent.send(piece).await;
        }
        let outcome = soon("its end", silent.outcome).await.expect("no panic");
        assert_eq!(code(outcome), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn pieces_that_are_no_snapshot_are_refused() {
    let intake = intake(PATIENCE);
    let good = pieces(vote(), 600).await;
    assert!(good.len() > 3, "a head, the state, entries and the end");
    let mut without_head = good.clone();
    without_head.remove(0);
    let mut two_heads = good.clone();
    two_heads.insert(1, good[0].clone());
    let mut without_end = good.clone();
    without_end.pop();
    let mut without_entries = good.clone();
    without_entries.remove(2);
    let mut empty_head = good.clone();
    empty_head[0] = Piece::Head(wire::SnapshotHead::default());
    let mut empty_chunk = good.clone();
    empty_chunk[2] = Piece::Chunk(wire::SnapshotChunk::default());
    let mut on_after_the_end = good.clone();
    on_after_the_end.push(good[2].clone());
    let bad = [
        vec![],
        without_head,
        two_heads,
        without_end,
        without_entries,
        empty_head,
        empty_chunk,
        on_after_the_end,
    ];
    for (index, pieces) in bad.into_iter().enumerate() {
        let outcome = Sending::begin(&intake).send_all(pieces).await;
        assert_eq!(code(outcome), Code::InvalidArgument, "{index}");
    }
    // An empty piece is not the end, also where it could be.
    let pieces = good
        .clone()
        .into_iter()
        .map(|piece| wire::SnapshotPiece { piece: Some(piece) });
    let empty = stream::iter(pieces.chain([wire::SnapshotPiece::default()]).map(Ok));
    assert_eq!(
        code(intake.take_in(empty, map()).await),
        Code::InvalidArgument
    );
    let nothing = stream::iter([Ok(wire::SnapshotPiece::default())]);
    assert_eq!(
        code(intake.take_in(nothing, map()).await),
        Code::InvalidArgument
    );
    let broken = stream::iter([Err(Status::unavailable("broken"))]).chain(stream::pending());
    assert_eq!(code(intake.take_in(broken, map()).await), Code::Unavailable);
    let (from, _) = Sending::begin(&intake)
        .send_all(good)
        .await
        .expect("complete");
    assert_eq!(from, vote());
}
