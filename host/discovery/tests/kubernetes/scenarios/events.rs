//! Events say what happens to a cluster.

use std::time::Duration;

use spindrift_discovery::{ClusterEvent, Discovery as _};
use tokio::time::sleep;

use crate::api_server::{ApiServer, Fault};
use crate::pod::{deployed, events, start};
use crate::waiting::becomes;

fn joined(node: u64) -> ClusterEvent {
    ClusterEvent::Joined {
        node,
        address: format!("10.0.0.{node}:7000"),
    }
}

fn count(api: &ApiServer, reason: &str) -> usize {
    let told = events(api);
    told.iter().filter(|(told, _)| told == reason).count()
}

#[tokio::test(start_paused = true)]
async fn notices_become_events_of_the_deployment() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    one.notify(ClusterEvent::Elected { term: 3 });
    one.notify(joined(2));
    one.notify(joined(3));
    let address = || "10.0.0.2:7000".to_owned();
    one.notify(ClusterEvent::Left {
        node: 2,
        address: address(),
    });
    one.notify(ClusterEvent::Evicted {
        node: 3,
        address: address(),
    });
    one.notify(ClusterEvent::QuorumLost);
    one.notify(ClusterEvent::QuorumRegained);
    becomes("all", || events(&api).len(), 7).await;
    // Each node has its own, although the reason is the same.
    assert_eq!(count(&api, "NodeJoined"), 2);
    for event in api.objects("events") {
        let warns = event["reason"] == "QuorumLost";
        assert_eq!(event["type"], if warns { "Warning" } else { "Normal" });
        assert_eq!(event["regarding"]["kind"], "Deployment");
        assert_eq!(event["regarding"]["name"], "kv");
        assert_eq!(event["related"]["name"], "kv-0");
        assert!(event["note"].as_str().is_some_and(|note| !note.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_again_and_again_is_one_event_with_a_count() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    for _ in 0..3 {
        one.notify(ClusterEvent::QuorumLost);
        one.notify(ClusterEvent::QuorumRegained);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(events(&api).len(), 2);
    for event in api.objects("events") {
        assert_eq!(event["series"]["count"], 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_tried_again_and_dropped_if_it_is_refused() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    api.fail_once("create", "events", Fault::Status(503));
    api.fail_once("create", "events", Fault::LostRequest);
    one.notify(joined(2));
    becomes("it is told", || count(&api, "NodeJoined"), 1).await;
    api.refuse("create", "events", true);
    one.notify(joined(3));
    sleep(Duration::from_secs(60)).await;
    api.refuse("create", "events", false);
    one.notify(joined(4));
    becomes("the next one is told", || count(&api, "NodeJoined"), 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_ones_are_told_before_the_process_ends() {
    let api = deployed(1);
    let one = start(&api, 0).await;
    for node in 0..20 {
        one.notify(joined(node));
    }
    one.close().await;
    assert_eq!(count(&api, "NodeJoined"), 20);
}
