//! One request's reads and writes, their commit, and what the guest does to the store after it.
//!
//! # The three times of a transaction
//!
//! 1. *Open*: reads are answered by the backend and noted with their revisions; writes go to a
//!    buffer that later reads see. A key that is read again gives what it gave first.
//! 2. *Committing*, from [`Transaction::seal`] or [`Transaction::commit`] on: a guest that goes on
//!    reading and writing, because it streams its response's body, waits for the outcome.
//! 3. *Direct*, once it is committed: every write commits by itself, and its error reaches the
//!    guest; every read asks the backend. Where it was not committed, reads and writes are errors.
//!
//! What was buffered is sent as one commit, so the transaction takes effect whole or not at all:
//! see the map for why these are serializable.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::phases::{Begun, Next, Phase, Phases};
use super::{
    Abandoned, Backend, Commit, CommitError, Consistency, Entry, ListedKeys, Listing, Page,
    ReadError, ReadSet, Revision, StoreId, Unavailable, Write, WriteError,
};

/// How often [`Transaction::update`] tries again after its commit, where each write stands for
/// itself.
const UPDATE_ATTEMPTS: usize = 16;

/// Longer than anything waits.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One request's view of the stores. Cloning it gives another handle of the same transaction.
///
/// No lock is held across an await, so handles may be used by several tasks, and a handle that
/// lives longer than its request keeps neither of them waiting.
#[derive(Clone)]
pub struct Transaction {
    phases: Arc<Phases>,
}

