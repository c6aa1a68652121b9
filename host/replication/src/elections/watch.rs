//! [`watch`]: leaders that come and go, as openraft shows them, and whether this process runs.

use std::time::Duration;

use openraft::Instant as _;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use tokio::time::Instant;

use super::record::{Elections, millis};
use super::repeats::{Repeats, since_then};
use super::scheduling::{Cause, Delay, Scheduling};
use crate::types::{NodeId, Raft, TypeConfig};

/// Looks at whether this process runs in each heartbeat interval. A standstill is seen to begin with this accuracy.
const LOOKS_PER_HEARTBEAT: u32 = 4;

/// Pause between looking for what has ended and looking again.
const ENDED_INTERVAL: Duration = Duration::from_secs(1);

/// Watches one node for as long as it runs, on the thread of replication. Never ends before.
///
/// `lease` is for how long the node votes for nobody else after it has heard from a leader.
pub async fn watch(raft: Raft, elections: Elections, lease: Duration, heartbeat: Duration) {
    let mut metrics = raft.server_metrics();
    let mut seen = Standing::of(&metrics.borrow_watched());
    elections.is_in(seen.term(), &metrics.borrow_watched().membership_config);
    let mut watching = Watching {
        raft,
        elections,
        lease,
        too_late: heartbeat / 2,
        led_since: None,
        majority_lost: None,
        losses: Repeats::default(),
        ran_again: Instant::now(),
        delays: Repeats::default(),
        longest: Duration::ZERO,
        looked_for_ended: Instant::now(),
    };
    watching.begins(&seen);
    let mut scheduling = Scheduling::each(heartbeat / LOOKS_PER_HEARTBEAT);
    loop {
        tokio::select! {
            // It comes first: who reads what has happened must know whether this process ran.
            biased;
            delay = scheduling.look() => watching.looked(delay),
            changed = metrics.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = {
                    let now = metrics.borrow_watched();
                    let standing = Standing::of(&now);
                    watching.elections.is_in(standing.term(), &now.membership_config);
                    standing
                };
                watching.changed(&seen, &now);
                seen = now;
            }
        }
    }
}

/// What a node is, as openraft shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    own: NodeId,
    vote: crate::types::Vote,
    leads: bool,
    leader: Option<NodeId>,
    votes: bool,
}

impl Standing {
    fn of(metrics: &RaftServerMetrics<TypeConfig>) -> Self {
        let mut voters = metrics.membership_config.voter_ids();
        Self {
            own: metrics.id,
            vote: metrics.vote,
            leads: metrics.state == ServerState::Leader,
            leader: metrics.current_leader,
            votes: voters.any(|voter| voter == metrics.id),
        }
    }

    const fn term(&self) -> u64 {
        self.vote.leader_id.term
    }
}

struct Watching {
    raft: Raft,
    elections: Elections,
    lease: Duration,
    /// A delay beyond this is said.
    too_late: Duration,
    led_since: Option<Instant>,
    /// When a majority was heard last, while none is, and whether that was said.
    majority_lost: Option<(Instant, bool)>,
    losses: Repeats<()>,
    /// When this process last ran again after it had not run.
    ran_again: Instant,
    delays: Repeats<Cause>,
    /// The longest delay since one was said.
    longest: Duration,
    looked_for_ended: Instant,
}

impl Watching {
    fn begins(&mut self, now: &Standing) {
        let none = Standing {
            leads: false,
            leader: None,
            ..now.clone()
        };
        self.changed(&none, now);
    }

    fn changed(&mut self, before: &Standing, now: &Standing) {
        let other_term = before.term() != now.term();
        if before.leads && (!now.leads || other_term) {
            self.majority_lost = None;
            self.led_since = None;
            self.elections
                .stepped_down(before.term(), &now.vote, now.votes);
        }
        if now.leads && (!before.leads || other_term) {
            self.led_since = Some(Instant::now());
            self.elections.won(now.term());
        } else if let Some(leader) = now.leader
            && leader != now.own
            && (before.leader != now.leader || other_term)
        {
            self.elections.follows(now.term(), leader);
        }
    }

    fn looked(&mut self, delay: Delay) {
        if delay.late > self.too_late {
            self.did_not_run(delay);
        }
        self.elections.looked(delay, delay.late > self.too_late);
        // openraft stands for election by its own clock, which has gone on meanwhile.
        let may_stand = self.elections.may_stand();
        self.raft.runtime_config().elect(may_stand);
        self.look_for_majority();
        if self.looked_for_ended.elapsed() >= ENDED_INTERVAL {
            self.looked_for_ended = Instant::now();
            self.elections.look_for_leader();
            self.elections.say_what_ended();
            for ((), times) in self.losses.ended() {
                tracing::info!(
                    times,
                    "no majority has acknowledged this leader, again and again, and that is over"
                );
            }
            for (_, times) in self.delays.ended() {
                tracing::info!(
                    times,
                    longest_ms = millis(self.longest),
                    "this process has not run again and again, and runs now"
                );
                self.longest = Duration::ZERO;
            }
        }
    }

    fn did_not_run(&mut self, delay: Delay) {
        self.ran_again = Instant::now();
        self.elections.did_not_run(delay.late);
        self.longest = self.longest.max(delay.late);
        let Some(untold) = self.delays.happened(delay.cause) else {
            return;
        };
        let ms = millis(delay.late);
        tracing::info!(
            ms,
            longest_ms = millis(self.longest),
            cause = delay.cause.label(),
            "this process did not run for {ms} ms: {}{}",
            delay.cause.words(),
            since_then(untold)
        );
        self.longest = Duration::ZERO;
    }

    /// Whether a leader is acknowledged by a majority.
    fn look_for_majority(&mut self) {
        let Some(led_since) = self.led_since else {
            return;
        };
        let acked = self.raft.data_metrics().borrow_watched().last_quorum_acked;
        let unheard = acked.map_or_else(|| led_since.elapsed(), |acked| acked.elapsed());
        let alone = self.elections.is_only_voter();
        // What came while this process did not run is not read yet.
        let listened = self.ran_again.elapsed().min(led_since.elapsed());
        match self.majority_lost {
            None if !alone && unheard > self.lease && listened > self.lease => {
                let untold = self.losses.happened(());
                let since = Instant::now().checked_sub(unheard).unwrap_or(led_since);
                self.majority_lost = Some((since, untold.is_some()));
                self.elections.lost_majority(unheard, untold);
            }
            Some((lost, said)) if alone || unheard <= self.lease => {
                self.majority_lost = None;
                let ms = millis(lost.elapsed());
                if said {
                    tracing::info!(
                        ms,
                        "a majority acknowledges this leader again, after {ms} ms"
                    );
                }
            }
            _ => {}
        }
    }
}
