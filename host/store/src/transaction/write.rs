//! Writing: single writes, and writes that depend on a read.

use std::sync::Arc;

use super::{Phase, Transaction};
use crate::{Abandoned, CommitError, Consistency, Entry, StoreId, Write, WriteError, commit_one};

/// How often [`Transaction::update`] tries again after the transaction's commit.
const UPDATE_ATTEMPTS: usize = 16;

/// The result of an earlier [`Transaction::get`], for [`Transaction::compare_and_set`].
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// From this transaction. Its own writes have no revision yet, so they are compared by value.
    Here(Option<&'a Entry>),
    /// From another transaction, whose writes may have been discarded. Only revisions are compared. An entry without a
    /// revision counts as changed.
    Elsewhere(Option<&'a Entry>),
}

impl Transaction {
    /// Sets a key: in the buffer while the transaction is open, and in a commit of its own after the transaction's
    /// commit.
    ///
    /// # Errors
    ///
    /// The key, the value or the transaction is too large. Or the transaction was not committed. Or it was committed,
    /// and the commit of this write failed.
    pub async fn set(&self, store: StoreId, key: &str, value: &[u8]) -> Result<(), WriteError> {
        self.check(store, key, value.len())?;
        self.write(Write::set(store, key, value)).await
    }

    /// Deletes a key, in the same way as [`set`](Self::set) sets one. Deleting an absent key is no error.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub async fn delete(&self, store: StoreId, key: &str) -> Result<(), WriteError> {
        self.check(store, key, 0)?;
        self.write(Write::delete(store, key)).await
    }

    /// Reads a key, sets it to the result of `change`, and returns the new value, all in one step. After the
    /// transaction's commit this is a commit of its own, and `change` runs again if another request was faster.
    /// `change` must not use this transaction.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get) and [`set`](Self::set), and [`CommitError::Conflict`] after many attempts. If
    /// `change` returns an error, this returns it too, and nothing is written.
    pub async fn update<E, F>(&self, store: StoreId, key: &str, mut change: F) -> Result<Vec<u8>, E>
    where
        E: From<WriteError>,
        F: FnMut(Option<&[u8]>) -> Result<Vec<u8>, E>,
    {
        for _ in 0..UPDATE_ATTEMPTS {
            let step = self.step().await.map_err(WriteError::from)?;
            step.get(store, key).await.map_err(WriteError::from)?;
            let changed = step.change(store, key, |found| {
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

    /// Sets a key if it has not changed since `seen`. Returns whether it was set.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get) and [`set`](Self::set).
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
            let changed = step.change(store, key, |found| {
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

    /// Refuses a write that exceeds the limits of its store.
    fn check(&self, store: StoreId, key: &str, value_bytes: usize) -> Result<(), WriteError> {
        let limits = self.shared.stores().limits(store);
        let limits = limits.ok_or(WriteError::NoSuchStore)?;
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

    /// Buffers a checked write, or commits it by itself.
    async fn write(&self, write: Write) -> Result<(), WriteError> {
        loop {
            {
                let mut state = self.shared.state.lock();
                match state.phase {
                    Phase::Open => {
                        let buffered = state.working_set.buffer(write, self.shared.stores());
                        return buffered.map_err(|error| state.note_failure(error).into());
                    }
                    Phase::Direct => break,
                    Phase::Sealed | Phase::Committing => {}
                    Phase::Abandoned(abandoned) => return Err(abandoned.into()),
                }
            }
            self.wait_until_settled().await;
        }
        commit_one(&*self.shared.backend, write, self.shared.deadline).await?;
        Ok(())
    }

    /// Sets a key that was read before: calls `change` with its entry, buffers the value that `change` returns, if any,
    /// and returns that value. Returns `None` if the transaction was closed since the key was read.
    ///
    /// The lock is held throughout, so no other task of the guest writes between the read and the write.
    fn change<E: From<WriteError>>(
        &self,
        store: StoreId,
        key: &str,
        change: impl FnOnce(Option<&Entry>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<Option<Vec<u8>>>, E> {
        let mut state = self.shared.state.lock();
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
            let buffered = state.working_set.buffer(write, self.shared.stores());
            buffered.map_err(|error| WriteError::from(state.note_failure(error)))?;
        }
        Ok(Some(value))
    }

    /// The transaction for a read and a write in one step: this one while it is open, and a new one after the commit.
    /// The new one needs the newest data, or it would meet the same conflict again.
    async fn step(&self) -> Result<Self, Abandoned> {
        loop {
            match self.shared.phase() {
                Phase::Open => return Ok(self.clone()),
                Phase::Direct => {
                    return Ok(Self::until(
                        self.shared.backend.clone(),
                        Consistency::Linearizable,
                        self.shared.deadline,
                    ));
                }
                Phase::Sealed | Phase::Committing => self.wait_until_settled().await,
                Phase::Abandoned(abandoned) => return Err(abandoned),
            }
        }
    }

    /// Commits a step if it is a transaction of its own.
    async fn finish_step(&self, whole: &Self) -> Result<(), CommitError> {
        if !Arc::ptr_eq(&self.shared, &whole.shared) {
            self.commit().await?;
        }
        Ok(())
    }
}

impl Seen<'_> {
    /// Whether `found` is what was seen.
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
            // Revision 0 is a write of one of the two transactions. The other one cannot have seen it.
            Seen::Elsewhere(Some(seen)) => {
                seen.revision() != 0 && revision(found) == Some(seen.revision())
            }
            Seen::Here(None) | Seen::Elsewhere(None) => found.is_none(),
        }
    }
}
