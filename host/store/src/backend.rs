//! The one interface that transactions commit through, and that every kind of store implements.

use futures::future::BoxFuture;
use spindrift_memory::Charge;
use tokio::time::Instant;

use crate::{Commit, CommitError, Map, ReadSet, Revision, Stores, Unavailable, Write};

/// How new the data must be that a read sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// At least as new as every commit that anybody had been told of when the read began.
    #[default]
    Linearizable,
    /// Whatever this node holds.
    Stale,
}

/// Commits transactions, in this process or in a cluster, and keeps a [`Map`] of all entries in this process.
///
/// Transactions read from the map directly, without a future for each key. They wait for [`fresh`](Self::fresh) first.
///
/// A method that may wait takes the deadline of its request. It answers by then or very little later. If the deadline
/// ended the wait, the error is [`Unavailable::timed_out`].
pub trait Backend: Send + Sync + 'static {
    /// The stores that this backend has.
    fn stores(&self) -> &Stores {
        self.map().stores()
    }

    /// The map that transactions read from.
    fn map(&self) -> &Map;

    /// Whether [`fresh`](Self::fresh) would be ready at once. A backend that cannot tell without waiting says no.
    fn is_fresh(&self, consistency: Consistency) -> bool {
        let _ = consistency;
        false
    }

    /// Waits until this node's data is fresh enough for a read of that consistency which begins now.
    fn fresh(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Whether there was one moment, between the first of these reads and now, at which all of them held.
    fn verify<'a>(
        &'a self,
        reads: &'a ReadSet,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Unavailable>>;

    /// Applies the transaction if everything that it read still holds, and answers with its revision. Once this is
    /// answered, a linearizable read on any node sees the commit.
    ///
    /// A commit whose deadline comes, or whose future is dropped, is withdrawn where that can still be done: then it is
    /// [`CommitError::NotApplied`]. Where it may have been applied already, or may yet be, it is
    /// [`CommitError::Unknown`].
    ///
    /// `held` is what the commit holds in memory. It is given back once the commit takes none any more, which may be
    /// later than the future is dropped.
    fn commit(
        &self,
        commit: Commit,
        held: Charge,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Revision, CommitError>>;
}

/// Commits one write by itself.
///
/// # Errors
///
/// The store is full, the memory budget is spent, or the backend cannot commit now. A single write never meets
/// [`CommitError::Conflict`].
pub async fn commit_one(
    backend: &dyn Backend,
    write: Write,
    deadline: Instant,
) -> Result<Revision, CommitError> {
    let commit = Commit {
        reads: ReadSet::default(),
        writes: vec![write],
    };
    let held = commit.charge(None, backend.stores())?;
    backend.commit(commit, held, deadline).await
}
