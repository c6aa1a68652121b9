//! [`Cutoff`]: ends the streams of entries to followers that lack what the log shall hold no longer.
//!
//! openraft drops no entry that is on its way to a follower, and with one stream for all that is written everything is on
//! its way that the follower has not acknowledged yet. One that is slow and never stops would have the log grow for as long
//! as it is slow. Once its stream has failed, openraft drops the entries, and sends it a snapshot.

use std::future::pending;

use futures::stream::{Stream, StreamExt, unfold};
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::StreamAppendResult;
use thiserror::Error;
use tokio::sync::watch;

use crate::types::TypeConfig;

/// The index before which the log shall hold no entry any longer, whoever lacks it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cutoff(watch::Sender<u64>);

impl Cutoff {
    /// Ends the streams, of those that are open or being opened now, whose follower has not acknowledged all entries before
    /// `first_kept`.
    pub fn set(&self, first_kept: u64) {
        self.0.send_replace(first_kept);
    }

    /// For a stream that is about to be opened.
    pub(super) fn subscribe(&self) -> Subscription {
        Subscription {
            cutoff: self.0.subscribe(),
            next: 0,
        }
    }
}

/// A follower is too far behind.
#[derive(Debug, Error)]
#[error("it lacks entries that the log has no room for, and gets a snapshot")]
struct Behind;

/// What one stream has to do with the cutoff.
#[derive(Debug)]
pub(super) struct Subscription {
    cutoff: watch::Receiver<u64>,
    /// The index of the first entry that the follower has not acknowledged on this stream.
    next: u64,
}

/// What becomes of a request.
pub(super) type Outcome = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

impl Subscription {
    /// Waits until the stream has to end, and gives the reason.
    pub(super) async fn cut(&mut self) -> RPCError<TypeConfig> {
        loop {
            if self.cutoff.changed().await.is_err() {
                // The node is stopping, and ends its streams itself.
                pending::<()>().await;
            }
            if *self.cutoff.borrow_and_update() > self.next {
                return RPCError::Network(NetworkError::new(&Behind));
            }
        }
    }

    /// The results of the stream, which fail when it has to end.
    pub(super) fn results<R>(self, results: R) -> impl Stream<Item = Outcome> + use<R>
    where
        R: Stream<Item = Outcome> + Unpin,
    {
        unfold(Some((self, results)), |stream| async move {
            let (mut this, mut results) = stream?;
            let result = tokio::select! {
                biased;
                result = results.next() => result?,
                failure = this.cut() => return Some((Err(failure), None)),
            };
            if let Ok(Ok(Some(matching))) = &result {
                this.next = this.next.max(matching.index + 1);
            }
            Some((result, Some((this, results))))
        })
    }
}
