//! A snapshot of the state machine: on the leader a cut of its state, on its way a sequence of chunks, and on the node
//! that receives it a state that is being put together.
//!
//! The cut is taken in microseconds and shares its entries with the map, so nothing is copied until a chunk is made.
//! A snapshot exists only as long as somebody sends or receives it.

use std::sync::Arc;

use bytes::Bytes;
use spindrift_store::{Entry, Map, Restoration, RestoreError, Revision, Snapshot, StoreId};
use thiserror::Error;

use super::origins::{OriginRecord, Origins};
use super::protocol as wire;
use super::protocol::snapshot_chunk::Part;
use super::state_machine::Bookkeeping;
use super::versions::Version;

/// Keys and values in one chunk, in bytes, beyond which it takes no further entry.
const CHUNK_BYTES: usize = 16 << 10;

/// What openraft carries about as a snapshot.
#[derive(Debug)]
pub struct StateSnapshot(pub(super) Form);

/// Where a snapshot is on its way.
#[derive(Debug)]
pub(super) enum Form {
    /// Of this node's own state.
    Cut {
        bookkeeping: Bookkeeping,
        entries: Snapshot,
    },
    /// Received as a whole, not yet in place.
    Received(Box<Received>),
}

/// A state that was received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bookkeeping: Bookkeeping,
    pub(super) restoration: Restoration<Arc<Map>>,
    pub(super) revision: Revision,
}

/// Why a snapshot that was received is no use.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Its entries contradict each other or this node's stores.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Its chunks are not what a snapshot is made of.
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
}

impl StateSnapshot {
    /// The chunks to send, made one at a time. A snapshot that was received and not put in place has none.
    pub fn into_chunks(self) -> impl Iterator<Item = wire::SnapshotChunk> + Send {
        let (first, entries) = match self.0 {
            Form::Cut {
                bookkeeping,
                entries,
            } => (Some(state_chunk(&bookkeeping, &entries)), Some(entries)),
            Form::Received(_) => (None, None),
        };
        let rest = entries.into_iter().flat_map(entry_chunks);
        first.into_iter().chain(rest)
    }
}

impl StateSnapshot {
    /// The snapshot as a node has it that has received it for `map`. One of a state machine in this process is taken
    /// apart and put together again, as on its way over the network.
    pub(super) fn into_received(self, map: &Arc<Map>) -> Result<Received, SnapshotError> {
        if let Form::Received(received) = self.0 {
            return Ok(*received);
        }
        let mut receiver = SnapshotReceiver::new(map.clone());
        self.into_chunks()
            .try_for_each(|chunk| receiver.push(chunk))?;
        receiver.assemble()
    }
}

fn state_chunk(bookkeeping: &Bookkeeping, entries: &Snapshot) -> wire::SnapshotChunk {
    let key_set_revisions = entries
        .stores()
        .map(|store| entries.key_set_revision(store));
    let max_total_bytes = entries.stores().map(|store| entries.max_total_bytes(store));
    let origins = bookkeeping
        .origins
        .iter()
        .map(|(node, record)| record.encode(node));
    let allocations = bookkeeping.allocations.iter();
    chunk(Part::State(wire::SnapshotState {
        revision: entries.revision(),
        next_node: bookkeeping.next_node,
        key_set_revisions: key_set_revisions.collect(),
        origins: origins.collect(),
        allocations: allocations
            .map(|(nonce, node)| wire::Allocation {
                nonce: Bytes::copy_from_slice(&nonce.to_be_bytes()),
                node: *node,
            })
            .collect(),
        max_total_bytes: max_total_bytes.collect(),
        version: bookkeeping.version.map_or(0, |version| version.0),
    }))
}

fn entry_chunks(entries: Snapshot) -> impl Iterator<Item = wire::SnapshotChunk> + Send {
    let mut entries = entries.into_entries();
    let mut sent = 0;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut part = Vec::new();
        let mut bytes = 0;
        for (store, entry) in entries.by_ref() {
            bytes += entry.len_bytes();
            part.push(encode_entry(store, &entry));
            if bytes >= CHUNK_BYTES {
                break;
            }
        }
        if part.is_empty() {
            ended = true;
            return Some(chunk(Part::End(wire::SnapshotEnd { entries: sent })));
        }
        sent += part.len() as u64;
        Some(chunk(Part::Entries(wire::SnapshotEntries {
            entries: part,
        })))
    })
}

