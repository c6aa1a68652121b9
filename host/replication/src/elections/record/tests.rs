//! What is seen of elections, where no election is.

use tokio::time::advance;

use super::*;
use crate::types::{LogId, Member, Membership};

const LEASE: Duration = Duration::from_millis(300);
const HEARTBEAT: Duration = Duration::from_millis(50);

/// Node 2 of the voters 1 to `voters`, which has heard from node 1 and has not run since.
async fn follower(voters: u64) -> Elections {
    let elections = Elections::new(2, LEASE, HEARTBEAT, ElectionMetrics::default());
    let members: BTreeMap<_, _> = (1..=voters).map(|node| (node, Member::default())).collect();
    let voters = members.keys().copied().collect();
    let membership = Membership::new(vec![voters], members).expect("all are members");
    elections.is_in(1, &StoredMembership::new(None::<LogId>, membership));
    elections.heard(&Vote::new_committed(1, 1));
    advance(LEASE * 10).await;
    elections.did_not_run(LEASE * 10);
    elections
}

#[tokio::test(start_paused = true)]
async fn the_only_voter_is_never_kept_from_leading() {
    assert!(!follower(3).await.may_stand());
    assert!(follower(1).await.may_stand());
}

#[tokio::test(start_paused = true)]
async fn a_leader_of_a_term_that_is_over_is_not_heard() {
    let elections = follower(3).await;
    elections.is_in(2, &StoredMembership::default());
    elections.heard(&Vote::new_committed(1, 1));
    assert!(!elections.leader_is_heard());
    elections.heard(&Vote::new_committed(2, 3));
    assert!(elections.leader_is_heard());
}

#[test]
fn long_words_of_a_peer_are_cut() {
    let words = "ö".repeat(MAX_WORDS + 1);
    assert_eq!(cut(&words).chars().count(), MAX_WORDS);
    assert_eq!(cut("short"), "short");
}
