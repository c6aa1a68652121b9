//! What one process does: it looks for a cluster among its peers, joins one or claims to form one, and leads it if it has to.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use spindrift::discovery::kubernetes::{Kubernetes, Pacing};
use spindrift::discovery::{Claim, Discovery as _, Pledge, Role, Standing, Verdict};
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
    /// Lives until it is dropped.
    pub async fn live(self) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (self.id << 32));
        let pledge = Pledge::default();
        self.world.enter(self.id, &self.address, pledge.clone());
        let started = Kubernetes::start(
            self.api.client(),
            NAMESPACE.into(),
            &self.pod,
            PORT,
            Pacing::default(),
        );
        // Its pod was deleted before it could ask who it is.
        let Ok(kubernetes) = started.await else {
            return;
        };
        let cluster = format!("cluster-{}", self.id);
        let began = Instant::now();
        let member_of = loop {
            let without_cluster = match self.look(&kubernetes, &mut random).await {
                Ok(without_cluster) => without_cluster,
                Err(joined) => break joined,
            };
            self.maybe_stand_still(&mut random).await;
            let claim = Claim {
                cluster: cluster.clone(),
                looked_for: began.elapsed(),
                without_cluster,
                pledge: pledge.clone(),
            };
            match kubernetes.claim(claim).await {
                Verdict::Form => {
                    self.maybe_stand_still(&mut random).await;
                    self.tell("forms a cluster");
                    self.world.form(self.id, &cluster);
                    break cluster;
                }
                Verdict::Wait { reason } => tracing::trace!(self.id, reason),
            }
            sleep(PAUSE).await;
        };
        self.belong(&kubernetes, &member_of).await;
    }

    /// Asks all peers. Gives those that belong to no cluster, or the cluster that has taken this process in.
    async fn look(
        &self,
        kubernetes: &Kubernetes,
        random: &mut StdRng,
    ) -> Result<BTreeSet<String>, String> {
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
                        return Err(cluster);
                    }
                }
            }
        }
        Ok(without_cluster)
    }

    async fn belong(&self, kubernetes: &Kubernetes, cluster: &str) {
        loop {
            let term = self.world.lead(self.id, cluster);
            kubernetes.announce(Some(Standing {
                cluster: cluster.to_owned(),
                recovered_from: Vec::new(),
                node: self.id,
                role: match term {
                    Some(_) => Role::Leader,
                    None => Role::Follower,
                },
                term: term.unwrap_or_default(),
            }));
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
