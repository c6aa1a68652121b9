//! How clusters come to be, where nobody says who forms one.

use super::pods::Pods;

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
