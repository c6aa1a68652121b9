//! What comes in of a snapshot that the leader sends, until it is complete.
//!
//! A node takes in one snapshot at a time, since what has come of it takes memory like the state itself. A leader that
//! begins anew has given up its last attempt, and a new leader is to be served instead of the old one: so the snapshot that
//! is begun last counts, unless a leader of an earlier term begins it.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::storage::Snapshot;
use parking_lot::Mutex;
use spindrift_store::Map;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use crate::convert::snapshot_meta;
use crate::protocol as wire;
use crate::protocol::snapshot_piece::Piece;
use crate::snapshot::{SnapshotError, SnapshotReceiver, StateSnapshot};
use crate::types::{LeaderTerm, Member, NodeId, Vote};

/// A snapshot that is complete.
pub type Received = Snapshot<LeaderTerm, NodeId, Member, StateSnapshot>;

/// Where one node takes in snapshots.
#[derive(Debug)]
pub struct SnapshotIntake {
    /// How long the next piece may take.
    piece_timeout: Duration,
    /// Who sends the last one that was begun. Its token is cancelled once it is not taken in any more.
    current: Mutex<Option<(Vote, CancellationToken)>>,
}

impl SnapshotIntake {
    /// One that gives a snapshot up whose next piece takes longer than `piece_timeout`.
    #[must_use]
    pub fn new(piece_timeout: Duration) -> Self {
        Self {
            piece_timeout,
            current: Mutex::default(),
        }
    }

    /// Takes in a snapshot that is to replace what `map` holds, which stays as it is until the snapshot is installed.
    ///
    /// # Errors
    ///
    /// The pieces are no snapshot, or do not come in time, or another snapshot has taken this one's place.
    pub async fn take_in(
        &self,
        pieces: impl Stream<Item = Result<wire::SnapshotPiece, Status>> + Unpin,
        map: Arc<Map>,
    ) -> Result<(Vote, Received), Status> {
        let mut pieces = Pieces {
            pieces,
            timeout: self.piece_timeout,
        };
        let Some(Piece::Head(head)) = pieces.next().await? else {
            return Err(Status::invalid_argument(
                "a snapshot begins without its head",
            ));
        };
        let (vote, meta) =
            snapshot_meta(head).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let place = self.begin(vote)?;
        let rest = pieces.put_together(map);
        let snapshot = tokio::select! {
            snapshot = rest => snapshot?,
            () = place.superseded.cancelled() => {
                return Err(Status::aborted("another snapshot has taken the place of this one"));
            }
        };
        Ok((vote, Snapshot { meta, snapshot }))
    }

    /// Ends the snapshot that is being taken in, where there is one, for one from a leader with this vote.
    fn begin(&self, vote: Vote) -> Result<Place, Status> {
        let mut current = self.current.lock();
        if let Some((other, taken)) = &*current {
            if vote < *other && !taken.is_cancelled() {
                return Err(Status::aborted(format!(
                    "a snapshot of a later leader ({other}) is being taken in, and this one is of {vote}"
                )));
            }
            taken.cancel();
        }
        let superseded = CancellationToken::new();
        *current = Some((vote, superseded.clone()));
        Ok(Place {
            _end: superseded.clone().drop_guard(),
            superseded,
        })
    }
}

/// The place of the one snapshot that is taken in. Empty again once this is dropped.
struct Place {
    superseded: CancellationToken,
    _end: DropGuard,
}

struct Pieces<S> {
    pieces: S,
    timeout: Duration,
}

impl<S: Stream<Item = Result<wire::SnapshotPiece, Status>> + Unpin> Pieces<S> {
    /// The next piece; nothing at the end.
    async fn next(&mut self) -> Result<Option<Piece>, Status> {
        let next = timeout(self.timeout, self.pieces.next()).await;
        let piece = next.map_err(|_| {
            let timeout = self.timeout;
            Status::deadline_exceeded(format!("a snapshot does not go on within {timeout:?}"))
        })?;
        match piece.transpose()? {
            None => Ok(None),
            Some(wire::SnapshotPiece { piece: None }) => {
                Err(Status::invalid_argument("a piece of a snapshot is empty"))
            }
            Some(wire::SnapshotPiece { piece }) => Ok(piece),
        }
    }

    /// What all pieces after the head make.
    async fn put_together(mut self, map: Arc<Map>) -> Result<StateSnapshot, Status> {
        let damaged = |error: SnapshotError| Status::invalid_argument(error.to_string());
        let mut receiver = SnapshotReceiver::new(map);
        while let Some(piece) = self.next().await? {
            let Piece::Chunk(chunk) = piece else {
                return Err(Status::invalid_argument("a snapshot has two heads"));
            };
            receiver.push(chunk).map_err(damaged)?;
            // Many pieces may be here already, and others of this thread want their turn.
            yield_now().await;
        }
        receiver.finish().map_err(damaged)
    }
}
