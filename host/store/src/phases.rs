//! What becomes of a read or a write in each phase of a transaction: it is noted or buffered, held
//! back, passed on to the backend, or refused.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::working_set::WorkingSet;
use super::{
    Abandoned, Backend, CommitError, Consistency, Entry, ListedKeys, Listing, Page, ReadError,
    Selection, StoreId, Stores, Unavailable, Write, WriteError, commit_one,
};

/// A transaction, as all of its handles share it.
pub(super) struct Phases {
    pub(super) backend: Arc<dyn Backend>,
    consistency: Consistency,
    /// When the request's time is up. Whatever waits for the backend waits no longer.
    pub(super) deadline: Instant,
    state: Mutex<State>,
    /// Told when a commit has come to its end.
    settled: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Empty in every phase but the first two.
    working_set: WorkingSet,
    /// Why the first read had no answer that had none. Later ones have none either.
    unavailable: Option<Unavailable>,
    /// Whether anything was read before the commit.
    read: bool,
}

impl State {
    /// Passes on why the transaction takes no more, and remembers it where it is the host's doing.
    fn refuse(&mut self, error: ReadError) -> ReadError {
        if self.unavailable.is_none() {
            self.unavailable = error.unavailable();
        }
        error
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    /// The guest has answered; the commit is about to follow.
    Sealed,
    Committing,
    Direct,
    Abandoned(Abandoned),
}

/// What a read has to do next.
pub(super) enum Next<T> {
    /// Give this answer.
    Answer(T),
    /// Wait until the commit has its outcome.
    Settle,
    /// Wait until the backend is fresh enough.
    Freshen,
}

/// How a listing goes on.
pub(super) enum Begun {
    /// The page was read ahead.
    ReadAhead(ListedKeys),
    /// The map's keys are to be passed over with this selection. It takes the transaction's own
    /// writes into account, of which there are so many.
    Pass(Selection, usize),
}

impl Phases {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        consistency: Consistency,
        deadline: Instant,
    ) -> Self {
        Self {
            backend,
            consistency,
            deadline,
            state: Mutex::new(State::default()),
            settled: Notify::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.state.lock().working_set.is_read_only()
    }

    /// Looks for a key's entry without waiting. `freshened` is true if [`freshen`](Self::freshen)
    /// has just succeeded.
    pub(super) fn look(
        &self,
        store: StoreId,
        key: &str,
        freshened: bool,
    ) -> Result<Next<Option<Entry>>, ReadError> {
        let map = self.backend.map();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        match state.phase {
            Phase::Open => {
                state.read = true;
                if let Some(known) = state.working_set.known(store, key) {
                    return Ok(Next::Answer(known.cloned()));
                }
                if !self.may_read(state, freshened)? {
                    return Ok(Next::Freshen);
                }
                let set = &mut state.working_set;
                set.begin_reading(map);
                let found = map.get(store, key);
                let noted = set.note(store, key, found.clone(), self.stores());
                noted.map_err(|error| state.refuse(error))?;
                Ok(Next::Answer(found))
            }
            Phase::Direct => {
                drop(guard);
                // Nothing is noted, and each read has to be fresh by itself.
                if self.is_fresh(freshened) {
                    Ok(Next::Answer(map.get(store, key)))
                } else {
                    Ok(Next::Freshen)
                }
            }
            Phase::Sealed | Phase::Committing => Ok(Next::Settle),
            Phase::Abandoned(abandoned) => Err(abandoned.into()),
        }
    }

    /// Begins a listing: with the next page if it was read ahead, else with a selection. Of a page
    /// the selection takes as many keys more as the transaction's own writes may take out of it,
    /// and one to see whether there are others.
    pub(super) fn begin_listing(
        &self,
        store: StoreId,
        page: Option<Page<'_>>,
        freshened: bool,
    ) -> Result<Next<Begun>, ReadError> {
        let map = self.backend.map();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        match state.phase {
            Phase::Open => {
                state.read = true;
                if !self.may_read(state, freshened)? {
                    return Ok(Next::Freshen);
                }
                let set = &mut state.working_set;
                set.begin_reading(map);
                if let Some(page) = page {
                    let revision = map.key_set_revision(store);
                    let listing = Listing { store, revision };
                    if let Some(keys) = set.next_page(listing, page, self.stores())? {
                        return Ok(Next::Answer(Begun::ReadAhead(keys)));
                    }
                }
            }
            Phase::Direct if self.is_fresh(freshened) => {}
            Phase::Direct => return Ok(Next::Freshen),
            Phase::Sealed | Phase::Committing => return Ok(Next::Settle),
            Phase::Abandoned(abandoned) => return Err(abandoned.into()),
        }
        let set = &state.working_set;
        let own = set.writes_of(store);
        let selection = Selection::new(self.stores(), page, own + 1, set.bytes_beside(store));
        Ok(Next::Answer(Begun::Pass(selection, own)))
    }

    /// Notes the keys that a pass selected while no lock was held. If the transaction was closed
    /// meanwhile, or another task of the guest wrote more keys than the selection allows for, it
    /// answers `None`, and the listing begins again.
    pub(super) fn end_listing(
        &self,
        listing: Listing,
        page: Option<Page<'_>>,
        selection: Selection,
        own: usize,
    ) -> Result<Option<ListedKeys>, ReadError> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        match state.phase {
            Phase::Open if state.working_set.writes_of(listing.store) > own => Ok(None),
            Phase::Open => {
                let set = &mut state.working_set;
                let keys = set.note_listing(listing, page, selection, self.stores());
                keys.map(Some).map_err(|error| state.refuse(error))
            }
            Phase::Direct => {
                let end = selection.end();
                let (keys, _) = selection.into_keys(page, end.as_deref());
                Ok(Some(keys))
            }
            Phase::Sealed | Phase::Committing => Ok(None),
            Phase::Abandoned(abandoned) => Err(abandoned.into()),
        }
    }

