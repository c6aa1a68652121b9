//! Which change of the membership to make next, as a function of what the leader sees.
//!
//! One change at a time, and none that could cost the majority: a majority of the voters before the change, and one of
//! those after it, have given the leader a sign of life. Two things are told apart:
//!
//! - *A sign of life* ([`Seen::heard`]) is an acknowledgement in this term of something that the leader sent lately. It
//!   chooses majorities. A leader that has just been elected has heard from nobody, and changes nothing until it has.
//! - *Silence* ([`Seen::silent`]) is how long a member could have been heard and was not. It begins anew with each leader,
//!   and decides who is removed. It says nothing of who is alive. Where the member's address refuses connections
//!   ([`Seen::refusing`]) another one that leaves waits for it for less long.
//!
//! Safety does not depend on either. It rests on joint consensus alone (Raft, section 6): openraft commits a change only
//! with a majority of the voters before it and a majority of those after it, whatever was believed of them. What a wrong
//! belief costs is something else. A dead node that counts as alive costs availability: a change whose new majority needs
//! it never commits, and nothing else commits either, since such a change cannot be taken back. A living node that counts
//! as dead is taken out, begins anew and joins again.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use super::super::types::NodeId;
use super::spread::Places;

/// What the leader sees of the membership.
#[derive(Clone, Debug)]
pub struct View {
    /// The leader itself.
    pub leader: NodeId,
    /// All members, the leader among them.
    pub members: Vec<Seen>,
    /// Whether a change that somebody began is still under way (joint consensus).
    pub changing: bool,
    /// How many voters there should be.
    pub wanted_voters: usize,
    /// A member that is silent for so long is removed. One whose address refuses connections is given as much: a process that
    /// is started again there, with `--bootstrap` and told of nobody, finds the cluster only while its address is called.
    pub evict_after: Duration,
    /// A member that discovery does not see is removed once it is silent for longer than this.
    pub alive_within: Duration,
    /// A voter that is silent for so long is removed where another one can leave only then. One whose address refuses
    /// connections is given [`alive_within`](Self::alive_within).
    pub patience: Duration,
    /// Where the members are.
    pub places: Places,
}

/// What the leader sees of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id. Ids are given in ascending order, so the lowest has stood longest.
    pub node: NodeId,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it has acknowledged, in this term, something that the leader sent lately.
    pub heard: bool,
    /// How long the leader could have heard of it and has not.
    pub silent: Duration,
    /// For how long its address has refused every connection, if it does.
    pub refusing: Option<Duration>,
    /// Whether it has almost all of the leader's log.
    pub caught_up: bool,
    /// Whether discovery says that no process of before is at its address any more.
    pub gone: bool,
    /// Whether it has said that it goes, or another node is where it was.
    pub departing: bool,
}

/// A change to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Bring the change that is under way to its end.
    Finish,
    /// Have these nodes vote and no others; a voter that is not among them leaves the membership.
    SetVoters(BTreeSet<NodeId>),
    /// Have these nodes vote and no others; a voter that is not among them stays as a learner.
    MoveSeat(BTreeSet<NodeId>),
    /// Have a voter vote no more, and stay as a learner.
    Demote(NodeId),
    /// Take a learner out of the membership.
    RemoveLearner(NodeId),
}

/// The next change to make; nothing where all is as it should be, or cannot be bettered safely now.
pub fn next_change(view: &View) -> Option<Change> {
    if view.changing {
        return Some(Change::Finish);
    }
    let voters: BTreeSet<NodeId> = view.voters().map(|seen| seen.node).collect();
    // A leader that hears from no majority can change nothing.
    if !view.decide(&voters) {
        return None;
    }
    if let Some(voters) = view.without_departing(&voters) {
        return Some(Change::SetVoters(voters));
    }
    let departing_learner = view.members.iter();
    let departing_learner = departing_learner
        .filter(|seen| !seen.voter && view.departing(seen))
        .map(|seen| seen.node)
        .min();
    if let Some(departing) = departing_learner {
        return Some(Change::RemoveLearner(departing));
    }
    // A leader that wants to go needs somebody to hand over to.
    let wanted_voters = view
        .wanted_voters
        .max(if view.leader_goes() { 2 } else { 1 });
    if voters.len() > wanted_voters {
        // The youngest of those whose seats are where most are.
        let others = voters.iter().copied().filter(|voter| *voter != view.leader);
        let crowding = |voter: NodeId| view.places.crowding(&without(&voters, voter));
        let demoted = others.min_by_key(|voter| (crowding(*voter), Reverse(*voter)))?;
        return view
            .decide(&without(&voters, demoted))
            .then_some(Change::Demote(demoted));
    }
    if voters.len() < wanted_voters {
        let more = view.with_candidate(&voters)?;
        return view.decide(&more).then_some(Change::SetVoters(more));
    }
    view.spread(&voters).map(Change::MoveSeat)
}

