//! [`StaticList`]: addresses from the command line. They are all that is known, for ever: who is gone shows in silence only.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::watch;

use super::{Claim, Discovery, Notice, PeerSet, Standing, Verdict};

/// How long a process that may form a cluster looks for one first.
const LOOK_BEFORE_FORMING: Duration = Duration::from_secs(1);

/// A list of seeds, and whether this process was told to form a cluster.
#[derive(Debug)]
pub struct StaticList {
    peers: watch::Sender<PeerSet>,
    /// The only seed is this process itself, so there is nobody to look for.
    alone: bool,
    may_form: bool,
}

impl StaticList {
    /// `seeds` are the addresses that were given, `own` is the one of this process. It may form a cluster if it was told to
    /// `bootstrap`, or if it is its own only seed.
    #[must_use]
    pub fn new(seeds: impl IntoIterator<Item = String>, own: &str, bootstrap: bool) -> Self {
        let present: BTreeSet<String> = seeds.into_iter().collect();
        let alone = present.iter().all(|seed| seed == own);
        let may_form = bootstrap || (alone && !present.is_empty());
        let peers = PeerSet {
            present,
            gone: BTreeSet::new(),
        };
        Self {
            peers: watch::channel(peers).0,
            alone,
            may_form,
        }
    }
}

impl Discovery for StaticList {
    fn peers(&self) -> watch::Receiver<PeerSet> {
        self.peers.subscribe()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict> {
        let form = self.may_form && (self.alone || claim.looked_for >= LOOK_BEFORE_FORMING);
        let wait = || Verdict::Wait {
            reason: String::new(),
        };
        ready(if form { Verdict::Form } else { wait() }).boxed()
    }

    fn announce(&self, _: Option<Standing>) {}

    fn notify(&self, _: Notice) {}

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
