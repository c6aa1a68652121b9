//! The Lease of a cluster that was lost, and the clusters that were recovered from it.

use std::collections::BTreeSet;
use std::time::Duration;

use spindrift_discovery::kubernetes::Kubernetes;
use spindrift_discovery::{Discovery as _, MemberState, Role, Verdict};
use tokio::time::sleep;

use crate::api_server::{ApiServer, Fault};
use crate::pod::{
    addresses, claim_for, deployed, events, holder, lease, member, name, reasons, recorded,
    recovered, start,
};
use crate::waiting::becomes;

/// Longer than a Lease lasts, with the pause between two looks.
const LONG: Duration = Duration::from_secs(25);

/// Less than a Lease lasts.
const SHORT: Duration = Duration::from_secs(10);

/// The leader of `cluster`, which was recovered from `from`.
fn leads<const N: usize>(cluster: &str, from: [&str; N]) -> Option<MemberState> {
    recovered(member(cluster, 9, Role::Leader, 1), from)
}

/// An API server whose Lease records the cluster `old`, held by the first pod, and what the others find.
async fn lost<const N: usize>(others: [u8; N]) -> (ApiServer, Vec<Kubernetes>) {
    let api = deployed(N as u8 + 1);
    let first = start(&api, 0).await;
    first.announce(member("old", 1, Role::Leader, 7));
    becomes("it is recorded", || recorded(&api), Some("old".to_owned())).await;
    drop(first);
    let mut found = Vec::new();
    for pod in others {
        found.push(start(&api, pod).await);
    }
    (api, found)
}

/// The annotation that says what the recorded cluster was recovered from.
fn recovered_from(api: &ApiServer) -> Option<String> {
    let from = &lease(api)["metadata"]["annotations"]["spindrift.dev/recovered-from"];
    from.as_str().map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn a_recovered_cluster_takes_the_lease_once_it_has_expired() {
    let (api, others) = lost([1]).await;
    others[0].announce(leads("new", ["old"]));
    sleep(SHORT).await;
    assert_eq!(recorded(&api).as_deref(), Some("old"));
    becomes("it has it", || recorded(&api), Some("new".to_owned())).await;
    assert_eq!(holder(&api), Some(name(1)));
    assert_eq!(recovered_from(&api).as_deref(), Some("old"));
    becomes(
        "it is told",
        || reasons(&api).contains("ClusterRecovered"),
        true,
    )
    .await;
    assert!(!reasons(&api).contains("RivalCluster"));
    // The old leader comes back, in a later term than any of the new cluster, and takes nothing.
    let old = start(&api, 0).await;
    old.announce(member("old", 1, Role::Leader, 99));
    becomes(
        "it is told",
        || reasons(&api).contains("RivalCluster"),
        true,
    )
    .await;
    sleep(LONG * 4).await;
    assert_eq!(recorded(&api).as_deref(), Some("new"));
    assert_eq!(holder(&api), Some(name(1)));
}

/// It was cut off, and nothing was lost. Two clusters live by the will of a person; only people can end one of them.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_lives_keeps_the_lease() {
    let (api, others) = lost([1]).await;
    let old = start(&api, 0).await;
    old.announce(member("old", 1, Role::Leader, 7));
    others[0].announce(leads("new", ["old"]));
    becomes(
        "it is told",
        || reasons(&api).contains("RivalCluster"),
        true,
    )
    .await;
    sleep(LONG * 4).await;
    assert_eq!(recorded(&api).as_deref(), Some("old"));
    let told = events(&api);
    let rivals = told.iter().filter(|(reason, _)| reason == "RivalCluster");
    assert_eq!(rivals.count(), 1, "{told:?}");
    // Until it lives no more.
    drop(old);
    becomes("it has it", || recorded(&api), Some("new".to_owned())).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_the_lease_of_a_cluster_that_it_was_not_recovered_from() {
    let (api, others) = lost([1]).await;
    others[0].announce(leads("new", ["another"]));
    sleep(LONG * 4).await;
    assert_eq!(recorded(&api).as_deref(), Some("old"));
    assert!(reasons(&api).contains("RivalCluster"));
}

#[tokio::test(start_paused = true)]
async fn of_two_recovered_clusters_one_takes_the_lease_and_keeps_it() {
    // Neither of them alone fails, and an answer that does not come changes nothing.
    for fault in [None, Some(Fault::LostAnswer), Some(Fault::LostRequest)] {
        let (api, others) = lost([1, 2]).await;
        if let Some(fault) = fault {
            api.fail_once("update", "leases", fault);
        }
        others[0].announce(leads("one", ["old"]));
        others[1].announce(leads("other", ["old"]));
        becomes(
            "one is told",
            || reasons(&api).contains("RivalCluster"),
            true,
        )
        .await;
        let first = recorded(&api);
        assert!(["one", "other"].contains(&first.as_deref().expect("a cluster")));
        for _ in 0..40 {
            sleep(Duration::from_secs(5)).await;
            assert_eq!(recorded(&api), first);
        }
        let told = events(&api);
        let rivals = told.iter().filter(|(reason, _)| reason == "RivalCluster");
        assert_eq!(rivals.count(), 1, "{told:?}");
    }
}

/// Neither who led it first, nor the cluster that it was recovered from in turn, has written the Lease.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_in_time_is_made_up_for() {
    let (api, others) = lost([1, 2]).await;
    api.set_away(true);
    others[0].announce(leads("between", ["old"]));
    sleep(LONG).await;
    others[0].announce(recovered(member("between", 9, Role::Follower, 2), ["old"]));
    others[1].announce(leads("new", ["old", "between"]));
    sleep(LONG).await;
    api.set_away(false);
    becomes("it has it", || recorded(&api), Some("new".to_owned())).await;
    assert_eq!(holder(&api), Some(name(2)));
    assert_eq!(recovered_from(&api).as_deref(), Some("between"));
    // What came between has no way back.
    others[0].announce(leads("between", ["old"]));
    sleep(LONG * 4).await;
    assert_eq!(recorded(&api).as_deref(), Some("new"));
}