    /// Whether a read of the open transaction may look at the map. If the backend could not be
    /// asked once, later reads are not kept waiting for it either.
    fn may_read(&self, state: &mut State, freshened: bool) -> Result<bool, ReadError> {
        let set = &mut state.working_set;
        set.fresh = set.fresh || self.is_fresh(freshened);
        match &state.unavailable {
            Some(unavailable) if !set.fresh => Err(unavailable.clone().into()),
            _ => Ok(set.fresh),
        }
    }

    pub(super) fn is_fresh(&self, freshened: bool) -> bool {
        freshened || self.backend.is_fresh(self.consistency)
    }

    /// Waits until the backend is fresh enough for a read that begins now.
    pub(super) async fn freshen(&self) -> Result<(), Unavailable> {
        let cut_off = CutOff(self);
        let fresh = self.backend.fresh(self.consistency, self.deadline).await;
        std::mem::forget(cut_off);
        fresh.inspect_err(|unavailable| self.note_unavailable(unavailable))
    }

    /// [`freshen`](Self::freshen) before the first read. Where it fails, the reads fail.
    pub(super) async fn freshen_ahead(&self) {
        if self.freshen().await.is_ok() {
            self.state.lock().working_set.fresh = true;
        }
    }

    /// Has the next read wait until the backend is fresh once more.
    pub(super) fn expect_news(&self) {
        self.state.lock().working_set.fresh = false;
    }

    pub(super) fn has_read(&self) -> bool {
        self.state.lock().read
    }

    /// Remembers why a read failed, where that is the store's or the host's doing.
    pub(super) fn note_failure(&self, error: &ReadError) {
        if let Some(unavailable) = error.unavailable() {
            self.note_unavailable(&unavailable);
        }
    }

    /// Remembers that a read had no answer.
    pub(super) fn note_unavailable(&self, unavailable: &Unavailable) {
        let mut state = self.state.lock();
        state.unavailable.get_or_insert_with(|| unavailable.clone());
    }

    pub(super) fn unavailable(&self) -> Option<Unavailable> {
        self.state.lock().unavailable.clone()
    }

    fn stores(&self) -> &Stores {
        self.backend.stores()
    }

    /// Refuses what the store's limits forbid.
    pub(super) fn check(
        &self,
        store: StoreId,
        key: &str,
        value_bytes: usize,
    ) -> Result<(), WriteError> {
        let limits = self
            .backend
            .stores()
            .limits(store)
            .ok_or(WriteError::NoSuchStore)?;
        if key.len() > limits.max_key_bytes {
            return Err(WriteError::KeyTooLong {
                key_bytes: key.len(),
                limit_bytes: limits.max_key_bytes,
            });
        }
        if value_bytes > limits.max_value_bytes {
            return Err(WriteError::ValueTooLarge {
                value_bytes,
                limit_bytes: limits.max_value_bytes,
            });
        }
        Ok(())
    }

