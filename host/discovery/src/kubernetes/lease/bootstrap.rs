//! [`Bootstrap`]: claims, which end in at most one cluster that lives.
//!
//! A claim looks at the Lease and at the pods, decides ([`decision`](super::decision)), and forms a cluster only after it has
//! itself written the cluster's id into the Lease, on the condition that the Lease is still the one that it looked at. That
//! orders the claims, and takes care of all but one case: a process that has written its id and has not formed its cluster yet,
//! because it is slow, or stands still, or has not got the answer. Others find nobody who belongs to a cluster then. Three
//! rules keep them from giving up that process's cluster while it may still come to be. *A* is that process, *B* another.
//!
//! 1. A gives its [`Pledge`](crate::Pledge) before it writes. From then on it answers nobody that it belongs to no
//!    cluster, until the claim has failed for certain as far as A is concerned: A forms the cluster after a write that has
//!    succeeded in the very claim, and not because it finds its own id in the Lease. Having found that, it writes again.
//! 2. B gives a recorded cluster up only if all pods in which something may run have answered that they belong to none, *after*
//!    B has first seen the Lease as it is. That is the case for a Lease that an earlier claim has seen, since the answers of
//!    this claim came after that.
//! 3. B writes on the condition that the Lease is still as B has seen it.
//!
//! Say that both A and B write, that both succeed, and that B's is the write after A's. B has replaced what A wrote (3), and
//! seen it earlier than A's last answer (2), which was given after A's pledge (1). So A, if it runs, had given up its claim, and
//! it cannot take it up again without another write, which would be the one after B's. No clock has a part in that, and
//! neither has how long A or B stand still between any two steps.
//!
//! What it rests on is that a pod runs nothing any more when the API server has deleted it, or says that none of its containers
//! runs. The kubelet sees to that for a deletion, unless somebody forces it. Hence A looks after its write whether its own pod
//! is still there. The state of containers is late, by less than the Lease's duration as long as the kubelet reaches the API
//! server, and a cluster's leader renews the Lease in that time. It is late for a container that has just been started, too: a
//! process that was told the address of its pod may write before the API server says that it runs. The duration is measured by B's clock alone, from when B has
//! first seen the Lease unchanged, so clocks need not agree.
//!
//! A process without a cluster may also *join* one between its answer to B and B's write. It takes a leader that lives to be let
//! in, so that B gave up a cluster whose leader has neither renewed the Lease nor runs in a pod that the API server knows of.
//! The answers are used for [`fresh`](super::super::Pacing::fresh) at most to keep even that short.
//!
//! A cluster that was recovered from the recorded one is the other way in which the record changes
//! ([`leadership`](super::leadership)). To a claim, the node that recovers is a member all the time: it gives its pledge before
//! it leaves the old cluster for the new one, so that it never answers that it belongs to none.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::super::{Claim, Verdict};
use super::super::api_server::{ApiServer, CallError};
use super::super::events::{Events, Happening};
use super::super::own_pod::OwnPod;
use super::super::workload::Workload;
use super::decision::{Decision, Known, decide, silent};
use super::record::{ObservedLease, Record, name_for};

/// Decides the claims of one process.
pub(crate) struct Bootstrap {
    api: Arc<ApiServer>,
    own: OwnPod,
    workload: Workload,
    port: u16,
    events: Events,
    progress: Mutex<Progress>,
}

/// What earlier claims leave to later ones.
#[derive(Default)]
struct Progress {
    seen: ObservedLease,
    /// When the last claim was answered: the answers of peers in the next one came after that.
    answered: Option<Instant>,
    /// The cluster that is given up for the claimed one.
    given_up: Option<String>,
    /// Until when the last answer stands.
    looks_again: Option<Instant>,
    reason: String,
}

impl Bootstrap {
    pub(crate) fn new(
        api: Arc<ApiServer>,
        own: OwnPod,
        workload: Workload,
        port: u16,
        events: Events,
    ) -> Self {
        Self {
            api,
            own,
            workload,
            port,
            events,
            progress: Mutex::default(),
        }
    }

