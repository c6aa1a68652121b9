//! What one process does: it looks for a cluster among its peers, joins one or claims to form one, and leads it if it has to.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use spindrift_discovery::kubernetes::{Kubernetes, Pacing};
use spindrift_discovery::{Claim, Discovery as _, MemberState, Pledge, Role, Verdict};
use tokio::time::{Instant, sleep};

use super::world::{Answer, ProcessId, World};
use crate::api_server::{ApiServer, NAMESPACE};
use crate::pod::PORT;

/// Pause between looking for a cluster and looking again.
const PAUSE: Duration = Duration::from_millis(250);

/// How often a member looks after its cluster.
const TEND: Duration = Duration::from_secs(1);

/// A process in a pod.
pub struct Process {
    pub id: ProcessId,
    pub pod: String,
    pub address: String,
    pub api: ApiServer,
    pub world: World,
    pub seed: u64,
    /// How likely it stands still between two steps, for up to a minute.
    pub stands_still: f64,
}

impl Process {
    /// Lives until it is dropped. A process that gives its cluster up begins anew.
    pub async fn live(self) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (self.id << 32));
        for life in 0.. {
            if !self.live_once(life, &mut random).await {
                return;
            }
        }
    }

    /// Says whether there is another life.
    async fn live_once(&self, life: u32, random: &mut StdRng) -> bool {
        let pledge = Pledge::default();
        self.world.enter(self.id, &self.address, pledge.clone());
        let started = Kubernetes::start(
            self.api.client(),
            NAMESPACE.into(),
            self.pod.clone().into(),
            PORT,
            Pacing::default(),
            |_| (),
        );
        // Its pod was deleted before it could ask who it is.
        let Ok(kubernetes) = started.await else {
            return false;
        };
        let cluster = match life {
            0 => format!("cluster-{}", self.id),
            _ => format!("cluster-{}.{life}", self.id),
        };
        let began = Instant::now();
        loop {
            let Some(without_cluster) = self.look(&kubernetes, random).await else {
                break;
            };
            self.maybe_stand_still(random).await;
            let claim = Claim {
                cluster: cluster.clone(),
                looked_for: began.elapsed(),
                without_cluster,
                pledge: pledge.clone(),
                callers: Vec::new(),
            };
            match kubernetes.claim(claim).await {
                Verdict::Form => {
                    self.maybe_stand_still(random).await;
                    self.tell("forms a cluster");
                    self.world.form(self.id, &cluster);
                    break;
                }
                Verdict::Wait { reason } => tracing::trace!(self.id, reason),
            }
            sleep(PAUSE).await;
        }
        self.belong(&kubernetes).await;
        self.tell("begins anew");
        true
    }

    /// Asks all peers. Gives those that belong to no cluster; nothing if a cluster has taken this process in.
    async fn look(&self, kubernetes: &Kubernetes, random: &mut StdRng) -> Option<BTreeSet<String>> {
        let present = kubernetes.peers().borrow().present.clone();
        let mut without_cluster = BTreeSet::new();
        for peer in present.into_iter().filter(|peer| *peer != self.address) {
            sleep(Duration::from_millis(random.random_range(0..20))).await;
            match self.world.ask(&peer) {
                Answer::Silence => {}
                Answer::WithoutCluster => {
                    without_cluster.insert(peer);
                }
                Answer::Member(cluster) => {
                    sleep(Duration::from_millis(random.random_range(0..200))).await;
                    if self.world.join(self.id, &cluster) {
                        self.tell(&format!("joins {cluster}"));
                        return None;
                    }
                }
            }
        }
        Some(without_cluster)
    }

    /// Is a member, until it gives its cluster up.
    async fn belong(&self, kubernetes: &Kubernetes) {
        while !self.world.leave_behind(self.id) {
            if let Some((cluster, recovered_from)) = self.world.member_of(self.id) {
                let term = self.world.lead(self.id, &cluster);
                kubernetes.announce(Some(MemberState {
                    cluster,
                    recovered_from,
                    node: self.id,
                    role: match term {
                        Some(_) => Role::Leader,
                        None => Role::Follower,
                    },
                    term: term.unwrap_or_default(),
                }));
            }
            sleep(TEND).await;
        }
    }

    async fn maybe_stand_still(&self, random: &mut StdRng) {
        if random.random_bool(self.stands_still) {
            sleep(Duration::from_secs(60).mul_f64(random.random())).await;
        }
    }

    fn tell(&self, what: &str) {
        self.world
            .note(format!("process {} in {} {what}", self.id, self.pod));
    }
}
