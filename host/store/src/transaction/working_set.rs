//! The reads and writes of an open transaction: the first answer for each key, and the buffered writes.

use spindrift_memory::Charge;
use tokio::time::Instant;

use super::keyed_list::{Keyed, KeyedList};
use crate::footprint::Footprint;
use crate::selection::{Ahead, Selection};
use crate::stores::KEY_OVERHEAD_BYTES;
use crate::{
    Backend, Commit, CommitError, Entry, ListedKeys, Listing, Map, Outcome, Page, Read, ReadError,
    ReadSet, Revision, StoreId, Stores, Write,
};

/// The reads and writes of an open transaction.
#[derive(Default)]
pub(crate) struct WorkingSet {
    /// Whether the map has been fresh enough since the transaction began.
    pub(crate) fresh: bool,
    /// Whether two listings of one store differed. Then the reads were not of one moment.
    inconsistent: bool,
    /// The revision of the map before the first read.
    since: Option<Revision>,
    held: Footprint,
    reads: KeyedList<Observed>,
    listings: Vec<Listed>,
    ahead: Option<ReadAhead>,
    writes: KeyedList<Write>,
    /// Counts the writes.
    buffered: u64,
}

/// A store whose keys were listed.
struct Listed {
    listing: Listing,
    /// The size of the longest listing, and of the listing that the last page belongs to, in bytes.
    counted_bytes: usize,
    last_bytes: usize,
}

/// The keys after the last page that was listed.
struct ReadAhead {
    listing: Listing,
    /// The count of writes at that page.
    buffered: u64,
    /// The last key of that page.
    after: String,
    keys: Ahead,
}

/// The first answer for a key.
struct Observed {
    store: StoreId,
    found: Found,
}

enum Found {
    Entry(Entry),
    Nothing(Box<str>),
}

impl WorkingSet {
    pub(crate) fn is_read_only(&self) -> bool {
        self.writes.items().is_empty()
    }

    /// The answer for a key that was written or read before: its own write, else its first read. The outer `None` means
    /// that it was neither written nor read.
    pub(crate) fn known(&self, store: StoreId, key: &str) -> Option<Option<&Entry>> {
        if let Some(write) = self.writes.get(store, key.as_bytes()) {
            return Some(write.entry());
        }
        self.reads
            .get(store, key.as_bytes())
            .map(|observed| match &observed.found {
                Found::Entry(entry) => Some(entry),
                Found::Nothing(_) => None,
            })
    }

    /// Notes the map's revision. Every read has to come after this, or verifying the reads would prove nothing.
    pub(crate) fn begin_reading(&mut self, map: &Map) {
        if self.since.is_none() {
            self.since = Some(map.applied());
        }
    }

    /// Notes the first read of a key. The value counts although the map holds it too: after a later commit only this
    /// transaction may hold it.
    pub(crate) fn note(
        &mut self,
        store: StoreId,
        key: &str,
        found: Option<Entry>,
        stores: &Stores,
    ) -> Result<(), ReadError> {
        let bytes = found.as_ref().map_or(key.len(), Entry::len_bytes);
        self.held.replace(0, bytes + KEY_OVERHEAD_BYTES, stores)?;
        let found = found.map_or_else(|| Found::Nothing(key.into()), Found::Entry);
        self.reads.insert(Observed { store, found });
        Ok(())
    }

    /// The number of keys of a store that are to be written.
    pub(crate) fn writes_of(&self, store: StoreId) -> usize {
        self.written(store).count()
    }

    fn written(&self, store: StoreId) -> impl Iterator<Item = &Write> {
        let writes = self.writes.items().iter();
        writes.filter(move |write| write.store() == store)
    }

    /// The footprint without the listing of a store, in bytes.
    pub(crate) fn bytes_beside(&self, store: StoreId) -> usize {
        let listed = self.listings.iter().find(|of| of.listing.store == store);
        self.held.counted_bytes() - listed.map_or(0, |listed| listed.counted_bytes)
    }

    /// Notes a listing, and returns its keys with the effect of the transaction's own writes.
    ///
    /// The keys of a store count once, however often they are listed. A listing goes from a first page to the last
    /// page, and the longest listing counts.
    pub(crate) fn note_listing(
        &mut self,
        listing: Listing,
        page: Option<Page<'_>>,
        mut selection: Selection,
        stores: &Stores,
    ) -> Result<ListedKeys, ReadError> {
        let store = listing.store;
        let end = selection.end();
        if self.writes_of(store) > 0 {
            selection.retain(|key| self.writes.get(store, key.as_bytes()).is_none());
            for entry in self.written(store).filter_map(Write::entry) {
                selection.add(entry.key_bytes())?;
            }
        }
        // Keys that the own writes pushed out of the selection are missing too.
        let end = end.into_iter().chain(selection.end()).min();
        let (keys, ahead) = selection.into_keys(page, end.as_deref());
        self.count_listing(listing, page, &keys, stores)?;
        self.read_ahead(listing, &keys, ahead);
        Ok(keys)
    }

