//! The trait of the backends: a backend commits transactions and keeps the map that they read from.

use futures::future::BoxFuture;
use spindrift_memory::Charge;
use tokio::time::Instant;

use crate::{Commit, CommitError, Map, ReadSet, Revision, Stores, Unavailable, Write};

/// How fresh the data of a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// The read sees every commit that was answered before the read began.
    #[default]
    Linearizable,
    /// The read sees the data of this node, which may be behind.
    Stale,
}

/// Commits transactions, in this process or in a cluster, and keeps a [`Map`] of all entries in this process.
///
/// Transactions read from the map directly, without a future for each key. They wait for [`fresh`](Self::fresh) first.
///
/// A method that may wait takes the deadline of its request. It answers by then or very little later. If the deadline
/// ended the wait, the error is [`Unavailable::timed_out`].
pub trait Backend: Send + Sync + 'static {
    /// The stores of this backend.
    fn stores(&self) -> &Stores {
        self.map().stores()
    }

    /// The map that transactions read from.
    fn map(&self) -> &Map;

    /// Whether [`fresh`](Self::fresh) would be ready at once. A backend that cannot tell without waiting returns false.
    fn is_fresh(&self, consistency: Consistency) -> bool {
        let _ = consistency;
        false
    }

    /// Waits until the map is fresh enough for a read of this consistency that begins now.
    fn fresh(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Whether all of these reads held at one moment since the first of them.
    fn verify<'a>(
        &'a self,
        reads: &'a ReadSet,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Unavailable>>;

    /// Applies the writes if all reads still hold, and returns the revision of the commit. After that, a linearizable
    /// read on any node sees the commit.
    ///
    /// If the deadline passes or the future is dropped, the backend withdraws the commit if that is still possible; the
    /// error is then [`CommitError::NotApplied`]. If the commit may have been applied, or may be applied later, the
    /// error is [`CommitError::Unknown`].
    ///
    /// `held` is the charge for the commit's memory. The backend drops it when the commit needs no memory any longer.
    /// That may be after the future is dropped.
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
