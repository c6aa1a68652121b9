//! Who may form a cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use spindrift_discovery::kubernetes::Kubernetes;
use spindrift_discovery::{Claim, Discovery as _, Pledge, Role, Verdict};
use tokio::time::sleep;

use crate::api_server::{ApiServer, Containers, Fault};
use crate::pod::{
    LEASE, addresses, claim, claim_for, deployed, events, holder, lease, member, name, reasons,
    recorded, start,
};
use crate::waiting::becomes;

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);

/// An API server whose Lease records the cluster `old`, whose members are all lost, and what the process in the first of
/// `pods` finds.
async fn lost(pods: u8) -> (ApiServer, Kubernetes) {
    let api = deployed(pods);
    let first = start(&api, 0).await;
    let others: BTreeSet<String> = (1..pods).flat_map(|pod| addresses([pod])).collect();
    assert_eq!(claim(&first, "old", &others).await, Verdict::Form);
    drop(first);
    let next = start(&api, 0).await;
    (api, next)
}

fn reason(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Form => panic!("it may not form a cluster"),
        Verdict::Wait { reason } => reason.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_who_asks_forms_the_cluster() {
    let api = deployed(2);
    let (one, other) = (start(&api, 0).await, start(&api, 1).await);
    assert_eq!(claim(&one, "one", &addresses([1])).await, Verdict::Form);
    assert_eq!(recorded(&api).as_deref(), Some("one"));
    assert_eq!(holder(&api), Some(name(0)));
    assert_eq!(lease(&api)["spec"]["leaseDurationSeconds"], 15);
    assert_eq!(lease(&api)["metadata"]["ownerReferences"][0]["name"], "kv");
    let verdict = claim_for(&other, "other", &BTreeSet::new(), LONG).await;
    assert!(reason(&verdict).contains("kv-0"), "{verdict:?}");
    becomes(
        "it is told",
        || reasons(&api),
        ["ClusterFormed".to_owned()].into(),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_pods_that_do_not_answer_are_waited_for_as_long_as_a_lease_lasts() {
    let api = deployed(2);
    let one = start(&api, 0).await;
    let nobody = BTreeSet::new();
    let verdict = claim_for(&one, "one", &nobody, SHORT).await;
    assert!(reason(&verdict).contains("kv-1"), "{verdict:?}");
    assert_eq!(claim_for(&one, "one", &nobody, SHORT).await, Verdict::Form);
}

#[tokio::test(start_paused = true)]
async fn a_lost_cluster_is_given_up_when_its_lease_has_expired() {
    let (api, next) = lost(2).await;
    let others = addresses([1]);
    assert_ne!(claim_for(&next, "new", &others, SHORT).await, Verdict::Form);
    assert_eq!(recorded(&api).as_deref(), Some("old"));
    assert_eq!(claim_for(&next, "new", &others, SHORT).await, Verdict::Form);
    assert_eq!(recorded(&api).as_deref(), Some("new"));
    becomes("it is told", || reasons(&api).contains("ClusterLost"), true).await;
    let told = events(&api);
    let lost = told.iter().find(|(reason, _)| reason == "ClusterLost");
    let note = &lost.expect("an Event").1;
    assert!(note.contains("empty") && note.contains("old"), "{note}");
    let all = api.objects("events");
    let lost = all.iter().find(|event| event["reason"] == "ClusterLost");
    assert_eq!(lost.expect("an Event")["type"], "Warning");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_does_not_expire() {
    let (api, next) = lost(2).await;
    let leader = start(&api, 1).await;
    leader.announce(member("old", 2, Role::Leader, 3));
    let verdict = claim_for(&next, "new", &addresses([1]), LONG).await;
    assert!(reason(&verdict).contains("kv-1"), "{verdict:?}");
    assert_eq!(recorded(&api).as_deref(), Some("old"));
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_that_does_not_answer_may_hold_data() {
    let (api, next) = lost(3).await;
    let answered = addresses([1]);
    let verdict = claim_for(&next, "new", &answered, LONG).await;
    let reason = reason(&verdict);
    assert!(
        reason.contains("kv-2") && !reason.contains("kv-1"),
        "{reason}"
    );
    // A pod that is to end may hold data until it has.
    api.terminate_pod(&name(2));
    assert_ne!(
        claim_for(&next, "new", &answered, LONG).await,
        Verdict::Form
    );
    api.set_containers(&name(2), Containers::CrashLoop);
    assert_eq!(
        claim_for(&next, "new", &answered, LONG).await,
        Verdict::Form
    );
}

#[tokio::test(start_paused = true)]
async fn answers_from_before_the_lease_was_seen_do_not_count() {
    let (api, next) = lost(2).await;
    sleep(LONG).await;
    // It is as old as can be, and this process sees it for the first time.
    assert_ne!(claim(&next, "new", &addresses([1])).await, Verdict::Form);
    // Neither do those that are older than ten seconds, if the process stood still.
    sleep(LONG).await;
    let verdict = claim(&next, "new", &addresses([1])).await;
    assert!(reason(&verdict).contains("asked for again"), "{verdict:?}");
    assert_eq!(
        claim_for(&next, "new", &addresses([1]), SHORT).await,
        Verdict::Form
    );
    assert_eq!(recorded(&api).as_deref(), Some("new"));
}

/// The create has been done, and nobody says so: the claim finds its own record, and confirms it by another write.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_lose_the_claim() {
    let api = deployed(2);
    let (one, other) = (start(&api, 0).await, start(&api, 1).await);
    api.fail_once("create", "leases", Fault::LostAnswer);
    assert_ne!(claim(&one, "one", &addresses([1])).await, Verdict::Form);
    assert_eq!(recorded(&api).as_deref(), Some("one"));
    assert_ne!(claim(&other, "other", &addresses([0])).await, Verdict::Form);
    let writes = api.count("update", "leases");
    assert_eq!(
        claim_for(&one, "one", &addresses([1]), SHORT).await,
        Verdict::Form
    );
    assert_eq!(api.count("update", "leases"), writes + 1);
    assert_ne!(
        claim_for(&other, "other", &BTreeSet::new(), LONG).await,
        Verdict::Form
    );
}

/// The one that has not got its answer says so: it belongs to no cluster. The other may form one then, and only one does.
#[tokio::test(start_paused = true)]
async fn a_claim_that_was_given_up_is_not_taken_up_again() {
    let api = deployed(2);
    let (one, other) = (start(&api, 0).await, start(&api, 1).await);
    api.fail_once("create", "leases", Fault::LostAnswer);
    assert_ne!(claim(&one, "one", &addresses([1])).await, Verdict::Form);
    assert_eq!(
        claim_for(&other, "other", &addresses([0]), LONG).await,
        Verdict::Form
    );
    assert_ne!(
        claim_for(&one, "one", &BTreeSet::new(), LONG).await,
        Verdict::Form
    );
    assert_eq!(recorded(&api).as_deref(), Some("other"));
}

/// While a write is under way, and after it has succeeded, nobody may hear that this process belongs to no cluster.
#[tokio::test(start_paused = true)]
async fn the_pledge_is_given_before_the_write_and_kept_after_it() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    let pledge = Pledge::default();
    let claim = Claim {
        cluster: "one".into(),
        looked_for: Duration::from_secs(1),
        without_cluster: BTreeSet::new(),
        pledge: pledge.clone(),
        callers: Vec::new(),
    };
    api.fail_once("create", "leases", Fault::Slow(Duration::from_secs(60)));
    let asked = tokio::spawn({
        let claim = claim.clone();
        async move { (one.claim(claim).await, one) }
    });
    becomes("it is given", || pledge.is_given(), true).await;
    assert_eq!(recorded(&api), None);
    let (verdict, one) = asked.await.expect("no panic");
    assert_ne!(verdict, Verdict::Form);
    assert!(!pledge.is_given(), "the claim has failed");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(one.claim(claim).await, Verdict::Form);
    assert!(pledge.is_given());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_being_deleted_forms_nothing() {
    for gone in [false, true] {
        let (api, next) = lost(2).await;
        assert_ne!(
            claim_for(&next, "new", &addresses([1]), SHORT).await,
            Verdict::Form
        );
        if gone {
            api.remove_pod(&name(0));
            // A pod of the same name is another one.
            api.add_pod(&name(0), "10.0.0.77");
        } else {
            api.terminate_pod(&name(0));
        }
        let others: BTreeSet<String> = addresses([1, 76]);
        let verdict = claim_for(&next, "new", &others, LONG).await;
        assert!(reason(&verdict).contains("deleted"), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_a_cluster_is_treated_as_one_that_has_to_expire() {
    let api = deployed(2);
    let one = start(&api, 0).await;
    let place = || ("leases".into(), "apps".into(), LEASE.into());
    let empty = serde_json::json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "labels": { "made": "by-hand" } }, "spec": {},
    });
    api.change(|all| all.create(place(), empty));
    assert_ne!(
        claim_for(&one, "one", &addresses([1]), SHORT).await,
        Verdict::Form
    );
    assert_eq!(
        claim_for(&one, "one", &addresses([1]), SHORT).await,
        Verdict::Form
    );
    assert_eq!(lease(&api)["metadata"]["labels"]["made"], "by-hand");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_account_may_not_do_is_said_in_the_words_of_its_role() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    api.refuse("create", "leases", true);
    let verdict = claim(&one, "one", &BTreeSet::new()).await;
    let reason = reason(&verdict);
    assert!(
        reason.contains("create leases.coordination.k8s.io"),
        "{reason}"
    );
    // It is tried again after half a minute, not four times a second.
    let calls = api.count("create", "leases");
    assert_ne!(
        claim_for(&one, "one", &BTreeSet::new(), SHORT).await,
        Verdict::Form
    );
    assert_eq!(api.count("create", "leases"), calls);
    api.refuse("create", "leases", false);
    assert_eq!(
        claim_for(&one, "one", &BTreeSet::new(), LONG).await,
        Verdict::Form
    );
}
