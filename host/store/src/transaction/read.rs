//! Reading: keys, listings, and the wait for fresh data.

use tokio::time::Instant;

use super::{Phase, State, Transaction};
use crate::selection::Selection;
use crate::{Entry, ListedKeys, Listing, Page, ReadError, StoreId, Unavailable};

/// The next step of a read.
enum Next<T> {
    /// Return this answer.
    Answer(T),
    /// Wait until the commit has ended.
    Settle,
    /// Wait until the map is fresh enough.
    Freshen,
}

/// The next step of a listing.
enum Listed {
    /// Return the page: it was read ahead.
    ReadAhead(ListedKeys),
    /// Pass over the map's keys. The selection allows for this many own writes.
    Pass(Selection, usize),
}

impl Transaction {
    /// The entry of a key. An entry that this transaction wrote has revision 0.
    ///
    /// The future is ready at its first poll if the map is fresh.
    ///
    /// # Errors
    ///
    /// The backend is unavailable. Or the transaction would exceed its size limit or the memory budget. Or it was not
    /// committed.
    pub async fn get(&self, store: StoreId, key: &str) -> Result<Option<Entry>, ReadError> {
        let mut freshened = false;
        loop {
            match self.look(store, key, freshened)? {
                Next::Answer(found) => return Ok(found),
                Next::Settle => {
                    self.wait_until_settled().await;
                    freshened = false;
                }
                Next::Freshen => {
                    self.wait_until_fresh().await?;
                    freshened = true;
                }
            }
        }
    }

