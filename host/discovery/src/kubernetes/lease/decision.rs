//! Whether a claim may form a cluster, from what is known at one moment and without asking anybody.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::super::pods;
use super::record::Record;

/// What is known when a claim is decided.
#[derive(Clone, Debug)]
pub(crate) struct Known<'a> {
    /// The id of the cluster that would be formed.
    pub claimed: &'a str,
    /// What the Lease says; `None` if there is none.
    pub recorded: Option<&'a Record>,
    /// For how long this process has seen it unchanged, or missing, by its own clock; zero if it was otherwise in the claim
    /// before.
    pub unchanged_for: Duration,
    /// How long it has to stay unchanged before the cluster that it records is given up.
    pub lease_duration: Duration,
    /// The other pods in which something may run and that have not answered that they belong to no cluster.
    pub silent: Vec<String>,
}

/// What a claim leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The claimed cluster may be recorded in the Lease, which is made if there is none.
    Form {
        /// The cluster that is recorded. If that is the claimed one, an earlier claim has recorded it.
        instead_of: Option<String>,
    },
    /// Nothing may be formed yet.
    Wait(String),
}

/// Decides a claim.
pub(crate) fn decide(known: &Known<'_>) -> Decision {
    let Some(recorded) = known.recorded else {
        // No cluster has been formed, or somebody has deleted the Lease: then a leader makes it again before it would have expired.
        return if known.silent.is_empty() || known.unchanged_for >= known.lease_duration {
            Decision::Form { instead_of: None }
        } else {
            Decision::Wait(silence(&known.silent))
        };
    };
    let instead_of = recorded.cluster.clone();
    if instead_of.as_deref() == Some(known.claimed) {
        return Decision::Form { instead_of };
    }
    let cluster = instead_of.as_deref().unwrap_or("none");
    if known.unchanged_for < known.lease_duration {
        let holder = recorded.holder.as_deref().unwrap_or("nobody");
        return Decision::Wait(format!(
            "the Lease records cluster {cluster}, held by {holder}; it may be given up when it has not been renewed for {:?}",
            known.lease_duration
        ));
    }
    if !known.silent.is_empty() {
        return Decision::Wait(format!(
            "the Lease records cluster {cluster}, and {}",
            silence(&known.silent)
        ));
    }
    Decision::Form { instead_of }
}

fn silence(silent: &[String]) -> String {
    format!(
        "these pods run and have not answered that they belong to no cluster, so they may hold data: {}; delete those that \
         are beyond repair",
        silent.join(", ")
    )
}

/// The pods, without the own one, in which something may run and whose address is not `without_cluster`.
pub(crate) fn silent(
    pods: &[Pod],
    own_uid: &str,
    port: u16,
    without_cluster: &BTreeSet<String>,
) -> Vec<String> {
    let others = pods
        .iter()
        .filter(|pod| pod.metadata.uid.as_deref() != Some(own_uid) && pods::may_run(pod));
    let silent = others.filter(|pod| {
        let address = pods::address(pod, port);
        address.is_none_or(|address| !without_cluster.contains(&address))
    });
    silent.filter_map(|pod| pod.metadata.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn record() -> impl Strategy<Value = Option<Record>> {
        let cluster = prop::option::of(prop::sample::select(vec!["a", "b"]));
        prop::option::of(cluster.prop_map(|cluster| Record {
            cluster: cluster.map(str::to_owned),
            ..Record::default()
        }))
    }

    proptest! {
        /// Another cluster's record is replaced only when it has not been renewed in time and all who run have answered.
        #[test]
        fn a_cluster_is_given_up_only_when_nobody_can_hold_it(
            recorded in record(),
            unchanged in 0u64..30,
            silent in prop::collection::vec("[a-z]{3}", 0..3),
        ) {
            let known = Known {
                claimed: "a",
                recorded: recorded.as_ref(),
                unchanged_for: Duration::from_secs(unchanged),
                lease_duration: LASTS,
                silent: silent.clone(),
            };
            let expired = unchanged >= 15;
            match decide(&known) {
                Decision::Form { instead_of } => match recorded {
                    None => {
                        prop_assert_eq!(instead_of, None);
                        prop_assert!(silent.is_empty() || expired);
                    }
                    Some(recorded) => {
                        prop_assert_eq!(&instead_of, &recorded.cluster);
                        let own = instead_of.as_deref() == Some("a");
                        prop_assert!(own || (expired && silent.is_empty()));
                    }
                },
                Decision::Wait(reason) => {
                    // Whoever waits is told for whom.
                    let own = recorded.as_ref().is_some_and(|r| r.cluster.as_deref() == Some("a"));
                    prop_assert!(!own);
                    let lease_is_why = recorded.is_some() && !expired;
                    prop_assert!(lease_is_why || silent.iter().all(|pod| reason.contains(pod)));
                    prop_assert!(lease_is_why || !silent.is_empty());
                }
            }
        }
    }
}
