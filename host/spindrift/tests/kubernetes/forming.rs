//! How clusters come to be, where nobody says who forms one.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::eventually;
use super::pods::Pods;
use crate::api_server::Fault;
use crate::pod::recorded;

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_start_at_once_form_one_cluster_with_nothing_but_a_secret() {
    let mut pods = Pods::start(3).await;
    let cluster = pods.agree().await;
    let names = pods.names();
    pods.put(&names[0], "greeting", "hello")
        .await
        .expect("a write");
    for name in &names {
        let read = pods.get(name, "/get/greeting").await.expect("a read");
        assert_eq!(
            read,
            (200, r#"{"key":"greeting","value":"hello"}"#.to_owned())
        );
        for probe in ["ready", "live"] {
            let path = format!("/.well-known/spindrift/{probe}");
            let answer = pods.get(name, &path).await;
            assert_eq!(answer, Ok((200, "ok\n".to_owned())), "{name}: {probe}");
        }
        assert!(!pods.log(name).contains("a-secret-of-the-pods"));
    }
    pods.is_told(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_added_joins() {
    let mut pods = Pods::start(3).await;
    let cluster = pods.agree().await;
    pods.add(2);
    assert_eq!(pods.agree().await, cluster);
    pods.is_told(&cluster).await;
    for number in [4, 5] {
        let address = pods.peer_address(&format!("kv-{number}"));
        pods.event("NodeJoined", &address).await;
    }
}

/// Nothing is left of what they held, and people are told.
#[tokio::test(flavor = "multi_thread")]
async fn when_all_pods_are_lost_new_ones_form_a_cluster_anew() {
    let mut pods = Pods::start(3).await;
    let lost = pods.agree().await;
    let names = pods.names();
    pods.put(&names[0], "greeting", "hello")
        .await
        .expect("a write");
    for name in &names {
        pods.kill(name);
        pods.api.remove_pod(name);
    }
    pods.add(3);
    let cluster = pods.agree().await;
    assert_ne!(cluster, lost);
    pods.is_told(&cluster).await;
    let names = pods.names();
    let read = pods.get(&names[0], "/get/greeting").await.expect("a read");
    assert_eq!(read.0, 404);
    pods.event("ClusterLost", &lost).await;
}

/// Its id is in the Lease, and nobody knows whether it has formed its cluster: it stands still, for longer than the Lease lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_before_it_forms_its_cluster_is_waited_for() {
    let mut pods = Pods::none().await;
    let answered_late = Fault::SlowAnswer(Duration::from_secs(4));
    pods.api.fail_once("create", "leases", answered_late);
    pods.add(1);
    let claimed = eventually("its id in the Lease", async || {
        recorded(&pods.api).ok_or("nobody's")
    })
    .await;
    let still = pods.names().remove(0);
    pods.signal(&still, Signal::SIGSTOP);
    pods.add(1);
    let other = pods.names().remove(1);
    // That is why it waits once the Lease has expired.
    let expired = format!(
        "the Lease records cluster {claimed}, and these pods run and have not answered that they belong to no cluster"
    );
    pods.logs(&other, &expired).await;
    let view = pods.view(&other).await.expect("a view");
    assert_eq!(view.cluster, None);
    assert_eq!(recorded(&pods.api), Some(claimed));

    pods.signal(&still, Signal::SIGCONT);
    let cluster = pods.agree().await;
    pods.is_told(&cluster).await;
    let logs = [pods.log(&still), pods.log(&other)].concat();
    assert_eq!(logs.matches("formed a new cluster").count(), 1, "{logs}");
}
