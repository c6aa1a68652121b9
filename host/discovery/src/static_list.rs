//! [`StaticList`]: addresses from the command line. They are all that is known, and for ever: who is gone shows in silence only.
//!
//! But a process that would form a cluster, and is taken for a member of one, learns where the nodes are that do so. A
//! supervisor starts the node that formed the cluster again with the command that formed it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::watch;

use super::{Caller, Claim, ClusterEvent, Discovery, MemberState, PeerSet, Verdict};

/// How long a process that may form a cluster looks for one first, and is looked for. A leader pauses for half of it at most
/// before it calls a member that is gone again, as long as it has not removed it. So does a voter that has no leader, where the
/// time-out of elections is not much longer than by default.
const LOOK_BEFORE_FORMING: Duration = Duration::from_secs(1);

/// A list of seeds, and whether this process was told to form a cluster.
#[derive(Debug)]
pub struct StaticList {
    peers: watch::Sender<PeerSet>,
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
            ..PeerSet::default()
        };
        Self {
            peers: watch::channel(peers).0,
            may_form,
        }
    }

    /// Takes the addresses of callers for seeds, and says so of each that is new.
    fn learn(&self, callers: &[Caller]) {
        for caller in callers {
            let learned = |peers: &mut PeerSet| peers.present.insert(caller.address.clone());
            if self.peers.send_if_modified(learned) {
                tracing::warn!("{}", instead_of_forming(caller));
            }
        }
    }
}

/// What is done where `caller` looks for a member.
fn instead_of_forming(caller: &Caller) -> String {
    format!(
        "{caller}: this node joins that cluster, and forms none; start it with --join {}, so that it finds it by itself, or stop \
         those nodes if the cluster is to begin anew",
        caller.address
    )
}

impl Discovery for StaticList {
    fn peers(&self) -> watch::Receiver<PeerSet> {
        self.peers.subscribe()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict> {
        let wait = |reason| Verdict::Wait { reason };
        let verdict = if !self.may_form {
            wait(String::new())
        } else if let Some(caller) = claim.callers.first() {
            self.learn(&claim.callers);
            wait(instead_of_forming(caller))
        } else if claim.looked_for < LOOK_BEFORE_FORMING {
            wait(String::new())
        } else {
            Verdict::Form
        };
        ready(verdict).boxed()
    }

    fn may_form(&self) -> bool {
        self.may_form
    }

    fn announce(&self, _: Option<MemberState>) {}

    fn notify(&self, _: ClusterEvent) {}

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
        verdict_called_by(&[], list, looked_for)
    }

    fn verdict_called_by(addresses: &[&str], list: &StaticList, looked_for: Duration) -> Verdict {
        let callers = addresses.iter().map(|address| Caller {
            cluster: CALLING.into(),
            address: (*address).to_owned(),
        });
        let claim = Claim {
            cluster: "00112233445566778899aabbccddeeff".into(),
            looked_for,
            without_cluster: BTreeSet::new(),
            pledge: Pledge::default(),
            callers: callers.collect(),
        };
        list.claim(claim).now_or_never().expect("no waiting")
    }

    fn forms(list: &StaticList, looked_for: Duration) -> bool {
        verdict(list, looked_for) == Verdict::Form
    }

    /// A cluster that looks for a member.
    const CALLING: &str = "ffeeddccbbaa99887766554433221100";

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
    fn who_has_nobody_to_look_for_waits_as_long_to_be_looked_for() {
        for (seeds, bootstrap) in [(&[][..], true), (&[OWN], true), (&[OWN, OWN], false)] {
            let list = list(seeds, bootstrap);
            assert!(list.may_form(), "{seeds:?}");
            assert!(!forms(&list, Duration::from_millis(999)), "{seeds:?}");
            assert!(forms(&list, Duration::from_secs(1)), "{seeds:?}");
        }
    }

    #[test]
    fn who_is_looked_for_as_a_member_looks_for_those_who_do_so_and_forms_none() {
        let list = list(&[OWN], true);
        let asked = |callers: &[&str]| verdict_called_by(callers, &list, LONG);
        let Verdict::Wait { reason } = asked(&[OTHER, "127.0.0.1:7002"]) else {
            panic!("it forms a second cluster");
        };
        for part in [CALLING, "--join 127.0.0.1:7001", "stop those nodes"] {
            assert!(reason.contains(part), "{part} in {reason}");
        }
        let learned = [OWN, OTHER, "127.0.0.1:7002"].map(str::to_owned);
        assert_eq!(list.peers().borrow().present, learned.into());
        // They have removed it, or are gone, and do not answer either.
        assert_eq!(asked(&[]), Verdict::Form);
    }

    #[test]
    fn who_forms_none_is_told_by_its_flags_alone_whom_to_join() {
        let list = list(&[OTHER], false);
        verdict_called_by(&["127.0.0.1:7002"], &list, LONG);
        assert_eq!(list.peers().borrow().present, [OTHER.to_owned()].into());
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
