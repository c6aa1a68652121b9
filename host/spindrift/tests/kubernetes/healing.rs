//! Pods that go, with a word or without, and an API server that is away.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::eventually;
use super::pods::Pods;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_deleted_frees_its_seat_at_once() {
    let mut pods = Pods::start(4).await;
    let cluster = pods.agree().await;
    let gone = pods.follower().await;
    let address = pods.peer_address(&gone);
    pods.kill(&gone);
    pods.api.remove_pod(&gone);
    // The learner has its seat. Silence would free none within the hour.
    assert_eq!(pods.agree().await, cluster);
    pods.is_told(&cluster).await;
    pods.event("NodeEvicted", &address).await;
}

/// As when all other machines were drained, and are back with new pods.
#[tokio::test(flavor = "multi_thread")]
async fn voters_of_one_machine_give_their_seats_to_pods_on_others() {
    let mut pods = Pods::start(3).await;
    let cluster = pods.agree().await;
    let first = pods.names();
    let leader = pods.leader().await;
    for name in &first {
        let on = json!({ "spec": { "nodeName": "machine-a" } });
        pods.api.patch_pod(name, &on);
    }
    pods.add(3);
    for (number, machine) in [(4, "machine-a"), (5, "machine-b"), (6, "machine-c")] {
        let on = json!({ "spec": { "nodeName": machine } });
        pods.api.patch_pod(&format!("kv-{number}"), &on);
    }
    let wanted = BTreeSet::from([leader.clone(), "kv-5".to_owned(), "kv-6".to_owned()]);
    eventually("a voter on each machine", async || {
        let mut voters = BTreeSet::new();
        for name in pods.names() {
            if pods.view(&name).await?.votes() {
                voters.insert(name);
            }
        }
        if voters == wanted {
            Ok(())
        } else {
            Err(format!("{voters:?}"))
        }
    })
    .await;
    // Nobody has left for it.
    assert_eq!(pods.agree().await, cluster);
    assert_eq!(pods.names().len(), 6);
    assert_eq!(pods.leader().await, leader);
    pods.is_told(&cluster).await;
    let events = pods.api.objects("events");
    let gone = |event: &&Value| event["reason"] == "NodeEvicted" || event["reason"] == "NodeLeft";
    assert_eq!(events.iter().find(gone), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_changes_nothing() {
    let mut pods = Pods::start(3).await;
    let cluster = pods.agree().await;
    pods.is_told(&cluster).await;
    pods.api.set_away(true);
    let leader = pods.leader().await;
    pods.put(&leader, "before", "1").await.expect("a write");
    pods.kill(&leader);
    // The others elect one without it.
    let name = pods.names().remove(0);
    eventually("writes go on", async || pods.put(&name, "after", "2").await).await;
    let read = pods.get(&name, "/get/before").await.expect("a read");
    assert_eq!(read.0, 200);
    let ready = pods.get(&name, "/.well-known/spindrift/ready").await;
    assert_eq!(ready, Ok((200, "ok\n".to_owned())));
    pods.api.remove_pod(&leader);
    pods.api.set_away(false);
    // It hears of all that has happened, and so do people.
    assert_eq!(pods.agree().await, cluster);
    pods.is_told(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_told_to_end_leaves_and_says_so_first() {
    let mut pods = Pods::start(3).await;
    let cluster = pods.agree().await;
    let leaving = pods.leader().await;
    let address = pods.peer_address(&leaving);
    pods.api.terminate_pod(&leaving);
    pods.signal(&leaving, Signal::SIGTERM);
    // Who sends it requests hears late that it goes, so it takes them for a while.
    eventually("it is not ready any more", async || {
        let ready = pods.get(&leaving, "/.well-known/spindrift/ready").await;
        match ready {
            Ok((503, reason)) if reason == "shutting down\n" => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let live = pods.get(&leaving, "/.well-known/spindrift/live").await;
    assert_eq!(live, Ok((200, "ok\n".to_owned())));
    pods.put(&leaving, "late", "1").await.expect("a write");
    assert_eq!(pods.ended(&leaving).await.code(), Some(0));
    pods.api.remove_pod(&leaving);
    assert_eq!(pods.agree().await, cluster);
    pods.is_told(&cluster).await;
    pods.event("NodeLeft", &address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_for_too_long_begins_anew_in_the_same_cluster() {
    let mut pods = Pods::removed_after("2s").await;
    pods.add(3);
    let cluster = pods.agree().await;
    let still = pods.follower().await;
    let before = pods.view(&still).await.expect("a view").node;
    pods.signal(&still, Signal::SIGSTOP);
    let address = pods.peer_address(&still);
    pods.event("NodeEvicted", &address).await;
    pods.signal(&still, Signal::SIGCONT);
    eventually("it is another node", async || {
        let view = pods.view(&still).await?;
        let another = view.node.is_some() && view.node != before;
        if another {
            Ok(())
        } else {
            Err(format!("{view:?}"))
        }
    })
    .await;
    assert_eq!(pods.agree().await, cluster);
    pods.is_told(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_waits_for_the_api_server_answers_its_probes_and_goes_on_when_that_is_back() {
    let mut pods = Pods::none().await;
    pods.api.set_away(true);
    pods.add(1);
    let name = pods.names().remove(0);
    let reason = eventually("it says what it waits for", async || {
        match pods.get(&name, "/.well-known/spindrift/ready").await {
            Ok((503, reason)) if reason.contains("cannot get pods") => Ok(reason),
            other => Err(other),
        }
    })
    .await;
    let waits = "the API server of Kubernetes has not said yet who the peers of this pod are: ";
    assert!(
        reason.starts_with(&format!("starting: {waits}")),
        "{reason}"
    );
    let live = pods.get(&name, "/.well-known/spindrift/live").await;
    assert_eq!(live, Ok((200, "ok\n".to_owned())));
    let (status, answer) = pods.get(&name, "/get/greeting").await.expect("an answer");
    assert!(status == 503 && answer.contains(waits), "{status} {answer}");
    assert!(pods.put(&name, "greeting", "hello").await.is_err());
    assert!(!pods.log(&name).contains("Serving "));
    // As long as that is answered, nobody starts it again: the same process goes on.
    pods.api.set_away(false);
    let cluster = pods.agree().await;
    pods.is_told(&cluster).await;
    let ready = pods.get(&name, "/.well-known/spindrift/ready").await;
    assert_eq!(ready, Ok((200, "ok\n".to_owned())));
    pods.put(&name, "greeting", "hello").await.expect("a write");
    assert_eq!(pods.names(), [name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_waits_for_the_api_server_ends_when_it_is_told_to() {
    let mut pods = Pods::none().await;
    pods.api.set_away(true);
    pods.add(1);
    let name = pods.names().remove(0);
    eventually("it says what it waits for", async || {
        let log = pods.log(&name);
        if log.contains("waits to learn") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    pods.signal(&name, Signal::SIGTERM);
    assert_eq!(pods.ended(&name).await.code(), Some(0));
}