    /// Whether a key exists. The transaction notes this as a read of the key.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    pub async fn exists(&self, store: StoreId, key: &str) -> Result<bool, ReadError> {
        Ok(self.get(store, key).await?.is_some())
    }

    /// All keys of a store in no particular order, or a page of them. Keys that this transaction has set are in the
    /// list; keys that it has deleted are not.
    ///
    /// The transaction then conflicts with every other one that creates or deletes a key in this store. The keys count
    /// towards its size limit, once for each store.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    pub async fn keys(
        &self,
        store: StoreId,
        page: Option<Page<'_>>,
    ) -> Result<ListedKeys, ReadError> {
        let mut freshened = false;
        loop {
            match self.begin_listing(store, page, freshened)? {
                Next::Answer(Listed::ReadAhead(keys)) => return Ok(keys),
                Next::Answer(Listed::Pass(mut selection, own)) => {
                    let listed = self.shared.backend.map().list(store, &mut selection).await;
                    let noted = |error| self.shared.state.lock().note_failure(error);
                    let revision = listed.map_err(noted)?;
                    let listing = Listing { store, revision };
                    if let Some(keys) = self.end_listing(listing, page, selection, own)? {
                        return Ok(keys);
                    }
                }
                Next::Settle => {
                    self.wait_until_settled().await;
                    freshened = false;
                }
                Next::Freshen => {
                    self.wait_until_fresh().await?;
                    freshened = true;
                }
            }
        }
    }

    /// Waits until the map is fresh enough for reads, so that no read has to wait. A caller that knows that reads will
    /// follow waits here, before it takes resources that others need. If the backend is unavailable, the reads fail.
    pub async fn freshen(&self) {
        if self.wait_until_fresh().await.is_ok() {
            self.shared.state.lock().working_set.fresh = true;
        }
    }

    /// Makes the next read of another key wait until the map is fresh again. The component may have learnt of a commit
    /// that this node has not applied yet, and must not read older data after that.
    pub fn expect_news(&self) {
        self.shared.state.lock().working_set.fresh = false;
    }

    /// Whether a read would have to wait for fresh data. [`freshen`](Self::freshen) waits ahead of it.
    #[must_use]
    pub fn reads_wait(&self) -> bool {
        !self.is_fresh(false)
    }

    /// Looks for a key without waiting. `freshened` is true if [`wait_until_fresh`](Self::wait_until_fresh) has just
    /// succeeded.
    fn look(
        &self,
        store: StoreId,
        key: &str,
        freshened: bool,
    ) -> Result<Next<Option<Entry>>, ReadError> {
        let map = self.shared.backend.map();
        let mut guard = self.shared.state.lock();
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
                let noted = set.note(store, key, found.clone(), self.shared.stores());
                noted.map_err(|error| state.note_failure(error))?;
                Ok(Next::Answer(found))
            }
            Phase::Direct => {
                drop(guard);
                // Each of these reads needs fresh data of its own.
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

    /// Begins a listing: with the next page if it was read ahead, else with a selection. The transaction's own deletes
    /// may remove keys from a page, so the selection takes one key more for each own write, and one to see whether
    /// others follow.
    fn begin_listing(
        &self,
        store: StoreId,
        page: Option<Page<'_>>,
        freshened: bool,
    ) -> Result<Next<Listed>, ReadError> {
        let (map, stores) = (self.shared.backend.map(), self.shared.stores());
        let mut guard = self.shared.state.lock();
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
                    if let Some(keys) = set.next_page(listing, page, stores)? {
                        return Ok(Next::Answer(Listed::ReadAhead(keys)));
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
        let selection = Selection::new(stores, page, own + 1, set.bytes_beside(store));
        Ok(Next::Answer(Listed::Pass(selection, own)))
    }

    /// Notes the keys that a pass selected. The lock was free during the pass. If the transaction was closed meanwhile,
    /// or another task of the guest wrote more keys than the selection allows for, this returns `None` and the listing
    /// begins again.
    fn end_listing(
        &self,
        listing: Listing,
        page: Option<Page<'_>>,
        selection: Selection,
        own: usize,
    ) -> Result<Option<ListedKeys>, ReadError> {
        let mut guard = self.shared.state.lock();
        let state = &mut *guard;
        match state.phase {
            Phase::Open if state.working_set.writes_of(listing.store) > own => Ok(None),
            Phase::Open => {
                let set = &mut state.working_set;
                let keys = set.note_listing(listing, page, selection, self.shared.stores());
                keys.map(Some).map_err(|error| state.note_failure(error))
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

    /// Whether a read of the open transaction may look into the map now. After one failure no later read waits: it
    /// fails for the same reason.
    fn may_read(&self, state: &mut State, freshened: bool) -> Result<bool, ReadError> {
        let set = &mut state.working_set;
        set.fresh = set.fresh || self.is_fresh(freshened);
        match &state.unavailable {
            Some(unavailable) if !set.fresh => Err(unavailable.clone().into()),
            _ => Ok(set.fresh),
        }
    }

    fn is_fresh(&self, freshened: bool) -> bool {
        freshened || self.shared.backend.is_fresh(self.shared.consistency)
    }

    /// Waits until the map is fresh enough for a read that begins now.
    async fn wait_until_fresh(&self) -> Result<(), Unavailable> {
        let (consistency, deadline) = (self.shared.consistency, self.shared.deadline);
        let cut_off = CutOff(self);
        let fresh = self.shared.backend.fresh(consistency, deadline).await;
        std::mem::forget(cut_off);
        fresh.inspect_err(|unavailable| self.note_unavailable(unavailable))
    }

    fn note_unavailable(&self, unavailable: &Unavailable) {
        let mut state = self.shared.state.lock();
        state.unavailable.get_or_insert_with(|| unavailable.clone());
    }
}

/// A wait for fresh data. If it is dropped after the deadline, it notes that the store did not answer: the run of a
/// component ends at the same deadline, and may drop the read a moment before the backend returns its error.
struct CutOff<'a>(&'a Transaction);

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        if Instant::now() >= self.0.shared.deadline {
            let reason = "the request's time is up, and the store has not answered yet";
            self.0.note_unavailable(&Unavailable::timed_out(reason));
        }
    }
}
