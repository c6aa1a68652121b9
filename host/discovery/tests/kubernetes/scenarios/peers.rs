//! Which pods are peers, and which are gone.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use spindrift_discovery::{Discovery as _, Place, Role};
use tokio::time::{Instant, sleep};

use crate::api_server::Containers;
use crate::pod::{PORT, addresses, deployed, ip, label, member, name, peers, start};
use crate::waiting::becomes;

/// How long after the API server is back what has happened meanwhile may stay unknown.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn the_pods_of_all_revisions_of_the_deployment_are_peers() {
    let api = deployed(1);
    let next = json!({ "app": "kv", "pod-template-hash": "2b" });
    api.add_pod_of("kv-next", "10.0.0.2", next);
    api.add_pod_of("other", "10.0.0.3", json!({ "app": "other" }));
    api.add_pod_of("pending", "", json!({ "app": "kv" }));
    let kubernetes = start(&api, 0).await;
    assert_eq!(kubernetes.advertise(), format!("10.0.0.1:{PORT}"));
    becomes("both", || peers(&kubernetes).present, addresses([0, 1])).await;
    // It is scheduled, and gets its address.
    api.patch_pod("pending", &json!({ "status": { "podIP": "10.0.0.4" } }));
    becomes("all", || peers(&kubernetes).present, addresses([0, 1, 3])).await;
    assert_eq!(peers(&kubernetes).gone, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_deleted_or_have_failed_are_gone() {
    let api = deployed(4);
    let kubernetes = start(&api, 0).await;
    becomes("four", || peers(&kubernetes).present.len(), 4).await;
    // A pod that ends leaves its cluster by itself, and a container that is started again is not gone.
    api.terminate_pod(&name(1));
    api.set_containers(&name(3), Containers::CrashLoop);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(peers(&kubernetes).present, addresses([0, 1, 2, 3]));
    api.remove_pod(&name(1));
    becomes("it is gone", || peers(&kubernetes).gone, addresses([1])).await;
    api.patch_pod(&name(2), &json!({ "status": { "phase": "Failed" } }));
    becomes("both are", || peers(&kubernetes).gone, addresses([1, 2])).await;
    assert_eq!(peers(&kubernetes).present, addresses([0, 3]));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_another_pod_has_taken_is_present() {
    let api = deployed(2);
    let kubernetes = start(&api, 0).await;
    becomes("two", || peers(&kubernetes).present.len(), 2).await;
    api.remove_pod(&name(1));
    becomes("it is gone", || peers(&kubernetes).gone, addresses([1])).await;
    api.add_pod("kv-new", "10.0.0.2");
    becomes(
        "it is there",
        || peers(&kubernetes).present,
        addresses([0, 1]),
    )
    .await;
    assert_eq!(peers(&kubernetes).gone, BTreeSet::new());
    // Also while the pod that had it before is still listed, and when that goes.
    api.patch_pod("kv-new", &json!({ "status": { "phase": "Succeeded" } }));
    becomes("it has ended", || peers(&kubernetes).gone, addresses([1])).await;
    api.add_pod("kv-newer", "10.0.0.2");
    api.remove_pod("kv-new");
    becomes(
        "another has it",
        || peers(&kubernetes).present,
        addresses([0, 1]),
    )
    .await;
    assert_eq!(peers(&kubernetes).gone, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_another_address_leaves_its_first_one() {
    let api = deployed(2);
    let kubernetes = start(&api, 0).await;
    becomes("two", || peers(&kubernetes).present.len(), 2).await;
    // Its machine was restarted.
    api.patch_pod(&name(1), &json!({ "status": { "podIP": "10.0.0.9" } }));
    becomes("it moves", || peers(&kubernetes).present, addresses([0, 8])).await;
    assert_eq!(peers(&kubernetes).gone, addresses([1]));
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_labels_are_taken_off_is_no_peer_and_not_gone() {
    let api = deployed(2);
    let kubernetes = start(&api, 0).await;
    becomes("two", || peers(&kubernetes).present.len(), 2).await;
    api.patch_pod(
        &name(1),
        &json!({ "metadata": { "labels": { "app": "debugged" } } }),
    );
    becomes("one", || peers(&kubernetes).present, addresses([0])).await;
    assert_eq!(peers(&kubernetes).gone, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_nobody_watches_is_found_out() {
    let api = deployed(3);
    let kubernetes = start(&api, 0).await;
    becomes("three", || peers(&kubernetes).present.len(), 3).await;
    api.set_away(true);
    api.remove_pod(&name(1));
    sleep(Duration::from_secs(600)).await;
    assert_eq!(peers(&kubernetes).present, addresses([0, 1, 2]));
    api.set_away(false);
    becomes("it is gone", || peers(&kubernetes).gone, addresses([1])).await;
    // The server need not remember how it was.
    api.set_away(true);
    api.remove_pod(&name(2));
    api.add_pod("kv-new", "10.0.0.8");
    api.forget_history();
    sleep(Duration::from_secs(60)).await;
    api.set_away(false);
    becomes("both are", || peers(&kubernetes).gone, addresses([1, 2])).await;
    assert_eq!(peers(&kubernetes).present, addresses([0, 7]));
}

#[tokio::test(start_paused = true)]
async fn it_is_known_on_which_machine_and_in_which_zone_a_pod_runs() {
    let api = deployed(2);
    let zone = json!({ "app": "kv", "topology.kubernetes.io/zone": "z" });
    api.add_pod_of("kv-2", "10.0.0.3", zone);
    for (pod, machine) in [(1, "a"), (2, "b")] {
        let on = json!({ "spec": { "nodeName": machine } });
        api.patch_pod(&name(pod), &on);
    }
    let kubernetes = start(&api, 0).await;
    let place = |machine: &str, zone: Option<&str>| Place {
        machine: machine.to_owned(),
        zone: zone.map(str::to_owned),
    };
    let of = |pod: u8| format!("{}:{PORT}", ip(pod));
    let places = [(of(1), place("a", None)), (of(2), place("b", Some("z")))];
    becomes("both", || peers(&kubernetes).places, places.into()).await;
    let late = json!({ "spec": { "nodeName": "c" } });
    api.patch_pod(&name(0), &late);
    let is_known = || peers(&kubernetes).places.get(&of(0)).cloned();
    becomes("its machine", is_known, Some(place("c", None))).await;
    api.remove_pod(&name(1));
    becomes("it is gone", || peers(&kubernetes).places.len(), 2).await;
}

/// Whenever it comes back, and whether or not it still knows the place where the watch was. It is not asked without a pause
/// meanwhile.
#[tokio::test(start_paused = true)]
async fn soon_after_an_api_server_is_back_its_pods_and_roles_are_known() {
    for away_for in (50..80).map(Duration::from_secs) {
        let api = deployed(2);
        let kubernetes = start(&api, 0).await;
        becomes("two", || peers(&kubernetes).present.len(), 2).await;
        let role = async |role, word: &str| {
            kubernetes.announce(member("c", 1, role, 1));
            becomes("its role", || label(&api, 0), Some(word.to_owned())).await;
        };
        role(Role::Learner, "learner").await;
        api.set_away(true);
        let attempts = api.attempts();
        kubernetes.announce(member("c", 1, Role::Follower, 1));
        api.remove_pod(&name(1));
        api.forget_history();
        sleep(away_for).await;
        let attempts = api.attempts() - attempts;
        assert!(
            attempts < 2 * away_for.as_secs() as usize,
            "{attempts} attempts in {away_for:?}"
        );
        api.set_away(false);
        let back = Instant::now();
        becomes("it is gone", || peers(&kubernetes).gone, addresses([1])).await;
        becomes("its role", || label(&api, 0), Some("follower".to_owned())).await;
        let late = back.elapsed();
        assert!(late < SOON, "{late:?} after {away_for:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_without_a_list() {
    let api = deployed(2);
    let kubernetes = start(&api, 0).await;
    becomes("two", || peers(&kubernetes).present.len(), 2).await;
    for _ in 0..10 {
        api.cut_watches();
        sleep(Duration::from_secs(1)).await;
    }
    // Each lasts a minute at most.
    sleep(Duration::from_secs(600)).await;
    api.remove_pod(&name(1));
    becomes("it is gone", || peers(&kubernetes).gone, addresses([1])).await;
    assert_eq!(api.count("list", "pods"), 1);
    assert!(api.count("watch", "pods") > 15);
}
