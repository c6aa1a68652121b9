//! [`NodeError`]: why a node cannot be, or go on.

use thiserror::Error;

use crate::versions::{Version, Versions};

/// Why a node could not be started.
#[derive(Debug, Error)]
pub enum NodeError {
    /// openraft refuses its options.
    #[error("the replication options contradict each other: {0}")]
    Options(Box<openraft::ConfigError>),
    /// The cluster has gone on to another version of the peers' protocol.
    #[error(
        "the cluster uses version {version} of the peers' protocol, and this node speaks {own}: start a spindrift in its \
         place that speaks version {version}"
    )]
    Outdated {
        /// The version in force.
        version: Version,
        /// What this process speaks.
        own: Versions,
    },
    /// openraft has stopped.
    #[error("replication has stopped: {0}")]
    Stopped(String),
}
