//! [`Silence`]: for how long each member has been silent, as far as a leader may say.
//!
//! What a leader has heard before it led is no measure, and neither is the time in which a member was none: nobody sent it
//! heartbeats then. A leader that stood still has heard nobody meanwhile either. So nobody is silent for a leader that has just
//! been elected, dead or alive: this says who may be removed, and not on whom a change may count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::types::NodeId;

/// Since when a node leads, and knows each member. Empty while it does not lead.
#[derive(Debug, Default)]
pub struct Silence {
    leading: Option<(u64, Instant)>,
    known: BTreeMap<NodeId, Instant>,
}

impl Silence {
    /// The node leads in `term`, and these are the members.
    pub fn lead(&mut self, term: u64, members: &BTreeSet<NodeId>) {
        let now = Instant::now();
        if self.leading.is_none_or(|(leading, _)| leading != term) {
            self.leading = Some((term, now));
        }
        self.known.retain(|node, _| members.contains(node));
        for node in members {
            self.known.entry(*node).or_insert(now);
        }
    }

    /// The node does not lead, or what it has heard is no measure any more: everybody gets a new start.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// How long `node` has been silent, if it was last heard so long ago.
    pub fn of(&self, node: NodeId, heard: Option<Duration>) -> Duration {
        let leading = self.leading.map(|(_, since)| since.elapsed());
        let known = self.known.get(&node).map(Instant::elapsed);
        let times = [leading, known, heard];
        times.into_iter().flatten().min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_member_is_not_silent_from_before_it_was_one() {
        let mut silence = Silence::default();
        silence.lead(1, &[1, 2].into());
        advance(MINUTE).await;
        silence.lead(1, &[1, 2, 3].into());
        assert_eq!(silence.of(3, None), Duration::ZERO, "it has just come");
        assert_eq!(silence.of(2, None), MINUTE);
        advance(MINUTE).await;
        silence.lead(1, &[1, 2, 3].into());
        assert_eq!(silence.of(3, None), MINUTE);
        silence.lead(1, &[1, 2].into());
        silence.lead(1, &[1, 2, 3].into());
        assert_eq!(silence.of(3, None), Duration::ZERO, "it was away");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_before_leading_is_no_measure() {
        let mut silence = Silence::default();
        silence.lead(1, &[1, 2].into());
        assert_eq!(silence.of(2, Some(MINUTE)), Duration::ZERO);
        advance(MINUTE).await;
        silence.lead(2, &[1, 2].into());
        assert_eq!(silence.of(2, Some(MINUTE * 2)), Duration::ZERO, "a term");
        advance(MINUTE).await;
        silence.forget();
        silence.lead(2, &[1, 2].into());
        assert_eq!(silence.of(2, Some(MINUTE * 3)), Duration::ZERO, "again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_is_silent_since_it_was_heard() {
        let mut silence = Silence::default();
        silence.lead(1, &[1, 2].into());
        advance(MINUTE).await;
        assert_eq!(silence.of(2, Some(MINUTE / 2)), MINUTE / 2);
    }
}
