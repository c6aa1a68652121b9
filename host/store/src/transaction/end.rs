//! The end of a transaction: its commit, an end without one, and the calls that wait for it.

use super::working_set::WorkingSet;
use super::{Phase, Transaction};
use crate::{Abandoned, CommitError, Outcome, Unavailable};

impl Transaction {
    /// Closes the transaction: further reads and writes wait for its commit. Call this when the guest has returned its
    /// response head and the commit does not follow at once. Then call [`commit`](Self::commit) or
    /// [`abandon`](Self::abandon), or those reads and writes wait until the handles are dropped.
    pub fn seal(&self) {
        let mut state = self.shared.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Sealed;
        }
    }

    /// Applies the writes if all reads still hold. Without writes, checks that all reads were of one moment.
    ///
    /// The call itself seals the transaction, before the future is first polled. Dropping the future early abandons the
    /// transaction and withdraws the commit if that is still possible. Nobody learns the outcome of that commit.
    ///
    /// # Errors
    ///
    /// After [`CommitError::Conflict`] the request can run again in a new transaction. A second commit of one
    /// transaction is [`CommitError::NotApplied`].
    pub fn commit(&self) -> impl Future<Output = Result<Outcome, CommitError>> + Send + use<> {
        let begun = self.begin_commit();
        async move {
            let (working_set, mut settling) = begun?;
            if !working_set.is_read_only() {
                settling.may_apply();
            }
            let ended = settling.commit(working_set).await;
            settling.ended(&ended);
            ended
        }
    }

    /// Ends the transaction and writes nothing. Returns whether its reads were of one moment. A guest that failed may
    /// have failed because they were not.
    ///
    /// # Errors
    ///
    /// The backend is unavailable, or the commit has begun already.
    pub async fn end_unwritten(&self) -> Result<bool, CommitError> {
        let (mut working_set, settling) = self.begin_commit()?;
        working_set.drop_writes();
        match settling.commit(working_set).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the transaction without a commit and drops its buffer. After its commit, ends the guest's access to the
    /// store. A commit under way goes on, and its outcome counts.
    pub fn abandon(&self) {
        let mut state = self.shared.state.lock();
        if state.phase != Phase::Committing {
            state.phase = Phase::Abandoned(Abandoned::Over);
            let dropped = std::mem::take(&mut state.working_set);
            drop(state);
            drop(dropped);
            self.shared.settled.notify_waiters();
        }
    }

    /// Takes the reads and writes to commit. The caller has to end the transaction through [`Settling`].
    fn begin_commit(&self) -> Result<(WorkingSet, Settling), CommitError> {
        let mut state = self.shared.state.lock();
        if !matches!(state.phase, Phase::Open | Phase::Sealed) {
            let reason = "the request's transaction is over already";
            return Err(CommitError::NotApplied(Unavailable::new(reason)));
        }
        state.phase = Phase::Committing;
        let settling = Settling {
            transaction: self.clone(),
            // The backend has not been asked yet.
            outcome: Phase::Abandoned(Abandoned::NotCommitted),
        };
        Ok((std::mem::take(&mut state.working_set), settling))
    }

    /// Waits while a commit is announced or under way.
    pub(crate) async fn wait_until_settled(&self) {
        loop {
            let mut settled = std::pin::pin!(self.shared.settled.notified());
            // A notification after this line wakes this wait.
            settled.as_mut().enable();
            if !matches!(self.shared.phase(), Phase::Sealed | Phase::Committing) {
                return;
            }
            settled.await;
        }
    }
}

/// A commit under way. When it is dropped, it sets the phase that follows and wakes the calls that wait for it. If it
/// is dropped before the end of the commit, that phase says what is certain by then.
struct Settling {
    transaction: Transaction,
    outcome: Phase,
}

impl Settling {
    async fn commit(&self, working_set: WorkingSet) -> Result<Outcome, CommitError> {
        let shared = &self.transaction.shared;
        working_set.commit(&*shared.backend, shared.deadline).await
    }

    /// From here on the backend may apply the writes.
    fn may_apply(&mut self) {
        self.outcome = Phase::Abandoned(Abandoned::Unknown);
    }

    /// The commit has ended with this result.
    fn ended<T>(mut self, result: &Result<T, CommitError>) {
        self.outcome = match result {
            Ok(_) => Phase::Direct,
            Err(CommitError::Unknown(_)) => Phase::Abandoned(Abandoned::Unknown),
            Err(
                CommitError::Conflict
                | CommitError::Full { .. }
                | CommitError::NotApplied(_)
                | CommitError::NoMemory(_),
            ) => Phase::Abandoned(Abandoned::NotCommitted),
        };
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.transaction.shared.state.lock().phase = self.outcome;
        self.transaction.shared.settled.notify_waiters();
    }
}
