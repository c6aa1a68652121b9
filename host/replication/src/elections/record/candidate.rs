//! What [`Elections`] says of an election that this node stands for, from its beginning to a leader.

use tokio::time::Instant;

use super::{Candidacy, Elections, Event, Round, Seen, cut, millis};
use crate::elections::ballot::{Answer, Ballot, Reason};
use crate::elections::repeats::since_then;
use crate::types::NodeId;

impl Elections {
    /// This node asks `target` for its vote in `term`. `handed_over`: the leader has asked it to.
    pub fn asks(&self, ballot: Ballot, term: u64, handed_over: bool, target: NodeId) {
        let mut seen = self.0.lock();
        if let Some(candidacy) = &mut seen.candidacy
            && candidacy.round.ballot == ballot
            && candidacy.round.term == term
            && !candidacy.round.asked.contains(&target)
        {
            candidacy.round.asked.push(target);
            return;
        }
        let round = Round {
            ballot,
            term,
            asked: vec![target],
            given: Vec::new(),
        };
        let reason = match handed_over {
            true => Reason::HandOver,
            false => Reason::Silence,
        };
        let begins = ballot == Ballot::PreVote || handed_over || seen.candidacy.is_none();
        match &mut seen.candidacy {
            Some(candidacy) => {
                candidacy.times += u64::from(begins);
                candidacy.round = round;
            }
            none => {
                *none = Some(Candidacy {
                    began: Instant::now(),
                    times: 1,
                    round,
                });
            }
        }
        if begins {
            seen.metrics.begun(reason);
            seen.say_begun(reason, ballot, term);
        } else if let Some(untold) = seen.own_repeats.happened(Event::Asked(ballot)) {
            tracing::info!(
                term,
                "asks for votes, which a majority has said that it would give{}",
                since_then(untold)
            );
        }
    }

    /// `target` has answered that question.
    pub fn was_answered(&self, ballot: Ballot, term: u64, target: NodeId, answer: &Answer) {
        let mut seen = self.0.lock();
        seen.metrics.answered(ballot, answer);
        if let Some(candidacy) = &mut seen.candidacy
            && *answer == Answer::Given
            && (candidacy.round.ballot, candidacy.round.term) == (ballot, term)
        {
            candidacy.round.given.push(target);
        }
        let kind = match answer {
            Answer::Given => "given",
            Answer::Refused(refusal) => refusal.label(),
            Answer::None(_) => "none",
        };
        let event = Event::Answered(ballot, target, kind);
        let Some(untold) = seen.own_repeats.happened(event) else {
            return;
        };
        let address = seen.address(target);
        let repeated = since_then(untold);
        let (gives, refuses) = match ballot {
            Ballot::PreVote => ("would give its vote", "would refuse its vote"),
            Ballot::Vote => ("gives its vote", "refuses its vote"),
        };
        match answer {
            Answer::Given => {
                tracing::info!(
                    term,
                    node = target,
                    address,
                    "node {target} {gives}{repeated}"
                );
            }
            Answer::Refused(refusal) => tracing::info!(
                term,
                node = target,
                address,
                "node {target} {refuses}: {}{repeated}",
                refusal.because(target)
            ),
            Answer::None(reason) => tracing::info!(
                term,
                node = target,
                address,
                "node {target} does not answer: {}{repeated}",
                cut(reason)
            ),
        }
    }

    /// This node was elected in `term`.
    pub(in crate::elections) fn won(&self, term: u64) {
        let mut seen = self.0.lock();
        seen.handing_over_to = None;
        seen.metrics.won();
        seen.metrics.leader_changed();
        match seen.candidacy.take() {
            Some(candidacy) => tracing::info!(
                term,
                ms = millis(candidacy.began.elapsed()),
                times = candidacy.times,
                "this node leads: it was elected with the votes of {}, and its own",
                seen.names(&candidacy.round.given)
            ),
            None => {
                seen.metrics.begun(Reason::Alone);
                tracing::info!(term, "this node leads: it is the only voter");
            }
        }
        seen.end_repeats();
    }

    /// Another node leads in `term`.
    pub(in crate::elections) fn follows(&self, term: u64, leader: NodeId) {
        let mut seen = self.0.lock();
        seen.metrics.leader_changed();
        let candidacy = seen.candidacy.take();
        let address = seen.address(leader);
        match candidacy {
            Some(candidacy) => tracing::info!(
                term,
                node = leader,
                address,
                ms = millis(candidacy.began.elapsed()),
                times = candidacy.times,
                "node {leader} leads, and this node, which stood for election itself, follows it"
            ),
            None => tracing::info!(term, node = leader, address, "node {leader} leads"),
        }
        seen.end_repeats();
    }

    /// Whether the leader that this node already knew is heard again: it stands for election no more then.
    pub(in crate::elections) fn look_for_leader(&self) {
        let mut seen = self.0.lock();
        let heard_since = |candidacy: &Candidacy| {
            let heard = seen.hearing.last().map(|heard| heard.silence.lasts());
            heard.is_some_and(|heard| heard < candidacy.began.elapsed())
        };
        if !seen.hearing.leader_is_heard() || !seen.candidacy.as_ref().is_some_and(heard_since) {
            return;
        }
        let candidacy = seen.candidacy.take();
        let untold = seen.own_repeats.happened(Event::HeardAgain);
        if let (Some(candidacy), Some(untold), Some(heard)) =
            (candidacy, untold, seen.hearing.last())
        {
            tracing::info!(
                term = heard.term,
                node = heard.leader,
                address = seen.address(heard.leader),
                ms = millis(candidacy.began.elapsed()),
                times = candidacy.times,
                "the leader, node {}, is heard again, and this node stands for election no more{}",
                heard.leader,
                since_then(untold)
            );
        }
    }
}

impl Seen {
    fn say_begun(&mut self, reason: Reason, ballot: Ballot, term: u64) {
        let Some(untold) = self.own_repeats.happened(Event::Began) else {
            return;
        };
        let others: Vec<NodeId> = self
            .voters
            .iter()
            .copied()
            .filter(|voter| *voter != self.own)
            .collect();
        let asks = match ballot {
            Ballot::PreVote => "asks whether they would give their votes",
            Ballot::Vote => "asks for votes",
        };
        let asks = format!("{asks}: {}{}", self.names(&others), since_then(untold));
        match (self.hearing.last(), reason) {
            (Some(heard), Reason::HandOver) => tracing::info!(
                term,
                node = heard.leader,
                address = self.address(heard.leader),
                "begins an election: the leader, node {}, hands over to this node; {asks}",
                heard.leader
            ),
            (Some(heard), _) => {
                let silent = millis(heard.silence.lasts());
                let not_run = millis(heard.silence.not_run());
                let leader = self.names(&[heard.leader]);
                let itself = match not_run {
                    0 => String::new(),
                    not_run => format!(", {not_run} ms of which this process did not run itself"),
                };
                tracing::info!(
                    term,
                    node = heard.leader,
                    address = self.address(heard.leader),
                    ms = silent,
                    not_run_ms = not_run,
                    "begins an election: nothing was heard from the leader, {leader}, for {silent} ms{itself}; {asks}"
                );
            }
            (None, _) => tracing::info!(
                term,
                "begins an election: no leader was heard since this node started; {asks}"
            ),
        }
    }
}
