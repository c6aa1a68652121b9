//! [`PeerSet`]: the peers that a source knows at one moment.

use std::collections::BTreeSet;

/// The peers that a source knows, each by the address, `host:port`, at which other nodes reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSet {
    /// Those that are there, as far as the source knows; this process may be among them.
    pub present: BTreeSet<String>,
    /// Those that were there and are gone for good: no process will answer there that was a node before. The leader removes
    /// such members without waiting for their silence. An address that is taken anew is in `present` again, and not here.
    pub gone: BTreeSet<String>,
}
