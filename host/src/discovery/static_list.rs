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

    fn may_form(&self) -> bool {
        self.may_form
    }

    fn announce(&self, _: Option<Standing>) {}

    fn notify(&self, _: Notice) {}

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pledge;
    use super::*;

    const OWN: &str = "127.0.0.1:7000";
    const OTHER: &str = "127.0.0.1:7001";

    fn list(seeds: &[&str], bootstrap: bool) -> StaticList {
        StaticList::new(seeds.iter().map(ToString::to_string), OWN, bootstrap)
    }

    fn verdict(list: &StaticList, looked_for: Duration) -> Verdict {
        let claim = Claim {
            cluster: "00112233445566778899aabbccddeeff".into(),
            looked_for,
            without_cluster: BTreeSet::new(),
            pledge: Pledge::default(),
        };
        list.claim(claim).now_or_never().expect("no waiting")
    }

    fn forms(list: &StaticList, looked_for: Duration) -> bool {
        verdict(list, looked_for) == Verdict::Form
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn the_seeds_are_all_that_is_known_and_none_is_ever_gone() {
        let list = list(&[OTHER, OWN, OTHER], false);
        let peers = list.peers().borrow().clone();
        assert_eq!(
            peers.present,
            [OWN, OTHER].map(str::to_owned).into_iter().collect()
        );
        assert!(peers.gone.is_empty());
        assert!(!list.peers().has_changed().expect("the list lives"));
    }

    #[test]
    fn who_was_told_to_form_a_cluster_looks_for_one_first() {
        let list = list(&[OTHER], true);
        assert!(list.may_form());
        assert!(!forms(&list, Duration::from_millis(999)));
        assert!(forms(&list, Duration::from_secs(1)));
    }

    #[test]
    fn who_has_nobody_to_look_for_forms_one_at_once() {
        for (seeds, bootstrap) in [(&[][..], true), (&[OWN], true), (&[OWN, OWN], false)] {
            let list = list(seeds, bootstrap);
            assert!(list.may_form(), "{seeds:?}");
            assert!(forms(&list, Duration::ZERO), "{seeds:?}");
        }
    }

    #[test]
    fn nobody_else_ever_forms_one() {
        for seeds in [&[][..], &[OTHER], &[OWN, OTHER]] {
            let list = list(seeds, false);
            assert!(!list.may_form(), "{seeds:?}");
            // It waits without a reason: that is nothing out of the ordinary.
            let wait = Verdict::Wait {
                reason: String::new(),
            };
            assert_eq!(verdict(&list, LONG), wait, "{seeds:?}");
        }
    }
}