fn with(voters: &BTreeSet<NodeId>, node: NodeId) -> BTreeSet<NodeId> {
    voters.iter().copied().chain([node]).collect()
}

fn without(voters: &BTreeSet<NodeId>, node: NodeId) -> BTreeSet<NodeId> {
    voters
        .iter()
        .copied()
        .filter(|voter| *voter != node)
        .collect()
}

impl View {
    fn voters(&self) -> impl Iterator<Item = &Seen> {
        self.members.iter().filter(|seen| seen.voter)
    }

    fn leader_goes(&self) -> bool {
        let mut members = self.members.iter();
        members.any(|seen| seen.node == self.leader && seen.departing)
    }

    fn departing(&self, seen: &Seen) -> bool {
        // Discovery may be behind: a member that is heard is not gone, but has come to an address that another one had.
        let gone = seen.gone && !seen.heard && seen.silent > self.alive_within;
        let evicted = seen.node != self.leader && seen.silent >= self.evict_after;
        seen.departing || gone || evicted
    }

    /// Whether a voter was given enough time, where another one can leave only without it.
    fn given_up(&self, seen: &Seen) -> bool {
        let refuses = seen
            .refusing
            .is_some_and(|refusing| refusing >= self.alive_within);
        !seen.heard && (refuses || seen.silent >= self.patience)
    }

    /// Whether so many of `voters` have given a sign of life that they decide without the others.
    fn decide(&self, voters: &BTreeSet<NodeId>) -> bool {
        let heard = self.members.iter();
        let heard = heard.filter(|seen| seen.heard || seen.node == self.leader);
        heard.filter(|seen| voters.contains(&seen.node)).count() > voters.len() / 2
    }

    /// The learners that could vote.
    fn candidates(&self) -> impl Iterator<Item = NodeId> {
        let learners = self.members.iter().filter(|seen| !seen.voter);
        learners
            .filter(|seen| seen.caught_up && seen.heard && !self.departing(seen))
            .map(|seen| seen.node)
    }

    /// The voters and one more: of the learners that could vote, the longest-standing one of those that are where the fewest
    /// voters are. `None` if no learner could vote.
    fn with_candidate(&self, voters: &BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
        let more = self.candidates().map(|node| (node, with(voters, node)));
        let best = more.min_by_key(|(node, voters)| (self.places.crowding(voters), *node));
        best.map(|(_, voters)| voters)
    }

    /// The voters, with one seat moved from where several are to where fewer are; nothing where no move makes them less crowded.
    /// The leader keeps its seat: it shares a machine or a zone with another voter, whose seat can be moved. While a voter has given
    /// no sign of life, or goes, there are more important changes to come.
    fn spread(&self, voters: &BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
        let mut all = self.voters();
        let calm =
            all.all(|seen| (seen.heard || seen.node == self.leader) && !self.departing(seen));
        if !calm {
            return None;
        }
        let others = voters.iter().copied().filter(|voter| *voter != self.leader);
        let moves = others.flat_map(|from| {
            let fewer = without(voters, from);
            let to = self
                .candidates()
                .map(move |to| (from, to, with(&fewer, to)));
            to.collect::<Vec<_>>()
        });
        let best = moves
            .min_by_key(|(from, to, voters)| (self.places.crowding(voters), *to, Reverse(*from)));
        let (_, _, moved) = best?;
        let better = self.places.crowding(&moved) < self.places.crowding(voters);
        (better && self.decide(&moved)).then_some(moved)
    }

    /// The voters, one step nearer to having none among them that departs; nothing where there is no such step. The leader
    /// hands leadership over before it leaves, and is removed by its successor.
    fn without_departing(&self, voters: &BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
        let others = || self.voters().filter(|seen| seen.node != self.leader);
        let mut departing: Vec<&Seen> = others().filter(|seen| self.departing(seen)).collect();
        // The dead first: the living are needed to remove them.
        departing.sort_by_key(|seen| seen.heard);
        // Where going would cost the majority, a voter that is silent goes before it, though not for long silent.
        let leader_needs_it = self.leader_goes() && !self.decide(&without(voters, self.leader));
        let blocked = !departing.is_empty() || leader_needs_it;
        let silent = others().filter(|seen| self.given_up(seen));
        let mut silent: Vec<&Seen> = silent.filter(|_| blocked).collect();
        silent.sort_by_key(|seen| Reverse(seen.silent));
        let removed = departing.into_iter().chain(silent);
        let mut choices = removed.flat_map(|seen| {
            let fewer = without(voters, seen.node);
            let replaced = self.with_candidate(&fewer);
            replaced.into_iter().chain([fewer])
        });
        choices.find(|voters| self.decide(voters))
    }
}

#[cfg(test)]
mod tests;
