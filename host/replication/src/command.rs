//! What a log entry asks of the state machine, and what the state machine answers.
//!
//! A batch of commits is encoded once, on the node whose requests made them, and stays those bytes on its way through
//! the leader, the log and the followers.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use spindrift_store::{Applied, Commit, Listing, Read, ReadSet, StoreId, Write};
use thiserror::Error;

use super::protocol as wire;
use super::types::NodeId;
use super::versions::Version;

/// What a log entry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply the commits of one node.
    Batch(Batch),
    /// Give an id that no node has had. The same nonce gets the same id, so that a question that is asked again costs
    /// none.
    AllocateNode {
        /// Chosen at random by who asks.
        nonce: u128,
    },
    /// Bring other limits of the stores into force. What is beyond them stays.
    SetLimits {
        /// What each store may hold in all, in bytes, in the order of the stores.
        max_total_bytes: Vec<u64>,
    },
    /// From here on the log may have what this version of the protocol adds, if each member speaks it and it is newer than the
    /// one in force.
    BringIntoForce {
        /// The version.
        version: Version,
    },
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(batch) => write!(
                f,
                "batch {} of node {}, {} bytes",
                batch.sequence,
                batch.origin,
                batch.commits.len()
            ),
            Self::AllocateNode { nonce } => write!(f, "an id for a node ({nonce:032x})"),
            Self::SetLimits { max_total_bytes } => {
                write!(f, "stores of at most {max_total_bytes:?} bytes")
            }
            Self::BringIntoForce { version } => write!(f, "version {version} of the protocol"),
        }
    }
}

/// Commits of one node, in one log entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    /// The node whose requests made the commits.
    pub origin: NodeId,
    /// Counts the batches of that node.
    pub sequence: u64,
    /// The origin has learnt what became of every batch below this, or has given it up: it sends none of them again.
    pub settled: u64,
    /// The commits, as [`encode_commits`] makes them.
    pub commits: Bytes,
}

impl fmt::Debug for Batch {
    /// Values may be secrets of the application; logs get their size only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("origin", &self.origin)
            .field("sequence", &self.sequence)
            .field("settled", &self.settled)
            .field("bytes", &self.commits.len())
            .finish()
    }
}

/// What the state machine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// There is nothing to say: the entry asked for nothing, or its effect is seen elsewhere.
    Nothing,
    /// To [`Command::Batch`].
    Batch(BatchReply),
    /// To [`Command::AllocateNode`]: the id.
    Node(NodeId),
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchReply {
    /// What became of each commit, in the order of the batch.
    Applied(Vec<Applied>),
    /// This entry applied nothing.
    Refused(Refusal),
}

/// Why a batch was refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Its origin is not, or no longer, a member. An earlier copy of the batch may have been applied.
    #[error("this node is no longer a member of the cluster")]
    NotAMember,
    /// Its origin has said that it would not be sent again. An earlier copy of the batch may have been applied.
    #[error("it had been given up before it arrived")]
    Settled,
    /// Its bytes are no commits. No copy of it was applied.
    #[error("its commits cannot be read")]
    Damaged,
}

/// The bytes of a batch are no commits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DamagedCommits {
    /// Not the encoding of commits.
    #[error("a batch of commits cannot be decoded: {0}")]
    Encoding(prost::DecodeError),
    /// A key is not UTF-8.
    #[error("a batch of commits has a key that is not UTF-8")]
    Key,
}

/// Encodes commits for [`Batch::commits`].
#[must_use]
pub fn encode_commits<'a>(commits: impl IntoIterator<Item = &'a Commit>) -> Bytes {
    let commits = commits.into_iter().map(|commit| wire::Commit {
        reads: commit.reads.reads.iter().map(encode_read).collect(),
        listings: commit.reads.listings.iter().map(encode_listing).collect(),
        writes: commit.writes.iter().map(encode_write).collect(),
    });
    wire::Commits {
        commits: commits.collect(),
    }
    .encode_to_vec()
    .into()
}

fn encode_read(read: &Read) -> wire::Read {
    wire::Read {
        store: read.store.index(),
        key: Bytes::copy_from_slice(read.key.as_bytes()),
        revision: read.revision,
    }
}

fn encode_listing(listing: &Listing) -> wire::Listing {
    wire::Listing {
        store: listing.store.index(),
        revision: listing.revision,
    }
}

fn encode_write(write: &Write) -> wire::Write {
    wire::Write {
        store: write.store().index(),
        key: Bytes::copy_from_slice(write.key_bytes()),
        value: write.value().map(Bytes::copy_from_slice),
    }
}

