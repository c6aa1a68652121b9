//! [`PeerError`]: why a call to another node had no result.

use thiserror::Error;
use tonic::{Code, Status};

use super::tls::{Cut, Distrust};

/// Why a call had no result.
#[derive(Clone, Debug, Error)]
pub enum PeerError {
    /// The node cannot be reached, or does not answer in time.
    #[error("the node at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Who was called.
        address: String,
        /// What kept it from answering.
        reason: String,
    },
    /// The node and this process do not prove to each other that they belong to one cluster.
    #[error("the node at {address} and this process do not trust each other: {reason}")]
    Distrusted {
        /// Who was called.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A process is there, and has closed the connection before either could prove anything.
    #[error("the node at {address} cannot be reached: {reason}")]
    Cut {
        /// Who was called.
        address: String,
        /// What is known of why.
        reason: String,
    },
    /// The node has answered that it will not.
    #[error("the node at {address} refused: {reason}")]
    Refused {
        /// Who was called.
        address: String,
        /// In its words.
        reason: String,
    },
}

impl PeerError {
    /// Of the status of a call to the node at `address`.
    pub(super) fn of(address: String, status: &Status) -> Self {
        match status.code() {
            Code::FailedPrecondition | Code::Unauthenticated | Code::InvalidArgument => {
                PeerError::Refused {
                    address,
                    reason: status.message().to_owned(),
                }
            }
            _ => {
                // What is below says more than "transport error".
                let mut reason = status.message().to_owned();
                let mut source = std::error::Error::source(status);
                while let Some(cause) = source {
                    reason = cause.to_string();
                    if let Some(cause) = cause.downcast_ref() {
                        if Distrust::of(cause).is_some() {
                            return PeerError::Distrusted { address, reason };
                        }
                        if Cut::is(cause) {
                            return PeerError::Cut { address, reason };
                        }
                    }
                    source = cause.source();
                }
                PeerError::Unreachable { address, reason }
            }
        }
    }
}
