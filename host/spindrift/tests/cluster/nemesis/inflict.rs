//! [`inflict`]: does to a cluster what a schedule says, and mends it.
//!
//! Nothing is on disk, so a majority of voters that is killed has taken the data with it. Before each fault all nodes
//! agree, every voter among them, and a fault kills a minority at most.

use std::time::Duration;

use super::schedule::{Comeback, Direction, Fault, Who};
use crate::checking::history::History;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::network::{Cut, Place, between};

/// Does `fault` to a cluster whose nodes agree, mends it, and waits until they agree again. What it did is noted in the
/// history.
///
/// # Panics
///
/// If the nodes do not come to agree again, or if one does not end as it should.
pub async fn inflict(fault: Fault, cluster: &mut Cluster, history: &History) {
    let story = Story { cluster, history };
    story.run(fault).await;
}

struct Story<'a> {
    cluster: &'a mut Cluster,
    history: &'a History,
}

impl Story<'_> {
    async fn run(mut self, fault: Fault) {
        match fault {
            Fault::Kill(who, comeback, down) => {
                let victim = self.victim(who).await;
                self.kill(victim);
                self.hold(down).await;
                self.come_back(victim, comeback);
            }
            Fault::KillMinority(comeback, down) => {
                let victims = self.minority_of_voters().await;
                for &victim in &victims {
                    self.kill(victim);
                }
                self.hold(down).await;
                for victim in victims {
                    self.come_back(victim, comeback);
                }
            }
            Fault::Pause(who, time) => {
                let victim = self.victim(who).await;
                self.pause(&[victim], time).await;
            }
            Fault::PauseAll(time) => {
                let all = self.cluster.running();
                self.pause(&all, time).await;
            }
            Fault::CutOff(who, direction, time) => {
                let victim = self.victim(who).await;
                let victim = self.cluster[victim].place;
                let cuts = self.off(victim, direction);
                self.cut(cuts, time).await;
            }
            Fault::Halves(time) => {
                let cuts = self.halves().await;
                self.cut(cuts, time).await;
            }
            Fault::Ring(time) => {
                let cuts = self.ring();
                self.cut(cuts, time).await;
            }
            Fault::KillBehindCut(comeback, time) => {
                let cut_off = self.victim(Who::Leader).await;
                let victim = self.voting_follower().await;
                let cuts = self.off(self.cluster[cut_off].place, Direction::Both);
                self.note(format!("cuts {cuts:?}"));
                self.cluster.network().cut(cuts);
                self.kill(victim);
                self.hold(time).await;
                self.heal();
                self.come_back(victim, comeback);
            }
            Fault::Replace(who) => {
                let joined = self.cluster.add();
                self.note(format!("{} joins", self.name(joined)));
                self.cluster.agreed().await;
                let leaves = self.victim(who).await;
                self.terminate(leaves).await;
            }
            Fault::Roll(comeback) => {
                for node in self.cluster.running() {
                    self.terminate(node).await;
                    self.come_back(node, comeback);
                    self.cluster.agreed().await;
                }
            }
        }
        self.cluster.agreed().await;
        self.note("all nodes agree");
    }

    async fn victim(&mut self, who: Who) -> NodeIndex {
        match who {
            Who::Leader => self.cluster.leader().await,
            Who::Follower(number) => {
                let followers = self.cluster.followers().await;
                followers[number % followers.len()]
            }
        }
    }

    async fn voting_follower(&mut self) -> NodeIndex {
        let views = self.cluster.views().await;
        let voting = views.iter().find(|(_, view)| view.votes() && !view.leads());
        voting
            .map(|(node, _)| *node)
            .expect("all agreed, so there are voters")
    }

    /// The leader and as many more voters as leave a majority.
    async fn minority_of_voters(&mut self) -> Vec<NodeIndex> {
        let views = self.cluster.views().await;
        let mut voters: Vec<_> = views.iter().filter(|(_, view)| view.votes()).collect();
        voters.sort_by_key(|(_, view)| !view.leads());
        let minority = voters.len().saturating_sub(1) / 2;
        voters
            .iter()
            .take(minority)
            .map(|(node, _)| *node)
            .collect()
    }

    /// Cuts `place` off from all others.
    fn off(&mut self, place: Place, direction: Direction) -> Vec<Cut> {
        let others: Vec<Place> = self.places().into_iter().filter(|p| *p != place).collect();
        let mut cuts = between(&[place], &others);
        cuts.retain(|cut| match direction {
            Direction::Both => true,
            Direction::Deaf => cut.to == place,
            Direction::Mute => cut.from == place,
        });
        cuts
    }

    /// Cuts a minority of voters, with the leader, and about half of the others off from the rest.
    async fn halves(&mut self) -> Vec<Cut> {
        let minority = self.minority_of_voters().await;
        let mut some: Vec<Place> = minority.iter().map(|&n| self.cluster[n].place).collect();
        let views = self.cluster.views().await;
        let learners = views.iter().filter(|(_, view)| !view.votes()).step_by(2);
        some.extend(learners.map(|(node, _)| self.cluster[*node].place));
        let mut others = self.places();
        others.retain(|place| !some.contains(place));
        between(&some, &others)
    }

    /// Lets each node hear its neighbours only. Three nodes are all neighbours, so there one pair is cut.
    fn ring(&mut self) -> Vec<Cut> {
        let places = self.places();
        let count = places.len();
        if count <= 3 {
            return between(&places[..1], &places[1..2]);
        }
        let mut cuts = Vec::new();
        for (index, &from) in places.iter().enumerate() {
            for distance in 2..count - 1 {
                let to = places[(index + distance) % count];
                cuts.push(Cut { from, to });
            }
        }
        cuts
    }

    fn places(&mut self) -> Vec<Place> {
        let running = self.cluster.running();
        running
            .iter()
            .map(|&node| self.cluster[node].place)
            .collect()
    }

    async fn cut(&mut self, cuts: Vec<Cut>, time: Duration) {
        self.note(format!("cuts {cuts:?}"));
        self.cluster.network().cut(cuts);
        self.hold(time).await;
        self.heal();
    }

    fn heal(&mut self) {
        self.cluster.network().heal();
        self.note("all hear each other");
    }

    async fn pause(&mut self, nodes: &[NodeIndex], time: Duration) {
        for &node in nodes {
            self.note(format!("{} stands still", self.name(node)));
            self.cluster[node].pause();
        }
        self.hold(time).await;
        for &node in nodes {
            self.cluster[node].resume();
            self.note(format!("{} goes on", self.name(node)));
        }
    }

    fn kill(&mut self, node: NodeIndex) {
        self.note(format!("{} is killed", self.name(node)));
        self.cluster.kill(node);
    }

    fn come_back(&mut self, ended: NodeIndex, comeback: Comeback) {
        let node = match comeback {
            Comeback::SameAddress => self.cluster.restart(ended),
            Comeback::NewAddress => self.cluster.add(),
        };
        self.note(format!(
            "{} takes the place of {}",
            self.name(node),
            self.name(ended)
        ));
    }

    async fn terminate(&mut self, node: NodeIndex) {
        self.note(format!("{} is asked to end", self.name(node)));
        let status = self.cluster.terminate(node).await;
        assert!(
            status.success(),
            "{} ended with {status}; it logged:\n{}",
            self.name(node),
            self.cluster[node].log_end()
        );
        self.note(format!("{} has ended", self.name(node)));
    }

    /// Lets the fault last.
    async fn hold(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn name(&self, node: NodeIndex) -> String {
        self.cluster[node].name().to_owned()
    }

    fn note(&self, what: impl Into<String>) {
        let what = what.into();
        println!("    {what}");
        self.history.event(what);
    }
}