    /// Answers a claim.
    pub(crate) async fn claim(&self, claim: &Claim) -> Verdict {
        let mut progress = self.progress.lock().await;
        let pacing = self.api.pacing();
        let due = progress.looks_again.is_none_or(|at| at <= Instant::now());
        let verdict = if due {
            let outcome = self.try_to_form(claim, &mut progress).await;
            let pause = match &outcome {
                Err(NotFormed::Call(error)) => error.pause(pacing),
                _ => pacing.look_again_after(claim.looked_for),
            };
            progress.looks_again = Some(Instant::now() + pause);
            match outcome {
                Ok(()) => Verdict::Form,
                Err(not_formed) => {
                    progress.reason = not_formed.to_string();
                    wait(&progress.reason)
                }
            }
        } else {
            wait(&progress.reason)
        };
        progress.answered = Some(Instant::now());
        verdict
    }

    async fn try_to_form(&self, claim: &Claim, progress: &mut Progress) -> Result<(), NotFormed> {
        let lease = self.look().await?;
        let unchanged_for = progress.seen.observe(lease.as_ref());
        let recorded = lease.as_ref().map(Record::of);
        // After the Lease, so that a pod that has written it is among them.
        let pods: Vec<Pod> = self.api.list(&self.workload.selector).await?;
        let lasts = self.api.pacing().lease_duration;
        let decision = decide(&Known {
            claimed: &claim.cluster,
            recorded: recorded.as_ref(),
            unchanged_for,
            lease_duration: lasts,
            silent: silent(&pods, &self.own.uid, self.port, &claim.without_cluster),
        });
        let record = Record {
            cluster: Some(claim.cluster.clone()),
            holder: Some(self.own.name.clone()),
            ..Record::default()
        };
        match decision {
            Decision::Wait(reason) => return Err(NotFormed::Reason(reason)),
            Decision::Form { instead_of } => {
                // An earlier claim of the same cluster has replaced what it has replaced, and did not get the answer.
                if instead_of.as_ref() != Some(&claim.cluster) {
                    progress.given_up = instead_of;
                }
            }
        }
        self.check_age(progress)?;

        // From here on nobody may hear that this process belongs to no cluster (rule 1), until it is certain that this claim does
        // not form one. That includes an answer that does not come: then the next claim finds its own record and writes again.
        let given = claim.pledge.give();
        match lease {
            Some(mut lease) => {
                record.write(&mut lease, lasts);
                // On the condition of the resource version that was seen (rule 3).
                self.api.replace(&lease).await?;
            }
            None => {
                let lease = record.create(&name_for(&self.workload), &self.workload, lasts);
                // On the condition that there is none.
                self.api.create(&lease).await?;
            }
        }
        // After the write: whoever deletes the pod later finds the Lease changed, and waits for it to expire.
        if !self.own.stays(&self.api).await? {
            let pod = &self.own.name;
            return Err(NotFormed::Reason(format!(
                "this pod, {pod}, is being deleted"
            )));
        }
        given.keep();
        self.events.say(Happening::Formed {
            cluster: claim.cluster.clone(),
            instead_of: progress.given_up.take(),
        });
        Ok(())
    }

    async fn look(&self) -> Result<Option<Lease>, CallError> {
        match self.api.get(&name_for(&self.workload)).await {
            Ok(lease) => Ok(Some(lease)),
            Err(CallError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Refuses answers that peers gave too long ago. The oldest came right after the last claim was answered.
    fn check_age(&self, progress: &Progress) -> Result<(), NotFormed> {
        let fresh = self.api.pacing().fresh;
        let age = progress.answered.map_or(Duration::ZERO, |at| at.elapsed());
        if age > fresh {
            return Err(NotFormed::Reason(format!(
                "the peers' answers may be {age:?} old, and have to be asked for again"
            )));
        }
        Ok(())
    }
}

/// What keeps a claim from forming a cluster for now.
#[derive(Debug, thiserror::Error)]
enum NotFormed {
    #[error("{0}")]
    Reason(String),
    #[error(transparent)]
    Call(#[from] CallError),
}

fn wait(reason: &str) -> Verdict {
    Verdict::Wait {
        reason: reason.to_owned(),
    }
}