    /// Buffers a write that was checked, or commits it by itself.
    pub(super) async fn write(&self, write: Write) -> Result<(), WriteError> {
        loop {
            {
                let mut state = self.state.lock();
                match state.phase {
                    Phase::Open => {
                        let buffered = state.working_set.buffer(write, self.stores());
                        return buffered.map_err(|error| state.refuse(error).into());
                    }
                    Phase::Direct => break,
                    Phase::Sealed | Phase::Committing => {}
                    Phase::Abandoned(abandoned) => return Err(abandoned.into()),
                }
            }
            self.wait_until_settled().await;
        }
        commit_one(&*self.backend, write, self.deadline).await?;
        Ok(())
    }

    /// Sets a key that was read before to what `change` makes of it, in the buffer, where `change`
    /// gives a value, and answers with that. `None` where the transaction was closed since the key
    /// was read.
    pub(super) fn change<E: From<WriteError>>(
        &self,
        store: StoreId,
        key: &str,
        change: impl FnOnce(Option<&Entry>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<Option<Vec<u8>>>, E> {
        let mut state = self.state.lock();
        let Some(known) = state.working_set.known(store, key) else {
            return Ok(None);
        };
        if state.phase != Phase::Open {
            return Ok(None);
        }
        let value = change(known)?;
        if let Some(value) = &value {
            self.check(store, key, value.len())?;
            let write = Write::set(store, key, value);
            let buffered = state.working_set.buffer(write, self.stores());
            buffered.map_err(|error| WriteError::from(state.refuse(error)))?;
        }
        Ok(Some(value))
    }

    /// Closes the transaction to further reads and writes.
    pub(super) fn seal(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Sealed;
        }
    }

    /// Takes what there is to commit, and with it the duty to say how that ended.
    pub(super) fn begin_commit(self: &Arc<Self>) -> Result<(WorkingSet, Settling), CommitError> {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Open | Phase::Sealed) {
            let reason = "the request's transaction is over already";
            return Err(CommitError::NotApplied(Unavailable::new(reason)));
        }
        state.phase = Phase::Committing;
        let settling = Settling {
            transaction: self.clone(),
            // Nothing was asked of the backend so far.
            outcome: Phase::Abandoned(Abandoned::NotCommitted),
        };
        Ok((std::mem::take(&mut state.working_set), settling))
    }

    /// Ends the transaction, unless a commit of it is under way.
    pub(super) fn abandon(&self) {
        let mut state = self.state.lock();
        if state.phase != Phase::Committing {
            state.phase = Phase::Abandoned(Abandoned::Over);
            let dropped = std::mem::take(&mut state.working_set);
            drop(state);
            drop(dropped);
            self.settled.notify_waiters();
        }
    }

    /// Waits until no commit is to come or under way.
    pub(super) async fn wait_until_settled(&self) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // From here on a notification is not missed.
            settled.as_mut().enable();
            if !matches!(self.phase(), Phase::Sealed | Phase::Committing) {
                return;
            }
            settled.await;
        }
    }
}

/// Notes, where it is dropped after the deadline, that it was the store that a read waited for: the
/// run of a component ends at that deadline too, and may end the read a moment before the backend.
struct CutOff<'a>(&'a Phases);

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        if Instant::now() >= self.0.deadline {
            let reason = "the request's time is up, and the store has not answered yet";
            self.0.note_unavailable(&Unavailable::timed_out(reason));
        }
    }
}

/// Tells those who wait for a commit how it ended. Where its future is dropped before its end, that is what is known of it by
/// then.
pub(super) struct Settling {
    transaction: Arc<Phases>,
    outcome: Phase,
}

impl Settling {
    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.transaction.backend
    }

    pub(super) fn deadline(&self) -> Instant {
        self.transaction.deadline
    }

    /// From here on the backend may apply writes.
    pub(super) fn may_apply(&mut self) {
        self.outcome = Phase::Abandoned(Abandoned::Unknown);
    }

    /// The commit has ended.
    pub(super) fn ended<T>(mut self, result: &Result<T, CommitError>) {
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
        self.transaction.state.lock().phase = self.outcome;
        self.transaction.settled.notify_waiters();
    }
}
