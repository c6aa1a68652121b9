//! The peers' network: gRPC on a port of its own.
//!
//! | file | subject |
//! | --- | --- |
//! | `connection.rs` | how connections are made and accepted |
//! | `tls.rs` | mutual TLS between nodes; `tls/files.rs` reads the certificates |
//! | `authentication.rs` | the cluster token |
//! | `spoken.rs` | that both sides speak a version of the protocol that both know |
//! | `metadata.rs` | what every call says beside its message |
//! | `client.rs` | calls to other nodes |
//! | `raft_network.rs` | those calls that openraft makes |
//! | `commit_news.rs` | that the news of a commit travels with the next entries |
//! | `late_replies.rs` | that no reply counts for a request which was sent after it |
//! | `cutoff.rs` | that a follower which is too far behind ends its stream of entries |
//! | `server.rs` | calls from other nodes |
//! | `snapshot_intake.rs` | a snapshot on its way in |
//! | `tie.rs` | that the two directions of a stream end together |

mod authentication;
mod client;
mod commit_news;
mod connection;
mod cutoff;
mod late_replies;
mod metadata;
mod raft_network;
mod server;
mod snapshot_intake;
mod spoken;
mod tie;
mod tls;

#[cfg(test)]
mod tests;

pub use authentication::{
    Authentication, Exposed, InvalidToken, TokenError, check_exposure, parse_token, read_token,
};
pub use client::{PeerError, Peers};
pub use commit_news::CommitNews;
pub use connection::{AsyncIo, Io, Listener, Tcp, Transport};
pub use cutoff::Cutoff;
pub use raft_network::OwnNode;
pub use server::serve;
pub use tls::{PeerTls, TlsError};
