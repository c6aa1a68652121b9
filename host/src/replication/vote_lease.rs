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

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;

use super::types::{LogId, Member, Raft, StoredMembership};

/// The shortest vote lease among the members of one cluster. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct Leases(Arc<Mutex<Known>>);

/// Of the membership that was looked at last.
#[derive(Debug, Default)]
struct Known {
    membership: Option<LogId>,
    shortest: Duration,
}

impl Leases {
    /// How long ago it may have been sent what a majority has acknowledged. The members are looked at only where they have
    /// changed.
    #[must_use]
    pub fn max_age(&self, raft: &Raft) -> Duration {
        let metrics = raft.server_metrics();
        let seen = metrics.borrow_watched();
        let membership = &seen.membership_config;
        let mut known = self.0.lock();
        if known.membership != *membership.log_id() {
            known.membership = *membership.log_id();
            known.shortest = shortest(membership);
        }
        known.shortest / 2
    }
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
