//! What replication has people see: what each process is, and what became of the cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use spindrift_discovery::{ClusterEvent, MemberState};
use spindrift_replication::{Ended, Role};

use super::run::{Run, SOON};
use crate::process::address;

#[test]
fn each_process_says_what_it_is_until_it_is_nothing_more() {
    let mut run = Run::clustered(4);
    run.until("what they say is what they are", says_what_it_is);
    let leader = run.leader().expect("a leader").name.clone();
    let elected = run
        .pods
        .notices(|notice| matches!(notice, ClusterEvent::Elected { .. }));
    assert!(
        elected.iter().any(|(name, _)| *name == leader),
        "{elected:?}"
    );

    let process = run.processes.iter().find(|process| process.name == leader);
    process.expect("the leader").leave();
    run.until("it has left", |run| run.is_whole(3));
    let process = run.processes.iter().find(|process| process.name == leader);
    assert_eq!(process.expect("the leader").ended(), Some(Ok(Ended::Left)));
    run.until("what they say is what they are", says_what_it_is);
    let known = run.pods.known();
    assert_eq!(known.standings[&leader], None);
    assert!(known.closed.contains(&leader) && known.closed.len() == 1);
    drop(known);
    run.until("that is told", |run| {
        let left = run
            .pods
            .notices(|notice| matches!(notice, ClusterEvent::Left { .. }));
        matches!(&left[..], [(_, ClusterEvent::Left { address: at, .. })] if *at == address(&leader))
    });
}

fn says_what_it_is(run: &Run) -> bool {
    let known = run.pods.known();
    run.living().all(|process| {
        let Some(seen) = process.published() else {
            return false;
        };
        let role = match seen.role {
            Role::Leader => spindrift_discovery::Role::Leader,
            Role::Follower => spindrift_discovery::Role::Follower,
            Role::Learner => spindrift_discovery::Role::Learner,
            Role::Joining => return false,
        };
        let standing = MemberState {
            cluster: seen.cluster.unwrap_or_default(),
            recovered_from: Vec::new(),
            node: seen.node.unwrap_or_default(),
            role,
            term: seen.term,
        };
        known.standings.get(&process.name) == Some(&Some(standing))
    })
}

fn of_quorum(notice: &ClusterEvent) -> bool {
    matches!(
        notice,
        ClusterEvent::QuorumLost | ClusterEvent::QuorumRegained
    )
}

/// Each process asks every two seconds whether there is a leader, so some of these elections are right when it does.
#[test]
fn an_election_loses_no_quorum() {
    for eighth in 0..8 {
        let mut run = Run::clustered(3);
        run.pass(eighth * Duration::from_millis(250));
        let leader = run.leader().expect("a leader").name.clone();
        run.kill(&leader);
        run.until("another one leads", |run| run.leader().is_some());
        run.pass(SOON);
        assert_eq!(run.pods.notices(of_quorum), []);
    }
}

#[test]
fn a_majority_that_is_lost_and_regained_is_told() {
    let mut run = Run::clustered(3);
    let leader = run.leader().expect("a leader").name.clone();
    let others: Vec<String> = run.living().map(|process| process.name.clone()).collect();
    for one in &others {
        for other in others.iter().filter(|other| one < *other) {
            run.sim.partition(one.as_str(), other.as_str());
        }
    }
    // The leader, too: it goes on naming itself.
    run.pass(SOON);
    let lost = run.pods.notices(of_quorum);
    let told: BTreeSet<&String> = lost.iter().map(|(name, _)| name).collect();
    assert!(
        told.contains(&leader) && told.len() == 3 && lost.len() == 3,
        "{lost:?}"
    );
    for one in &others {
        for other in others.iter().filter(|other| one < *other) {
            run.sim.repair(one.as_str(), other.as_str());
        }
    }
    run.until("all have a leader again", |run| {
        run.pods.notices(of_quorum).len() == 6
    });
    let regained = run
        .pods
        .notices(|notice| *notice == ClusterEvent::QuorumRegained);
    assert_eq!(regained.len(), 3);
}
