//! The calls that a pod makes: what its Role has to allow, and no more.

use std::collections::BTreeSet;
use std::time::Duration;

use spindrift_discovery::{ClusterEvent, Discovery as _, Role, Verdict};
use tokio::time::sleep;

use crate::api_server::Call;
use crate::pod::{addresses, claim, claim_for, deployed, label, member, start};
use crate::waiting::becomes;

/// What the Role of a Deployment's pods allows: API group, resource, verbs.
pub const REQUIRED_CALLS: [(&str, &str, &[&str]); 5] = [
    ("", "pods", &["get", "list", "watch", "patch"]),
    ("apps", "deployments", &["get"]),
    ("apps", "replicasets", &["get"]),
    (
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update"],
    ),
    ("events.k8s.io", "events", &["create", "patch"]),
];

/// Does all that a pod ever does, and compares.
#[tokio::test(start_paused = true)]
async fn a_pod_makes_the_calls_of_its_role_and_no_others() {
    let api = deployed(2);
    let one = start(&api, 0).await;
    assert_eq!(claim(&one, "c", &addresses([1])).await, Verdict::Form);
    one.announce(member("c", 1, Role::Leader, 1));
    one.notify(ClusterEvent::QuorumLost);
    one.notify(ClusterEvent::QuorumLost);
    becomes("its role", || label(&api, 0), Some("leader".to_owned())).await;
    // A watch that ends, one that has expired, and an API server that is away.
    api.cut_watches();
    sleep(Duration::from_secs(60)).await;
    api.forget_history();
    api.cut_watches();
    api.set_away(true);
    sleep(Duration::from_secs(60)).await;
    api.set_away(false);
    sleep(Duration::from_secs(60)).await;
    one.close().await;
    let next = start(&api, 1).await;
    let given_up = claim_for(&next, "d", &addresses([0]), Duration::from_secs(60)).await;
    assert_eq!(given_up, Verdict::Form);
    next.close().await;

    let required = REQUIRED_CALLS.iter().flat_map(|(group, resource, verbs)| {
        verbs.iter().map(|verb| Call {
            verb,
            group: (*group).to_owned(),
            resource: (*resource).to_owned(),
        })
    });
    assert_eq!(api.calls(), required.collect::<BTreeSet<_>>());
}