/// Decodes the commits of a batch.
///
/// # Errors
///
/// The bytes are not what [`encode_commits`] makes.
pub fn decode_commits(commits: Bytes) -> Result<Vec<Commit>, DamagedCommits> {
    let commits = wire::Commits::decode(commits)
        .map_err(DamagedCommits::Encoding)?
        .commits;
    commits.into_iter().map(decode_commit).collect()
}

fn decode_commit(commit: wire::Commit) -> Result<Commit, DamagedCommits> {
    let reads = commit.reads.iter().map(|read| {
        Ok(Read {
            store: StoreId::new(read.store),
            key: utf8(&read.key)?.into(),
            revision: read.revision,
        })
    });
    let listings = commit.listings.iter().map(|listing| Listing {
        store: StoreId::new(listing.store),
        revision: listing.revision,
    });
    let writes = commit.writes.iter().map(|write| {
        let store = StoreId::new(write.store);
        let key = utf8(&write.key)?;
        Ok(match &write.value {
            Some(value) => Write::set(store, key, value),
            None => Write::delete(store, key),
        })
    });
    Ok(Commit {
        reads: ReadSet {
            reads: reads.collect::<Result<_, DamagedCommits>>()?,
            listings: listings.collect(),
            since: 0,
        },
        writes: writes.collect::<Result<_, DamagedCommits>>()?,
    })
}

fn utf8(key: &[u8]) -> Result<&str, DamagedCommits> {
    std::str::from_utf8(key).map_err(|_| DamagedCommits::Key)
}

/// A reply on the wire that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a peer's answer about a batch says nothing")]
pub struct EmptyReply;

impl From<&BatchReply> for wire::BatchReply {
    fn from(reply: &BatchReply) -> Self {
        use wire::batch_reply::Outcome;
        let outcome = match reply {
            BatchReply::Applied(commits) => Outcome::Applied(wire::AppliedBatch {
                commits: commits.iter().map(encode_applied).collect(),
            }),
            BatchReply::Refused(refusal) => Outcome::Refused(match refusal {
                Refusal::NotAMember => wire::Refusal::NotAMember.into(),
                Refusal::Settled => wire::Refusal::Settled.into(),
                Refusal::Damaged => wire::Refusal::Damaged.into(),
            }),
        };
        Self {
            outcome: Some(outcome),
        }
    }
}

impl TryFrom<wire::BatchReply> for BatchReply {
    type Error = EmptyReply;

    fn try_from(reply: wire::BatchReply) -> Result<Self, EmptyReply> {
        use wire::batch_reply::Outcome;
        Ok(match reply.outcome.ok_or(EmptyReply)? {
            Outcome::Applied(applied) => {
                let commits = applied.commits.into_iter().map(decode_applied);
                Self::Applied(commits.collect::<Result<_, _>>()?)
            }
            Outcome::Refused(refusal) => {
                let refusal = wire::Refusal::try_from(refusal).map_err(|_| EmptyReply)?;
                Self::Refused(match refusal {
                    wire::Refusal::Unspecified => return Err(EmptyReply),
                    wire::Refusal::NotAMember => Refusal::NotAMember,
                    wire::Refusal::Settled => Refusal::Settled,
                    wire::Refusal::Damaged => Refusal::Damaged,
                })
            }
        })
    }
}

fn encode_applied(applied: &Applied) -> wire::Applied {
    use wire::applied::Outcome;
    let outcome = match *applied {
        Applied::Committed { revision } => Outcome::Committed(revision),
        // Revisions are the map's own, so none is ever out of order; a run again is the right thing in any case.
        Applied::Conflict | Applied::OutOfOrder { .. } => Outcome::Conflict(wire::Conflict {}),
        Applied::Full {
            store,
            limit_bytes,
            needed_bytes,
        } => Outcome::Full(wire::Full {
            store: store.index(),
            limit_bytes,
            needed_bytes,
        }),
        Applied::UnknownStore(store) => Outcome::UnknownStore(store.index()),
    };
    wire::Applied {
        outcome: Some(outcome),
    }
}

fn decode_applied(applied: wire::Applied) -> Result<Applied, EmptyReply> {
    use wire::applied::Outcome;
    Ok(match applied.outcome.ok_or(EmptyReply)? {
        Outcome::Committed(revision) => Applied::Committed { revision },
        Outcome::Conflict(_) => Applied::Conflict,
        Outcome::Full(full) => Applied::Full {
            store: StoreId::new(full.store),
            limit_bytes: full.limit_bytes,
            needed_bytes: full.needed_bytes,
        },
        Outcome::UnknownStore(store) => Applied::UnknownStore(StoreId::new(store)),
    })
}
