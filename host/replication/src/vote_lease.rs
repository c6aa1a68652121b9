//! How long a leader may rely on what its followers have acknowledged, where each node has an election time-out of its own.
//!
//! A voter that has heard from a leader votes for nobody else for its vote lease: openraft takes it from the voter's own
//! election time-out, not from the leader's. Whoever succeeds a leader needs a majority of a set of voters of which the leader
//! has heard from a majority, and so the vote of a node that the leader has heard from. That node may be any, so a read relies
//! on no more than the shortest lease of all members, learners too.
//!
//! Half of a follower's lease is left for replies that are late ([`late`], `network/late_replies.rs`), the other half is how
//! old an acknowledgement may be ([`Leases::max_age`]). The first depends on the follower alone, so that an acknowledgement
//! keeps what it was accepted with when members come and go.
//!
//! The second may not be too long when members change:
//! - A node becomes a member as a learner, and is made a voter by [`Duty`](super::membership::Duty), which goes by openraft's
//!   metrics. So these show it as a member before the entry that makes it a voter is made, and it cannot vote against the
//!   leader before that. The bound is taken from the same metrics, before openraft is asked and again after it has answered:
//!   what openraft answers after that entry was made is measured by a bound that knows the node.
//! - A node that is removed counts no longer once the entry that removes it is in the leader's log. Who knows only the entry
//!   before it (joint consensus, Raft section 6) needs a majority of the remaining voters as well, and these still count.
//!
//! All of it is measured by a clock that stands still while the machine is suspended, and the followers' clocks do not. So what
//! was acknowledged before a suspension counts for nothing, and the leader asks its majority, as it does without a lease. A
//! follower that is suspended keeps its lease for longer, which harms nothing. A virtual machine that its hypervisor pauses
//! without telling it has a clock that stands still, and no other to notice it by: that is outside what leases can bear.
//!
//! A follower may make its own time-out longer at any time, as [`elections`](super::elections) do: what a leader relies on is
//! that it votes for nobody else for its lease at least. Nothing may make it shorter than what the member has announced.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;

use super::suspension::{SuspendedFor, Suspensions, TOLERANCE};
use super::types::{LogId, Member, Raft, StoredMembership};

/// The shortest vote lease among the members of one cluster. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Leases {
    known: Arc<Mutex<Known>>,
    suspensions: Suspensions,
}

/// Of the membership that was looked at last.
#[derive(Debug, Default)]
struct Known {
    membership: Option<LogId>,
    shortest: Duration,
}

impl Leases {
    /// By these clocks it is found out whether the machine was suspended.
    #[must_use]
    pub fn new(suspended_for: SuspendedFor) -> Self {
        Self {
            known: Arc::default(),
            suspensions: Suspensions::new(suspended_for),
        }
    }

    /// How long ago it may have been sent what a majority has acknowledged. The members are looked at only where they have
    /// changed.
    #[must_use]
    pub fn max_age(&self, raft: &Raft) -> Duration {
        let metrics = raft.server_metrics();
        let seen = metrics.borrow_watched();
        let membership = &seen.membership_config;
        let mut known = self.known.lock();
        if known.membership != *membership.log_id() {
            known.membership = *membership.log_id();
            known.shortest = shortest(membership);
        }
        usable(known.shortest, self.suspensions.last())
    }
}

/// How old an acknowledgement may be where the shortest lease is `shortest` and the machine was suspended `suspended` ago.
fn usable(shortest: Duration, suspended: Option<Duration>) -> Duration {
    // A suspension that is too short to be noticed makes it older than the clock says.
    let max_age = (shortest / 2).saturating_sub(TOLERANCE);
    suspended.map_or(max_age, |suspended| max_age.min(suspended))
}

/// How late a reply of `member` may be and still be taken for that to another request.
#[must_use]
pub fn late(member: &Member) -> Duration {
    lease(member) / 2
}

fn lease(member: &Member) -> Duration {
    Duration::from_millis(member.vote_lease_ms)
}

fn shortest(membership: &StoredMembership) -> Duration {
    let members = membership.membership().nodes();
    members
        .map(|(_, member)| lease(member))
        .min()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_was_acknowledged_before_a_suspension_counts_for_nothing() {
        assert_eq!(usable(ms(300), None), ms(149));
        assert_eq!(usable(ms(300), Some(ms(0))), ms(0));
        assert_eq!(usable(ms(300), Some(ms(20))), ms(20));
        assert_eq!(usable(ms(300), Some(ms(5000))), ms(149));
        assert_eq!(usable(ms(0), None), ms(0));
    }
}