/// Whoever claims has not heard of the node that recovers that it belongs to no cluster.
#[tokio::test(start_paused = true)]
async fn nobody_forms_a_cluster_while_another_one_is_recovered() {
    let (api, others) = lost([1, 2]).await;
    let answered: BTreeSet<String> = addresses([0]);
    let claims = claim_for(&others[1], "empty", &answered, LONG);
    let recovers = async {
        sleep(SHORT).await;
        others[0].announce(leads("new", ["old"]));
    };
    let (verdict, ()) = tokio::join!(claims, recovers);
    assert_ne!(verdict, Verdict::Form);
    becomes("it has it", || recorded(&api), Some("new".to_owned())).await;
    let verdict = claim_for(&others[1], "empty", &answered, LONG).await;
    assert_ne!(verdict, Verdict::Form);
}

/// A claim and a recovered cluster want the Lease at the same moment: one of them has it, and the other sees that.
#[tokio::test(start_paused = true)]
async fn a_claim_and_a_recovered_cluster_do_not_both_have_the_lease() {
    const APART: Duration = Duration::from_millis(500);
    let now = Duration::ZERO;
    let mut had = BTreeSet::new();
    for (claims_after, announced_after) in [(now, APART), (APART, now), (now, now)] {
        let (api, others) = lost([1, 2]).await;
        let everybody = addresses([0, 1]);
        for slow in [50, 10].map(Duration::from_millis) {
            api.fail_once("update", "leases", Fault::Slow(slow));
        }
        let claims = async {
            sleep(claims_after).await;
            claim_for(&others[1], "empty", &everybody, LONG * 2).await
        };
        let recovers = async {
            sleep(announced_after).await;
            others[0].announce(leads("new", ["old"]));
        };
        let (verdict, ()) = tokio::join!(claims, recovers);
        sleep(LONG).await;
        let recorded = recorded(&api).expect("a cluster");
        let formed = verdict == Verdict::Form;
        assert_eq!(recorded, if formed { "empty" } else { "new" });
        had.insert(recorded);
    }
    assert_eq!(had.len(), 2, "{had:?}");
}