/// What an earlier [`Transaction::get`] gave, for [`Transaction::compare_and_set`].
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// This transaction's `get`. Its own writes have no revision yet, so those are compared by
    /// value.
    Here(Option<&'a Entry>),
    /// Another transaction's `get`, which may have been thrown away with what it wrote. Revisions
    /// alone are compared, and a write that had none yet counts as changed.
    Elsewhere(Option<&'a Entry>),
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to write, and all that was read was one moment's.
    ReadOnly,
    /// All writes are applied, with this revision.
    Committed(Revision),
}

impl Transaction {
    /// A transaction that has read and written nothing, and has all the time that the backend
    /// takes.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, consistency: Consistency) -> Self {
        Self::until(backend, consistency, Instant::now() + NO_LIMIT)
    }

    /// A transaction that has read and written nothing, of a request that has time until
    /// `deadline`: its reads, its commit, and what the guest writes after that.
    #[must_use]
    pub fn until(backend: Arc<dyn Backend>, consistency: Consistency, deadline: Instant) -> Self {
        Self {
            phases: Arc::new(Phases::new(backend, consistency, deadline)),
        }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.phases.backend
    }

    /// The entry of a key, own writes included; those have revision 0.
    ///
    /// With a backend in this process that is fresh, the future is ready at its first poll.
    ///
    /// # Errors
    ///
    /// The backend is unavailable, the transaction holds as much as it may or as there is memory
    /// for, or it was not committed.
    pub async fn get(&self, store: StoreId, key: &str) -> Result<Option<Entry>, ReadError> {
        let phases = &*self.phases;
        let mut freshened = false;
        loop {
            match phases.look(store, key, freshened)? {
                Next::Answer(found) => return Ok(found),
                Next::Settle => {
                    phases.wait_until_settled().await;
                    freshened = false;
                }
                Next::Freshen => {
                    phases.freshen().await?;
                    freshened = true;
                }
            }
        }
    }

    /// The answer of [`get`](Self::get) where it can be given without waiting, else `None`.
    #[must_use]
    pub fn try_get(&self, store: StoreId, key: &str) -> Option<Result<Option<Entry>, ReadError>> {
        match self.phases.look(store, key, false) {
            Ok(Next::Answer(found)) => Some(Ok(found)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Waits until the backend is fresh enough for reads, so that none of them has to. A caller that
    /// knows that there will be reads waits here, where nothing is held meanwhile. Where the backend
    /// is unavailable, the reads will fail.
    pub async fn freshen(&self) {
        self.phases.freshen_ahead().await;
    }

    /// Has the next read of another key wait until the backend is fresh once more: the component may have heard of a commit that
    /// this node has not taken in yet, and would read what was before it.
    pub fn expect_news(&self) {
        self.phases.expect_news();
    }

    /// Whether reads have to wait, or to be waited for with [`freshen`](Self::freshen).
    #[must_use]
    pub fn reads_wait(&self) -> bool {
        !self.phases.is_fresh(false)
    }

    /// Whether anything was read so far.
    #[must_use]
    pub fn has_read(&self) -> bool {
        self.phases.has_read()
    }

    /// Why a read had no answer, if one had none: then it is the store that failed, whatever the
    /// component makes of it.
    #[must_use]
    pub fn unavailable(&self) -> Option<Unavailable> {
        self.phases.unavailable()
    }

    /// Whether a key exists. For the transaction this is a read of it like any other.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub async fn exists(&self, store: StoreId, key: &str) -> Result<bool, ReadError> {
        Ok(self.get(store, key).await?.is_some())
    }

    /// All keys of a store, in no particular order, or a page of them, with those of own writes and
    /// without those of own deletes.
    ///
    /// The transaction then conflicts with every other that creates or deletes a key in this store.
    /// The keys count towards what it may hold, once for each store.
    ///
    /// # Errors
    ///
    /// The backend is unavailable, the transaction holds as much as it may or as there is memory
    /// for, or it was not committed.
    pub async fn keys(
        &self,
        store: StoreId,
        page: Option<Page<'_>>,
    ) -> Result<ListedKeys, ReadError> {
        let phases = &*self.phases;
        let mut freshened = false;
        loop {
            match phases.begin_listing(store, page, freshened)? {
                Next::Settle => {
                    phases.wait_until_settled().await;
                    freshened = false;
                }
                Next::Freshen => {
                    phases.freshen().await?;
                    freshened = true;
                }
                Next::Answer(Begun::ReadAhead(keys)) => return Ok(keys),
                Next::Answer(Begun::Pass(mut selection, own)) => {
                    let listed = phases.backend.map().list(store, &mut selection).await;
                    let revision = listed.inspect_err(|error| phases.note_failure(error))?;
                    let listing = Listing { store, revision };
                    if let Some(keys) = phases.end_listing(listing, page, selection, own)? {
                        return Ok(keys);
                    }
                }
            }
        }
    }

    /// Sets a key: in the buffer while the transaction is open, and in a commit of its own after
    /// it.
    ///
    /// # Errors
    ///
    /// The key, the value or the transaction is too large; the transaction was not committed; or,
    /// after its commit, this write's own commit failed.
    pub async fn set(&self, store: StoreId, key: &str, value: &[u8]) -> Result<(), WriteError> {
        self.phases.check(store, key, value.len())?;
        self.phases.write(Write::set(store, key, value)).await
    }

    /// Deletes a key, as [`set`](Self::set) sets one. A key that does not exist is no error.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Self::set).
    pub async fn delete(&self, store: StoreId, key: &str) -> Result<(), WriteError> {
        self.phases.check(store, key, 0)?;
        self.phases.write(Write::delete(store, key)).await
    }

    /// Reads a key and sets it to what `change` makes of it, as one step, and answers with the new
    /// value. After the transaction's commit this commits by itself, and `change` runs again where
    /// another request was quicker. `change` must not use this transaction.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get) and [`set`](Self::set), and [`CommitError::Conflict`] after many
    /// attempts. An error of `change` is passed on, and nothing is written.
    pub async fn update<E, F>(&self, store: StoreId, key: &str, mut change: F) -> Result<Vec<u8>, E>
    where
        E: From<WriteError>,
        F: FnMut(Option<&[u8]>) -> Result<Vec<u8>, E>,
    {
        for _ in 0..UPDATE_ATTEMPTS {
            let step = self.step().await.map_err(WriteError::from)?;
            step.get(store, key).await.map_err(WriteError::from)?;
            // Nothing comes between this reading and this writing, not even another task of the
            // same guest.
            let changed = step.phases.change(store, key, |found| {
                change(found.map(Entry::value)).map(Some)
            })?;
            let Some(Some(value)) = changed else { continue };
            match step.finish_step(self).await {
                Ok(()) => return Ok(value),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(WriteError::from(error).into()),
            }
        }
        Err(WriteError::from(CommitError::Conflict).into())
    }

    /// Sets a key if it still is as `seen`. Answers whether it was.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get) and [`set`](Self::set).
    pub async fn compare_and_set(
        &self,
        store: StoreId,
        key: &str,
        seen: Seen<'_>,
        value: &[u8],
    ) -> Result<bool, WriteError> {
        loop {
            let step = self.step().await?;
            step.get(store, key).await?;
            let changed = step.phases.change(store, key, |found| {
                Ok::<_, WriteError>(seen.is_still(found).then(|| value.to_vec()))
            })?;
            match changed {
                None => {}
                Some(None) => return Ok(false),
                Some(Some(_)) => {
                    return match step.finish_step(self).await {
                        Ok(()) => Ok(true),
                        Err(CommitError::Conflict) => Ok(false),
                        Err(error) => Err(error.into()),
                    };
                }
            }
        }
    }

    /// Whether nothing has been written, so that the commit has nothing to apply. Of use before the
    /// commit only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.phases.is_read_only()
    }

    /// Closes the transaction to further reads and writes: they wait for its commit. To be called
    /// when the guest has returned its response head, if the commit does not follow in the same
    /// step. The commit has to follow, or [`abandon`](Self::abandon).
    pub fn seal(&self) {
        self.phases.seal();
    }

    /// Commits what was written, provided that everything read still holds; where nothing was
    /// written, checks that all that was read was one moment's.
    ///
    /// The transaction is sealed when this is called, before the future is first polled. Dropping
    /// the future before its end withdraws the commit where that can still be done, and abandons the
    /// transaction; nobody hears what became of the commit.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`]: run the request again, with a new transaction. The others as they
    /// say. A second commit of one transaction is [`CommitError::NotApplied`].
    pub fn commit(&self) -> impl Future<Output = Result<Outcome, CommitError>> + Send + use<> {
        let begun = self.phases.begin_commit();
        async move {
            let (working_set, mut settling) = begun?;
            if !working_set.is_read_only() {
                settling.may_apply();
            }
            let (backend, deadline) = (settling.backend(), settling.deadline());
            let ended = working_set.commit(backend, deadline).await;
            settling.ended(&ended);
            ended
        }
    }

    /// Ends the transaction without writing anything, and says whether what it read was one
    /// moment's: of use where a guest failed, since it may have failed over what never was.
    ///
    /// # Errors
    ///
    /// The backend cannot be asked now, or the transaction has been committed.
    pub async fn end_unwritten(&self) -> Result<bool, CommitError> {
        let (mut working_set, settling) = self.phases.begin_commit()?;
        working_set.drop_writes();
        match working_set
            .commit(settling.backend(), settling.deadline())
            .await
        {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the transaction without a commit, or, after its commit, ends the guest's access to the
    /// store. What was buffered is dropped. A commit under way is not called back: its outcome
    /// counts.
    pub fn abandon(&self) {
        self.phases.abandon();
    }

    /// The transaction that a step of reading and writing belongs to: this one while it is open,
    /// and one of its own after the commit. That one has to see the newest data, or it would
    /// conflict again and again.
    async fn step(&self) -> Result<Self, Abandoned> {
        loop {
            match self.phases.phase() {
                Phase::Open => return Ok(self.clone()),
                Phase::Direct => {
                    return Ok(Self::until(
                        self.phases.backend.clone(),
                        Consistency::Linearizable,
                        self.phases.deadline,
                    ));
                }
                Phase::Sealed | Phase::Committing => self.phases.wait_until_settled().await,
                Phase::Abandoned(abandoned) => return Err(abandoned),
            }
        }
    }

    /// Commits a step's writes where the step is a transaction of its own.
    async fn finish_step(&self, whole: &Self) -> Result<(), CommitError> {
        if !Arc::ptr_eq(&self.phases, &whole.phases) {
            self.commit().await?;
        }
        Ok(())
    }
}

/// Commits one write by itself.
///
/// # Errors
///
/// The store is full, there is no memory for the commit, or the backend cannot commit now; never
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
    let held = commit.charge(None, backend)?;
    backend.commit(commit, held, deadline).await
}

impl Seen<'_> {
    /// Whether what was seen is what there is.
    fn is_still(self, found: Option<&Entry>) -> bool {
        let revision = |entry: Option<&Entry>| entry.map(Entry::revision);
        match self {
            Seen::Here(Some(seen)) => found.is_some_and(|found| {
                if seen.revision() != 0 && found.revision() != 0 {
                    seen.revision() == found.revision()
                } else {
                    seen.value() == found.value()
                }
            }),
            // An own write, this transaction's or the other's, is never what was seen.
            Seen::Elsewhere(Some(seen)) => {
                seen.revision() != 0 && revision(found) == Some(seen.revision())
            }
            Seen::Here(None) | Seen::Elsewhere(None) => found.is_none(),
        }
    }
}
