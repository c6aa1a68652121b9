//! What replication does with what the source knows: who forms the cluster, joins it, and is removed from it.

use std::collections::BTreeSet;

use spindrift_discovery::ClusterEvent;

use super::run::{Run, SOON};
use crate::process::address;

#[test]
fn processes_that_start_at_once_form_the_one_cluster_that_was_claimed() {
    let run = Run::clustered(5);
    let known = run.pods.known();
    let former = known.formed_by.clone().expect("one of them");
    for (name, claims) in &known.claims {
        // Whoever keeps a record of claims must be able to tell that it was the same process.
        let ids: BTreeSet<&str> = claims.iter().map(|claim| claim.cluster.as_str()).collect();
        assert_eq!(ids.len(), 1, "{name} has drawn several ids: {ids:?}");
        assert!(claims.is_sorted_by(|a, b| a.looked_for < b.looked_for));
        let others = claims[1..].iter().flat_map(|claim| &claim.without_cluster);
        assert!(!others.clone().any(|other| *other == address(name)));
        assert!(others.count() > 0, "{name} has heard of nobody");
    }
    let claimed = known.claims[&former][0].cluster.clone();
    drop(known);
    assert_eq!(run.clusters(), [Some(claimed)].into_iter().collect());
}

#[test]
fn a_process_that_appears_later_is_found_and_joins() {
    let mut run = Run::clustered(3);
    for size in 4..=6 {
        run.add();
        run.until("it has joined", |run| run.is_whole(size));
    }
    for name in ["n4", "n5", "n6"] {
        run.until("that is told", |run| run.pods.joined(name) == 1);
    }
    // Each once, and nobody else but the two that joined the first.
    let joined = run
        .pods
        .notices(|notice| matches!(notice, ClusterEvent::Joined { .. }));
    assert_eq!(joined.len(), 5, "{joined:?}");
}

#[test]
fn a_pod_that_is_gone_frees_its_seat_at_once() {
    let mut run = Run::clustered(4);
    let gone = run.follower();
    run.kill(&gone);
    // Its silence alone frees nothing before its time.
    run.pass(SOON);
    assert_eq!(run.members(), Some((3, 1)));
    run.pods.is_gone(&gone);
    run.until("its seat is taken, and that is told", |run| {
        let told = run
            .pods
            .notices(|notice| matches!(notice, ClusterEvent::Evicted { .. }));
        run.members() == Some((3, 0)) && !told.is_empty()
    });
    let evicted = run
        .pods
        .notices(|notice| matches!(notice, ClusterEvent::Evicted { .. }));
    let [(by, ClusterEvent::Evicted { address: at, .. })] = &evicted[..] else {
        panic!("one was evicted: {evicted:?}");
    };
    assert_eq!(*at, address(&gone));
    assert_eq!(*by, run.leader().expect("a leader").name);
}

/// A pod may get the address of one that is gone and join before discovery has heard of it, and discovery may have the
/// last pods of a node that has lost touch with Kubernetes, and not with its cluster, be gone.
#[test]
fn who_is_said_to_be_gone_and_answers_stays() {
    let mut run = Run::clustered(4);
    run.pods.is_gone("n5");
    run.add_unseen();
    run.until("a fifth has joined", |run| run.is_whole(5));
    for process in &run.processes {
        run.pods.is_gone(&process.name);
    }
    run.pass(SOON);
    assert!(run.is_whole(5));
    let evicted = run
        .pods
        .notices(|notice| matches!(notice, ClusterEvent::Evicted { .. }));
    assert_eq!(evicted, []);
}