    /// The page after the last one, if it was read ahead and still holds.
    pub(crate) fn next_page(
        &mut self,
        listing: Listing,
        page: Page<'_>,
        stores: &Stores,
    ) -> Result<Option<ListedKeys>, ReadError> {
        let Some(mut ahead) = self.ahead.take() else {
            return Ok(None);
        };
        let same = ahead.listing == listing && ahead.buffered == self.buffered;
        if !same || page.after != Some(&*ahead.after) || !ahead.keys.has(page.most) {
            return Ok(None);
        }
        let keys = ahead.keys.take(page.most);
        self.count_listing(listing, Some(page), &keys, stores)?;
        self.read_ahead(listing, &keys, ahead.keys);
        Ok(Some(keys))
    }

    fn read_ahead(&mut self, listing: Listing, keys: &ListedKeys, ahead: Ahead) {
        self.ahead = keys
            .keys
            .last()
            .filter(|_| keys.more)
            .map(|last| ReadAhead {
                listing,
                buffered: self.buffered,
                after: last.clone(),
                keys: ahead,
            });
    }

    fn count_listing(
        &mut self,
        listing: Listing,
        page: Option<Page<'_>>,
        keys: &ListedKeys,
        stores: &Stores,
    ) -> Result<(), ReadError> {
        let known = self
            .listings
            .iter()
            .position(|of| of.listing.store == listing.store);
        let known = known.unwrap_or_else(|| {
            self.listings.push(Listed {
                listing,
                counted_bytes: 0,
                last_bytes: 0,
            });
            self.listings.len() - 1
        });
        let listed = &mut self.listings[known];
        // If another commit has created or deleted a key since the first listing, the two listings are of different
        // moments.
        self.inconsistent |= listed.listing.revision != listing.revision;
        let goes_on = page.is_some_and(|page| page.after.is_some());
        let before = if goes_on { listed.last_bytes } else { 0 };
        listed.last_bytes = before + keys.bytes();
        let more = listed.last_bytes.saturating_sub(listed.counted_bytes);
        self.held.count(more, stores)?;
        listed.counted_bytes += more;
        Ok(())
    }

    /// Buffers a write. It replaces an earlier write of the same key.
    pub(crate) fn buffer(&mut self, write: Write, stores: &Stores) -> Result<(), ReadError> {
        let replaced = self
            .writes
            .get(write.store(), write.key_bytes())
            .map_or(0, buffered_bytes);
        self.held
            .replace(replaced, buffered_bytes(&write), stores)?;
        self.writes.insert(write);
        self.buffered += 1;
        Ok(())
    }

    /// Drops the buffered writes.
    pub(crate) fn drop_writes(&mut self) {
        self.writes = KeyedList::default();
    }

    /// Lets the backend apply the writes if all reads still hold. Without writes, checks that the reads were of one
    /// moment.
    pub(crate) async fn commit(
        self,
        backend: &dyn Backend,
        deadline: Instant,
    ) -> Result<Outcome, CommitError> {
        if self.inconsistent {
            return Err(CommitError::Conflict);
        }
        if self.is_read_only() {
            return self.verify(backend, deadline).await;
        }
        let (commit, held) = self.into_commit();
        let held = commit.charge(held, backend.stores())?;
        let committed = backend.commit(commit, held, deadline).await;
        committed.map(Outcome::Committed)
    }

    /// The commit, and the charge for the reads and writes so far. The values that were read are dropped.
    fn into_commit(self) -> (Commit, Option<Charge>) {
        let commit = Commit {
            reads: self.read_set(),
            writes: self.writes.into_items(),
        };
        (commit, self.held.into_charge())
    }

    async fn verify(
        &self,
        backend: &dyn Backend,
        deadline: Instant,
    ) -> Result<Outcome, CommitError> {
        // A single read is of one moment.
        if self.reads.items().len() + self.listings.len() < 2 {
            return Ok(Outcome::ReadOnly);
        }
        // `Map::verify` asks this first too. Here it saves building the set of reads.
        if self.since == Some(backend.map().applied()) {
            return Ok(Outcome::ReadOnly);
        }
        match backend.verify(&self.read_set(), deadline).await {
            Ok(true) => Ok(Outcome::ReadOnly),
            Ok(false) => Err(CommitError::Conflict),
            Err(unavailable) => Err(CommitError::NotApplied(unavailable)),
        }
    }

    fn read_set(&self) -> ReadSet {
        let reads = self
            .reads
            .items()
            .iter()
            .map(|observed| match &observed.found {
                Found::Entry(entry) => Read {
                    store: observed.store,
                    key: entry.key().into(),
                    revision: entry.revision(),
                },
                Found::Nothing(key) => Read {
                    store: observed.store,
                    key: key.clone(),
                    revision: 0,
                },
            });
        ReadSet {
            reads: reads.collect(),
            listings: self.listings.iter().map(|of| of.listing).collect(),
            since: self.since.unwrap_or(0),
        }
    }
}

impl Keyed for Observed {
    fn store(&self) -> StoreId {
        self.store
    }

    fn key_bytes(&self) -> &[u8] {
        match &self.found {
            Found::Entry(entry) => entry.key_bytes(),
            Found::Nothing(key) => key.as_bytes(),
        }
    }
}

impl Keyed for Write {
    fn store(&self) -> StoreId {
        self.store()
    }

    fn key_bytes(&self) -> &[u8] {
        self.key_bytes()
    }
}

fn buffered_bytes(write: &Write) -> usize {
    write.key_bytes().len() + write.value().map_or(0, <[u8]>::len) + KEY_OVERHEAD_BYTES
}
