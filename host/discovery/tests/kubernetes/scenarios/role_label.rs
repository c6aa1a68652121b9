//! The label of a pod says what its node does.

use std::time::Duration;

use serde_json::json;
use spindrift_discovery::{Discovery as _, Role};
use tokio::time::{Instant, sleep};

use crate::api_server::Fault;
use crate::pod::{deployed, label, member, name, start};
use crate::waiting::becomes;

#[tokio::test(start_paused = true)]
async fn the_label_follows_the_standing() {
    let api = deployed(2);
    let one = start(&api, 0).await;
    for (role, word) in [
        (Role::Learner, "learner"),
        (Role::Follower, "follower"),
        (Role::Leader, "leader"),
    ] {
        one.announce(member("c", 1, role, 1));
        becomes("its role", || label(&api, 0), Some(word.to_owned())).await;
    }
    one.announce(None);
    becomes("none", || label(&api, 0), None).await;
    assert_eq!(label(&api, 1), None);
    // The labels that it is found by are as they were.
    let pod = api.object("pods", &name(0)).expect("a pod");
    assert_eq!(pod["metadata"]["labels"]["app"], "kv");
}

#[tokio::test(start_paused = true)]
async fn a_label_of_an_earlier_process_is_taken_off() {
    let api = deployed(1);
    let leader = json!({ "metadata": { "labels": { "spindrift.dev/role": "leader" } } });
    api.patch_pod(&name(0), &leader);
    let one = start(&api, 0).await;
    becomes("none", || label(&api, 0), None).await;
    one.announce(member("c", 1, Role::Leader, 1));
    becomes("its role", || label(&api, 0), Some("leader".to_owned())).await;
    one.close().await;
    assert_eq!(label(&api, 0), None);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_word_counts_however_often_the_api_server_fails() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    for fault in [
        Fault::Status(500),
        Fault::LostAnswer,
        Fault::Slow(Duration::from_secs(60)),
    ] {
        api.fail_once("patch", "pods", fault);
        one.announce(member("c", 1, Role::Leader, 1));
        sleep(Duration::from_millis(100)).await;
        one.announce(member("c", 1, Role::Follower, 2));
        becomes("its role", || label(&api, 0), Some("follower".to_owned())).await;
        one.announce(None);
        becomes("none", || label(&api, 0), None).await;
    }
    api.refuse("patch", "pods", true);
    one.announce(member("c", 1, Role::Learner, 2));
    sleep(Duration::from_secs(5)).await;
    let calls = api.count("patch", "pods");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(
        api.count("patch", "pods"),
        calls,
        "a refusal is not retried at once"
    );
    api.refuse("patch", "pods", false);
    becomes("its role", || label(&api, 0), Some("learner".to_owned())).await;
}

/// It says what nobody knows that it says: an answer was lost.
#[tokio::test(start_paused = true)]
async fn a_label_that_may_be_there_is_taken_off() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    sleep(Duration::from_secs(1)).await;
    api.fail_once("patch", "pods", Fault::LostAnswer);
    one.announce(member("c", 1, Role::Leader, 1));
    becomes("its role", || label(&api, 0), Some("leader".to_owned())).await;
    one.announce(None);
    becomes("none", || label(&api, 0), None).await;
}

/// Whoever calls these has other things to do.
#[tokio::test(start_paused = true)]
async fn nothing_waits_for_an_api_server_that_is_away() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    api.set_away(true);
    let began = Instant::now();
    for term in 0..10_000 {
        one.announce(member("c", 1, Role::Leader, term));
        one.notify(spindrift_discovery::ClusterEvent::Elected { term });
    }
    // The clock stands still while nobody waits.
    assert_eq!(Instant::now(), began);
    sleep(Duration::from_secs(300)).await;
    api.set_away(false);
    becomes("its role", || label(&api, 0), Some("leader".to_owned())).await;
    // Nor does the end, for long.
    api.set_away(true);
    let began = Instant::now();
    one.close().await;
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}
