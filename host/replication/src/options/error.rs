//! [`OptionsError`]: what is wrong with options, in words.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use super::{MAX_ELECTION_TIMEOUT, MAX_MACHINE_BYTES, MAX_VOTERS, MAX_WAIT, MIN_LOG_BYTES};
use crate::address::AddressError;
use crate::versions::Unspoken;

/// Why options make no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Not a number of voters.
    #[error(
        "voters is {0}; it must be odd, from 1 to {MAX_VOTERS}: with an even number one voter more would be needed for a \
         majority, and no more of them could fail"
    )]
    Voters(usize),
    /// A time that Raft's clock cannot keep.
    #[error("{option} is {duration:?}; it must be whole milliseconds, at least 1ms")]
    NotWholeMillis {
        /// The option.
        option: &'static str,
        /// Its value.
        duration: Duration,
    },
    /// Writes would stop for very long.
    #[error(
        "election_timeout is {0:?}; it must be at most {MAX_ELECTION_TIMEOUT:?}. A number without a unit is seconds: write \
         milliseconds as in 300ms"
    )]
    ElectionTimeout(Duration),
    /// A heartbeat or two that are lost would depose a leader.
    #[error(
        "heartbeat_interval is {heartbeat_interval:?}; it must be less than half of election_timeout, which is \
         {election_timeout:?}, or one heartbeat that is late would end a leader's term"
    )]
    Heartbeat {
        /// The heartbeat.
        heartbeat_interval: Duration,
        /// What it is held against.
        election_timeout: Duration,
    },
    /// Snapshots after nothing.
    #[error("snapshot_after is 0; it must be at least 1 log entry")]
    SnapshotAfter,
    /// A log with no room.
    #[error("max_log_bytes is {0}; it must be at least {MIN_LOG_BYTES} bytes (64KiB)")]
    MaxLogBytes(u64),
    /// Nodes would be removed for an election.
    #[error(
        "evict_after is {evict_after:?}; it must be at least twice election_timeout, which is {election_timeout:?}, or \
         nodes would be removed that only wait for a leader"
    )]
    EvictAfter {
        /// When a silent node is removed.
        evict_after: Duration,
        /// What it is held against.
        election_timeout: Duration,
    },
    /// Longer than anybody means.
    #[error("{option} is {duration:?}; it must be at most {MAX_WAIT:?}")]
    TooLong {
        /// The option.
        option: &'static str,
        /// Its value.
        duration: Duration,
    },
    /// What is listened on is no address to reach the node at.
    #[error(
        "--peer-listen {0} takes connections on every address of this machine, so other nodes must be told which one \
         reaches it: add --advertise HOST:{port}",
        port = .0.port()
    )]
    Advertise(SocketAddr),
    /// Not an address of a node.
    #[error("{option}: {reason}")]
    Address {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// Not the name of a machine.
    #[error(
        "--machine is {0:?}; it must have 1 to {MAX_MACHINE_BYTES} letters, digits and signs of ASCII, and no space"
    )]
    Machine(String),
    /// No version of the peers' protocol that this program speaks.
    #[error("--peer-protocol-max: {0}")]
    Protocol(Unspoken),
}

impl OptionsError {
    /// The names, in the runtime configuration, of the options that it is about; none for those that only have a flag.
    #[must_use]
    pub fn options(&self) -> &'static [&'static str] {
        match self {
            Self::Voters(_) => &["voters"],
            Self::NotWholeMillis {
                option: "election_timeout",
                ..
            } => &["election_timeout"],
            Self::NotWholeMillis { .. } => &["heartbeat_interval"],
            Self::ElectionTimeout(_) => &["election_timeout"],
            Self::EvictAfter { .. } => &["evict_after", "election_timeout"],
            Self::Heartbeat { .. } => &["heartbeat_interval", "election_timeout"],
            Self::SnapshotAfter => &["snapshot_after"],
            Self::MaxLogBytes(_) => &["max_log_bytes"],
            Self::TooLong {
                option: "evict_after",
                ..
            } => &["evict_after"],
            Self::TooLong { .. } => &["leader_wait"],
            Self::Advertise(_) => &["peer_listen"],
            Self::Address { .. } | Self::Machine(_) | Self::Protocol(_) => &[],
        }
    }
}
