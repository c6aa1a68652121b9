//! The backend of one process: a map, one writer at a time, no log.

use futures::future::{self, BoxFuture, FutureExt};
use spindrift_memory::Charge;
use tokio::time::Instant;

use crate::{
    Applied, Backend, Commit, CommitError, Consistency, Map, ReadSet, Revision, Stores, Unavailable,
};

/// A store in this process's memory. It is gone when the process ends.
///
/// Each commit takes the next revision, also one that turns out to change nothing (a delete of an absent key): so does
/// a replicated store, where a commit has its place in the log before anybody knows what it changes. A commit that is
/// refused takes none.
#[derive(Debug)]
pub struct Local {
    map: Map,
}

impl Local {
    /// Empty stores.
    #[must_use]
    pub fn new(stores: Stores) -> Self {
        Self {
            map: Map::new(stores),
        }
    }

    fn commit_now(&self, commit: Commit) -> Result<Revision, CommitError> {
        match self.map.apply_next(commit) {
            Applied::Committed { revision } => Ok(revision),
            refused => Err(refused.into_error(self.map.stores())),
        }
    }
}

impl Backend for Local {
    fn map(&self) -> &Map {
        &self.map
    }

    fn is_fresh(&self, _: Consistency) -> bool {
        // A commit is answered after it is in the map, and there is no other node.
        true
    }

    fn fresh(&self, _: Consistency, _: Instant) -> BoxFuture<'_, Result<(), Unavailable>> {
        future::ready(Ok(())).boxed()
    }

    fn verify<'a>(
        &'a self,
        reads: &'a ReadSet,
        _: Instant,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        future::ready(Ok(self.map.verify(reads))).boxed()
    }

    fn commit(
        &self,
        commit: Commit,
        held: Charge,
        _: Instant,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        async move {
            let committed = self.commit_now(commit);
            drop(held);
            committed
        }
        .boxed()
    }
}
