//! The backend of a single process: a map without a log.

use futures::future::{self, BoxFuture, FutureExt};
use spindrift_memory::Charge;
use tokio::time::Instant;

use crate::{
    Applied, Backend, Commit, CommitError, Consistency, Map, ReadSet, Revision, Stores, Unavailable,
};

/// Stores in the memory of this process. They are gone when it ends.
///
/// Each commit takes the next revision, even one that changes nothing, such as the delete of an absent key. A
/// replicated store does the same: there a commit has its place in the log before its effect is known. A refused commit
/// takes no revision.
#[derive(Debug)]
pub struct Local {
    map: Map,
}

impl Local {
    /// Creates empty stores.
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
        // A commit is in the map before its caller is answered, and there is no other node.
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