fn encode_entry(store: StoreId, entry: &Entry) -> wire::SnapshotEntry {
    wire::SnapshotEntry {
        store: store.index(),
        key: Bytes::copy_from_slice(entry.key_bytes()),
        value: Bytes::copy_from_slice(entry.value()),
        revision: entry.revision(),
    }
}

fn chunk(part: Part) -> wire::SnapshotChunk {
    wire::SnapshotChunk { part: Some(part) }
}

/// Puts a snapshot together from its chunks.
#[derive(Debug)]
pub struct SnapshotReceiver {
    restoration: Restoration<Arc<Map>>,
    state: Option<(Bookkeeping, Revision)>,
    entries: u64,
    ended: bool,
}

impl SnapshotReceiver {
    /// For a snapshot that is to replace what `map` holds. The map stays as it is until the snapshot is installed.
    #[must_use]
    pub fn new(map: Arc<Map>) -> Self {
        Self {
            restoration: Restoration::new(map),
            state: None,
            entries: 0,
            ended: false,
        }
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    ///
    /// The chunk is not what may come next, or its entries cannot be. The snapshot is no use then.
    pub fn push(&mut self, chunk: wire::SnapshotChunk) -> Result<(), SnapshotError> {
        let part = chunk
            .part
            .ok_or(SnapshotError::Damaged("a chunk is empty"))?;
        if self.ended {
            return Err(SnapshotError::Damaged("it goes on after its end"));
        }
        match part {
            Part::State(state) => self.take_state(state),
            Part::Entries(entries) => entries
                .entries
                .into_iter()
                .try_for_each(|entry| self.take_entry(&entry)),
            Part::End(end) if end.entries != self.entries => {
                Err(SnapshotError::Damaged("entries are missing"))
            }
            Part::End(_) => {
                self.ended = true;
                Ok(())
            }
        }
    }

    fn take_state(&mut self, state: wire::SnapshotState) -> Result<(), SnapshotError> {
        if self.state.is_some() || self.entries > 0 {
            return Err(SnapshotError::Damaged("its state is not its first chunk"));
        }
        for (store, revision) in (0..).map(StoreId::new).zip(&state.key_set_revisions) {
            self.restoration.set_key_set_revision(store, *revision)?;
        }
        for (store, bytes) in (0..).map(StoreId::new).zip(&state.max_total_bytes) {
            self.restoration.set_max_total_bytes(store, *bytes)?;
        }
        let mut origins = Origins::default();
        for record in state.origins {
            let (node, record) = OriginRecord::decode(record)
                .map_err(|_| SnapshotError::Damaged("the record of a batch says nothing"))?;
            origins.insert(node, record);
        }
        let allocations = state.allocations.iter().map(|allocation| {
            let nonce = <[u8; 16]>::try_from(allocation.nonce.as_ref())
                .map_err(|_| SnapshotError::Damaged("a nonce is not 16 bytes"))?;
            Ok((u128::from_be_bytes(nonce), allocation.node))
        });
        let bookkeeping = Bookkeeping {
            next_node: state.next_node,
            allocations: allocations.collect::<Result<_, SnapshotError>>()?,
            origins,
            version: Version::from_wire(state.version),
        };
        self.state = Some((bookkeeping, state.revision));
        Ok(())
    }

    fn take_entry(&mut self, entry: &wire::SnapshotEntry) -> Result<(), SnapshotError> {
        let key = std::str::from_utf8(&entry.key)
            .map_err(|_| SnapshotError::Damaged("a key is not UTF-8"))?;
        self.entries += 1;
        let store = StoreId::new(entry.store);
        let entry = Entry::new(key, &entry.value, entry.revision);
        Ok(self.restoration.insert(store, entry)?)
    }

    /// The snapshot, once its last chunk was taken.
    ///
    /// # Errors
    ///
    /// A part of it is missing.
    pub fn finish(self) -> Result<StateSnapshot, SnapshotError> {
        let received = self.assemble()?;
        Ok(StateSnapshot(Form::Received(Box::new(received))))
    }

    fn assemble(self) -> Result<Received, SnapshotError> {
        let (bookkeeping, revision) = self
            .state
            .filter(|_| self.ended)
            .ok_or(SnapshotError::Damaged("its end is missing"))?;
        Ok(Received {
            bookkeeping,
            restoration: self.restoration,
            revision,
        })
    }
}
