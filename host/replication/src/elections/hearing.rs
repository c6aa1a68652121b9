//! [`Hearing`]: whether this node has heard its leader, and has listened for long enough to say that it has not.
//!
//! openraft decides when a node stands for election and for whom it votes, by a clock that goes on while the process does not
//! run. Where it did not run, openraft is kept from standing for election, and its promise of a vote (pre-vote) is refused in
//! its place: until the node has listened, see [`Silence`], and, where it has heard the leader then, for the lease after that,
//! since openraft may look at its clock before it looks at what was heard.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::refusal::Refusal;
use super::silence::Silence;
use crate::types::NodeId;

/// What a node has heard of its leader.
#[derive(Debug)]
pub struct Hearing {
    /// For how long the node votes for nobody else after it has heard from a leader.
    lease: Duration,
    last: Option<Heard>,
    /// When this process last ran again after it had not.
    ran_again: Option<Instant>,
}

/// The leader that was heard last.
#[derive(Debug)]
pub struct Heard {
    /// Which node.
    pub leader: NodeId,
    /// In which term.
    pub term: u64,
    /// What has come after it.
    pub silence: Silence,
    /// For how long the node listens after it did not run.
    patience: Duration,
}

/// For how long openraft lets a leader be silent: the lease, and a random time between half of it and the whole, see
/// `node/config.rs`. Nodes that were paused together do not stand for election together.
fn patience(lease: Duration) -> Duration {
    lease + rand::rng().random_range(lease / 2..=lease)
}

impl Hearing {
    /// Of a node that has heard nothing yet.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            last: None,
            ran_again: None,
        }
    }

    /// The leader that was heard last.
    #[must_use]
    pub fn last(&self) -> Option<&Heard> {
        self.last.as_ref()
    }

    /// `leader`, which leads in `term`, is heard. Where it was heard before: the silence that has ended. A leader of a term
    /// before that of another one that was heard leads no more, and is not heard.
    pub fn heard(&mut self, term: u64, leader: NodeId) -> Option<Duration> {
        if self.last.as_ref().is_some_and(|heard| heard.term > term) {
            return None;
        }
        let known = self.last.as_mut();
        let Some(heard) = known.filter(|heard| (heard.term, heard.leader) == (term, leader)) else {
            self.last = Some(Heard {
                leader,
                term,
                silence: Silence::begins(),
                patience: patience(self.lease),
            });
            return None;
        };
        let silence = std::mem::replace(&mut heard.silence, Silence::begins());
        if silence.not_run() > Duration::ZERO {
            heard.patience = patience(self.lease);
        }
        Some(silence.lasts())
    }

    /// This process did not run for `duration`, until now.
    pub fn did_not_run(&mut self, duration: Duration) {
        self.ran_again = Some(Instant::now());
        if let Some(heard) = &mut self.last {
            heard.silence.did_not_run(duration);
        }
    }

    /// Whether the leader was heard within the lease.
    #[must_use]
    pub fn leader_is_heard(&self) -> bool {
        let heard = self.last.as_ref();
        heard.is_some_and(|heard| heard.silence.lasts() <= self.lease)
    }

    /// Whether the node may stand for election, as far as its own running is concerned.
    #[must_use]
    pub fn may_stand(&self) -> bool {
        let unproven = |heard: &Heard| heard.silence.is_unproven(heard.patience);
        !self.openraft_may_be_late() && !self.last.as_ref().is_some_and(unproven)
    }

    /// Why the node promises its vote to nobody where it did not run: it has not listened for its leader since, or has heard it
    /// then.
    #[must_use]
    pub fn promises_nothing(&self) -> Option<Refusal> {
        let heard = self.last.as_ref()?;
        if self.openraft_may_be_late() {
            return Some(Refusal::LeaderIsHeard(heard.leader));
        }
        let unproven = heard.silence.is_unproven(self.lease);
        unproven.then_some(Refusal::DidNotRun(heard.leader))
    }

    /// Whether the leader was heard within the lease, and this process ran again within it.
    fn openraft_may_be_late(&self) -> bool {
        let ran_again = self.ran_again.map(|ran_again| ran_again.elapsed());
        ran_again.is_some_and(|ran_again| ran_again <= self.lease) && self.leader_is_heard()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LEASE: Duration = Duration::from_millis(300);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A node that has just heard node 1.
    fn hearing() -> Hearing {
        let mut hearing = Hearing::new(LEASE);
        assert_eq!(hearing.heard(1, 1), None);
        hearing
    }

    /// Whether it is kept from standing for election, and what it answers in openraft's place.
    fn kept(hearing: &Hearing) -> (bool, Option<Refusal>) {
        (!hearing.may_stand(), hearing.promises_nothing())
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_ran_is_left_to_openraft() {
        let hearing = hearing();
        for _ in 0..20 {
            assert_eq!(kept(&hearing), (false, None));
            advance(ms(50)).await;
        }
        assert!(!hearing.leader_is_heard());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_did_not_run_listens_first_and_then_goes_on() {
        let mut hearing = hearing();
        advance(ms(5000)).await;
        hearing.did_not_run(ms(5000));
        let listens = Some(Refusal::DidNotRun(1));
        assert_eq!(kept(&hearing), (true, listens));
        advance(LEASE - ms(1)).await;
        assert_eq!(kept(&hearing), (true, listens));
        advance(ms(1)).await;
        assert_eq!(kept(&hearing), (true, None), "others may lead");
        advance(LEASE).await;
        assert_eq!(kept(&hearing), (false, None), "the leader is silent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_was_heard_after_all_is_no_reason_for_an_election() {
        let mut hearing = hearing();
        advance(ms(700)).await;
        hearing.did_not_run(ms(700));
        advance(ms(3)).await;
        assert_eq!(hearing.heard(1, 1), Some(ms(703)));
        let heard = Some(Refusal::LeaderIsHeard(1));
        assert_eq!(kept(&hearing), (true, heard), "openraft may be late");
        advance(LEASE + ms(1)).await;
        assert_eq!(kept(&hearing), (false, None));
    }

    #[tokio::test(start_paused = true)]
    async fn another_leader_begins_its_own_silence() {
        let mut hearing = hearing();
        advance(ms(100)).await;
        assert_eq!(hearing.heard(2, 3), None);
        let last = hearing.last().expect("a leader");
        assert_eq!((last.leader, last.term), (3, 2));
        assert_eq!(last.silence.lasts(), ms(0));
        advance(ms(100)).await;
        assert_eq!(hearing.heard(1, 1), None, "it leads no more");
        let last = hearing.last().expect("a leader");
        assert_eq!((last.leader, last.silence.lasts()), (3, ms(100)));
    }
}
