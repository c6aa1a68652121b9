//! [`PeerSet`]: the peers that a source knows at one moment, and [`Place`]: where they run.

use std::collections::{BTreeMap, BTreeSet};

/// The peers that a source knows, each by the address, `host:port`, at which other nodes reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSet {
    /// Those that are there, as far as the source knows; this process may be among them.
    pub present: BTreeSet<String>,
    /// Those that were there and are gone for good: no process will answer there that was a node before. The leader removes
    /// such members without waiting for their silence. An address that is taken anew is in `present` again, and not here.
    pub gone: BTreeSet<String>,
    /// Where those run that are present, as far as the source knows.
    pub places: BTreeMap<String, Place>,
}

/// What a process shares with others that are lost together with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The machine, by a name that no other has.
    pub machine: String,
    /// The zone that the machine is in, if it is in one.
    pub zone: Option<String>,
}
