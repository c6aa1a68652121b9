//! The Lease names the leader of the recorded cluster.

use std::time::Duration;

use serde_json::{Value, json};
use spindrift_discovery::{Discovery as _, Role, Verdict};
use tokio::time::sleep;

use crate::api_server::{ApiServer, Fault};
use crate::pod::{
    LEASE, addresses, claim, deployed, holder, lease, member, name, reasons, recorded, start,
};
use crate::waiting::{becomes, eventually};

fn renewed(api: &ApiServer) -> Value {
    lease(api)["spec"]["renewTime"].clone()
}

fn term(api: &ApiServer) -> Value {
    lease(api)["metadata"]["annotations"]["spindrift.dev/term"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_leader_renews_the_lease_and_the_next_one_takes_it() {
    let api = deployed(2);
    let (one, other) = (start(&api, 0).await, start(&api, 1).await);
    assert_eq!(claim(&one, "c", &addresses([1])).await, Verdict::Form);
    one.announce(member("c", 1, Role::Leader, 1));
    other.announce(member("c", 2, Role::Follower, 1));
    becomes("its term is written", || term(&api), json!("1")).await;
    assert_eq!(lease(&api)["spec"]["leaseTransitions"], 0);
    let (before, writes) = (renewed(&api), api.count("update", "leases"));
    sleep(Duration::from_secs(60)).await;
    assert_ne!(renewed(&api), before);
    let writes = api.count("update", "leases") - writes;
    assert!((11..=13).contains(&writes), "{writes} renewals in a minute");
    // A leader that hears of its successor late changes nothing any more.
    other.announce(member("c", 2, Role::Leader, 2));
    becomes("the next one has it", || holder(&api), Some(name(1))).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((holder(&api), term(&api)), (Some(name(1)), json!("2")));
    assert_eq!(lease(&api)["spec"]["leaseTransitions"], 1);
    one.announce(member("c", 1, Role::Follower, 2));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(holder(&api), Some(name(1)));
    // Until it is elected again.
    one.announce(member("c", 1, Role::Leader, 3));
    becomes("the first one has it", || holder(&api), Some(name(0))).await;
}

#[tokio::test(start_paused = true)]
async fn only_a_leader_writes_the_lease() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    for role in [Role::Learner, Role::Follower] {
        one.announce(member("c", 1, role, 5));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(recorded(&api), None);
    }
}

#[tokio::test(start_paused = true)]
async fn another_clusters_record_is_never_written_over() {
    let api = deployed(2);
    let (one, rival) = (start(&api, 0).await, start(&api, 1).await);
    assert_eq!(claim(&one, "c", &addresses([1])).await, Verdict::Form);
    // Not even when nobody renews it.
    rival.announce(member("rival", 1, Role::Leader, 9));
    becomes(
        "it is told",
        || reasons(&api).contains("RivalCluster"),
        true,
    )
    .await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(recorded(&api).as_deref(), Some("c"));
    assert_eq!(holder(&api), Some(name(0)));
    // It is told once.
    let told = api.objects("events");
    let rivals = told
        .iter()
        .filter(|event| event["reason"] == "RivalCluster");
    assert_eq!(
        rivals
            .map(|event| event["series"].clone())
            .collect::<Vec<_>>(),
        [Value::Null]
    );
    // What the error says to do helps.
    api.delete("leases", LEASE);
    becomes(
        "it is recorded",
        || recorded(&api),
        Some("rival".to_owned()),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_is_made_again() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    one.announce(member("c", 1, Role::Leader, 1));
    becomes("it is made", || recorded(&api), Some("c".to_owned())).await;
    api.delete("leases", LEASE);
    becomes("it is made again", || recorded(&api), Some("c".to_owned())).await;
    assert_eq!(holder(&api), Some(name(0)));
}

#[tokio::test(start_paused = true)]
async fn renewals_go_on_after_the_api_server_was_away_and_after_failures() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    one.announce(member("c", 1, Role::Leader, 1));
    becomes("it is made", || recorded(&api), Some("c".to_owned())).await;
    for fault in [
        Fault::Status(500),
        Fault::Status(429),
        Fault::LostRequest,
        Fault::LostAnswer,
    ] {
        api.fail_once("update", "leases", fault);
        let before = api.count("update", "leases");
        eventually(
            "renewals",
            || api.count("update", "leases"),
            |now| *now > before + 2,
        )
        .await;
    }
    api.set_away(true);
    sleep(Duration::from_secs(600)).await;
    one.announce(member("c", 1, Role::Leader, 7));
    api.set_away(false);
    becomes("it says so", || term(&api), json!("7")).await;
    api.refuse("update", "leases", true);
    one.announce(member("c", 1, Role::Leader, 8));
    sleep(Duration::from_secs(60)).await;
    api.refuse("update", "leases", false);
    becomes("it says so", || term(&api), json!("8")).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_lets_go_of_the_lease() {
    let api = deployed(2);
    let (one, other) = (start(&api, 0).await, start(&api, 1).await);
    one.announce(member("c", 1, Role::Leader, 1));
    becomes("it has it", || holder(&api), Some(name(0))).await;
    // One that never led has nothing to let go of.
    other.close().await;
    assert_eq!(holder(&api), Some(name(0)));
    one.close().await;
    assert_eq!(holder(&api).as_deref(), Some(""));
    assert_eq!(recorded(&api).as_deref(), Some("c"));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_late_leaves_the_lease_to_the_next_one() {
    let api = deployed(2);
    let (one, other) = (start(&api, 0).await, start(&api, 1).await);
    one.announce(member("c", 1, Role::Leader, 1));
    becomes("it has it", || holder(&api), Some(name(0))).await;
    other.announce(member("c", 2, Role::Leader, 2));
    becomes("the next one has it", || holder(&api), Some(name(1))).await;
    one.close().await;
    assert_eq!(holder(&api), Some(name(1)));
}
