//! The peers' network: gRPC on a port of its own.
//!
//! | file | subject |
//! | --- | --- |
//! | `connection.rs` | how connections are made and accepted |
//! | `incoming.rs` | which of those that are accepted are passed on |
//! | `places.rs` | how many of them there may be |
//! | `revocable.rs` | that a connection can be ended |
//! | `token.rs` | the cluster token |
//! | `tls.rs` | mutual TLS between nodes; `tls/authority.rs` makes certificates of a token, `tls/files.rs` reads them |
//! | `trust.rs` | what both sides of a connection prove themselves with |
//! | `stamp.rs` | whether a file has changed |
//! | `occasional.rs` | what is said of an address once in a while |
//! | `authentication.rs` | the cluster token, where calls carry it |
//! | `spoken.rs` | that both sides speak a version of the protocol that both know |
//! | `metadata.rs` | what every call says beside its message |
//! | `client.rs` | calls to other nodes |
//! | `connecting.rs` | the connections for those |
//! | `peer_error.rs` | why a call had no result |
//! | `raft_network.rs` | those calls that openraft makes |
//! | `commit_news.rs` | that the news of a commit travels with the next entries |
//! | `late_replies.rs` | that no reply counts for a request which was sent after it |
//! | `cutoff.rs` | that a follower which is too far behind ends its stream of entries |
//! | `server.rs` | calls from other nodes |
//! | `checks.rs` | what is checked of those before openraft has them |
//! | `snapshot_intake.rs` | a snapshot on its way in |
//! | `tie.rs` | that the two directions of a stream end together |

mod authentication;
mod checks;
mod client;
mod commit_news;
mod connecting;
mod connection;
mod cutoff;
mod incoming;
mod late_replies;
mod metadata;
mod occasional;
mod peer_error;
mod places;
mod raft_network;
mod revocable;
mod server;
mod snapshot_intake;
mod spoken;
mod stamp;
mod tie;
mod tls;
mod token;
mod trust;

#[cfg(test)]
mod tests;

pub use authentication::{Authentication, Exposed, check_exposure};
pub use client::{CALL_TIMEOUT, CHANGE_TIMEOUT, LEAVE_TIMEOUT, Peers, STATUS_TIMEOUT};
pub use commit_news::CommitNews;
pub use connection::{AsyncIo, Io, Listener, Tcp, Transport};
pub use cutoff::Cutoff;
pub use peer_error::PeerError;
pub use raft_network::OwnNode;
pub use server::serve;
pub use tls::TlsError;
pub use token::{ClusterToken, InvalidToken, TokenError};
pub use trust::Trust;
