//! A majority that is lost for good, and `spindrift recover`. Nobody touches the Lease.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::eventually;
use super::pods::Pods;
use crate::pod::{lease, recorded};

const ACCEPT: &[&str] = &["--accept-data-loss"];

/// Pods that agree and hold a key, all of them. Gives their cluster.
async fn with_a_key(size: usize) -> (Pods, String) {
    let mut pods = Pods::start(size).await;
    let cluster = pods.agree().await;
    pods.is_told(&cluster).await;
    let leader = pods.leader().await;
    pods.put(&leader, "kept", "1").await.expect("a write");
    all_hold(&mut pods).await;
    (pods, cluster)
}

async fn all_hold(pods: &mut Pods) {
    for name in pods.names() {
        let read = pods.get(&name, "/get/kept").await.expect("a read");
        assert_eq!(read, (200, r#"{"key":"kept","value":"1"}"#.to_owned()));
    }
}

async fn recover(pods: &mut Pods, name: &str) {
    let (recovered, said) = pods.recover(name, ACCEPT).await;
    assert!(recovered, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovered_cluster_takes_the_lease_and_whoever_is_left_joins_it() {
    let (mut pods, lost) = with_a_key(5).await;
    let left = pods.lose_majority().await;
    let others: Vec<String> = pods.names().into_iter().filter(|n| *n != left).collect();

    let (recovered, said) = pods.recover(&left, &[]).await;
    assert!(!recovered && said.contains("nothing was changed"), "{said}");
    assert_eq!(others.len(), 2);
    for other in &others {
        let address = pods.peer_address(other);
        assert!(said.contains(&address), "{said}");
    }
    assert_eq!(recorded(&pods.api).as_ref(), Some(&lost));

    recover(&mut pods, &left).await;
    pods.add(1);
    let cluster = pods.agree().await;
    assert_ne!(cluster, lost);
    pods.is_told(&cluster).await;
    let from = &lease(&pods.api)["metadata"]["annotations"]["spindrift.dev/recovered-from"];
    assert_eq!(*from, *lost);
    pods.event("ClusterRecovered", &lost).await;
    all_hold(&mut pods).await;
    for other in &others {
        pods.logs(other, &format!("recovered as cluster {cluster}"))
            .await;
    }
}

/// The Lease is written by a node that has joined the recovered cluster, since the one that was recovered could not.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_leader_of_a_recovered_cluster_takes_the_lease() {
    let (mut pods, lost) = with_a_key(5).await;
    let left = pods.lose_majority().await;
    pods.api.refuse("update", "leases", true);
    recover(&mut pods, &left).await;
    let cluster = pods.agree().await;
    assert_eq!(pods.leader().await, left);
    pods.kill(&left);
    pods.api.remove_pod(&left);
    assert_eq!(pods.agree().await, cluster);
    assert_eq!(recorded(&pods.api).as_ref(), Some(&lost));
    pods.api.refuse("update", "leases", false);
    pods.is_told(&cluster).await;
    all_hold(&mut pods).await;
}

/// Two nodes are recovered that cannot reach each other at that time: there are two clusters, by the will of a person. One of
/// them has the Lease, and the other says what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_clusters_that_were_recovered_from_one_the_first_has_the_lease() {
    let (mut pods, lost) = with_a_key(5).await;
    let one = pods.lose_majority().await;
    let names = pods.names();
    let [other, third] = names.iter().filter(|n| **n != one).collect::<Vec<_>>()[..] else {
        panic!("{names:?}");
    };
    for still in [other, third] {
        pods.signal(still, Signal::SIGSTOP);
    }
    recover(&mut pods, &one).await;
    let first = pods.view(&one).await.expect("a view").cluster.expect("one");
    eventually("it has the Lease", async || match recorded(&pods.api) {
        Some(recorded) if recorded == first => Ok(()),
        other => Err(other),
    })
    .await;

    // Who can be reached is told of it, and is not recovered a second time.
    pods.signal(&one, Signal::SIGSTOP);
    pods.signal(other, Signal::SIGCONT);
    recover(&mut pods, other).await;
    pods.signal(&one, Signal::SIGCONT);
    let second = pods.view(other).await.expect("a view").cluster;
    let second = second.expect("another one");
    assert_ne!(first, second);
    pods.logs(other, &format!("both were recovered from cluster {lost}"))
        .await;
    pods.event("RivalCluster", &second).await;
    // One that would have to choose waits, and gives up nothing.
    pods.signal(third, Signal::SIGCONT);
    pods.logs(third, "was recovered more than once").await;
    let view = pods.view(third).await.expect("a view");
    assert_eq!(view.cluster.as_ref(), Some(&lost));
    let (recovered, said) = pods.recover(third, ACCEPT).await;
    assert!(
        !recovered && said.contains("was recovered already"),
        "{said}"
    );
    assert_eq!(recorded(&pods.api).as_ref(), Some(&first));

    // What they say to do helps.
    pods.kill(other);
    pods.api.remove_pod(other);
    assert_eq!(pods.agree().await, first);
    pods.is_told(&first).await;
    let told = pods.api.objects("events");
    let rivals = told
        .iter()
        .filter(|event| event["reason"] == "RivalCluster");
    let notes: Vec<&Value> = rivals.map(|event| &event["note"]).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
}
