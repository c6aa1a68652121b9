//! The one interface that transactions commit through, and that every kind of store implements.

use futures::future::BoxFuture;
use spindrift_memory::Charge;
use tokio::time::Instant;

use super::{
    Commit, CommitError, Entry, Map, ReadError, ReadSet, Revision, Selection, StoreId, Stores,
    Unavailable,
};

/// How new the data must be that a read sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// At least as new as every commit that anybody had been told of when the read began.
    #[default]
    Linearizable,
    /// Whatever this node holds.
    Stale,
}

/// Where entries live and transactions commit: in this process, in a cluster, or elsewhere.
///
/// A backend that keeps a [`Map`] in this process hands it out in [`map`](Self::map); transactions
/// then read from it without a future for each key, once [`fresh`](Self::fresh) has let them.
///
/// What has to wait is given the deadline of its request, answers by then or very little later, and
/// says with [`Unavailable::timed_out`] that it was this deadline that ended the wait.
pub trait Backend: Send + Sync + 'static {
    /// The stores that this backend has.
    fn stores(&self) -> &Stores;

    /// This node's map, where the backend has one.
    fn map(&self) -> Option<&Map> {
        None
    }

    /// Whether [`fresh`](Self::fresh) would be ready at once. A backend that cannot tell without
    /// waiting says no.
    fn is_fresh(&self, consistency: Consistency) -> bool {
        let _ = consistency;
        false
    }

    /// Waits until this node's data is fresh enough for a read of that consistency which begins
    /// now.
    fn fresh(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// The entry of a key.
    fn get<'a>(
        &'a self,
        store: StoreId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Entry>, Unavailable>>;

    /// Has the keys of a store selected from, all of one moment, and answers with the revision that
    /// last created or deleted one of them; 0 where none ever did.
    fn list<'a>(
        &'a self,
        store: StoreId,
        selection: &'a mut Selection,
    ) -> BoxFuture<'a, Result<Revision, ReadError>>;

    /// Whether there was one moment, between the first of these reads and now, at which all of them
    /// held.
    fn verify<'a>(
        &'a self,
        reads: &'a ReadSet,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Unavailable>>;

    /// Applies the transaction if everything that it read still holds, and answers with its
    /// revision. Once this is answered, a linearizable read on any node sees the commit.
    ///
    /// A commit whose deadline comes, or whose future is dropped, is withdrawn where that can still
    /// be done: then it is [`CommitError::NotApplied`]. Where it may have been applied already, or
    /// may yet be, it is [`CommitError::Unknown`].
    ///
    /// `held` is what the commit holds in memory. It is given back once the commit takes none any
    /// more, which may be later than the future is dropped.
    fn commit(
        &self,
        commit: Commit,
        held: Charge,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Revision, CommitError>>;
}
