//! The leader's renewals: the Lease says within seconds who leads.
//!
//! Only the recorded cluster's leader writes, and never over a later term's. Nobody reads it to know who leads but people.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::super::{Role, Standing};
use super::super::api_server::{ApiServer, CallError};
use super::super::events::{Events, Happening};
use super::super::own_pod::OwnPod;
use super::super::workload::Workload;
use super::record::{Record, name_for};

/// Keeps the Lease for one process.
pub(in super::super) struct Leadership {
    pub api: Arc<ApiServer>,
    pub own: OwnPod,
    pub workload: Workload,
    pub events: Events,
}

/// What a leader finds in the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Renewal {
    /// It may write this.
    Write(Record),
    /// Another node leads in this term, or in a later one that this node has not heard of yet.
    Behind,
    /// Another cluster is recorded.
    Rival(String),
}

/// Writes who leads into the Lease, for as long as this node does, until `closing`; then it lets go of the Lease.
pub(in super::super) async fn keep(
    leadership: Leadership,
    mut standing: watch::Receiver<Option<Standing>>,
    closing: CancellationToken,
) {
    // As this process has written it last, if the outcome is known.
    let mut held = None;
    let mut rival = None;
    loop {
        let now = standing.borrow_and_update().clone();
        let leads = now.filter(|standing| standing.role == Role::Leader);
        let work = async {
            let Some(standing) = &leads else {
                return std::future::pending().await;
            };
            let pause = leadership.renew(standing, &mut held, &mut rival).await;
            sleep(pause).await;
        };
        select! {
            () = closing.cancelled() => break,
            changed = standing.changed() => if changed.is_err() { break },
            () = work => {}
        }
    }
    if let Some(lease) = held {
        leadership.let_go(lease).await;
    }
}

impl Leadership {
    /// Renews the Lease, and gives the pause until the next time.
    async fn renew(
        &self,
        standing: &Standing,
        held: &mut Option<Lease>,
        rival: &mut Option<String>,
    ) -> Duration {
        let pacing = self.api.pacing();
        // Taken, so that it counts as unknown if this is cut off or fails.
        let outcome = match held.take() {
            Some(lease) => self.write(Some(lease), standing).await,
            None => match self.api.get(&name_for(&self.workload)).await {
                Ok(lease) => self.write(Some(lease), standing).await,
                Err(CallError::NotFound) => self.write(None, standing).await,
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(Outcome::Written(lease)) => {
                *held = Some(*lease);
                *rival = None;
                pacing.renew_every
            }
            Ok(Outcome::Behind) => pacing.renew_every,
            Ok(Outcome::Rival(recorded)) => {
                self.say_rival(standing, recorded, rival);
                pacing.renew_every
            }
            // Somebody else has written: it is read again.
            Err(CallError::Conflict) => pacing.retry_after.min(pacing.renew_every) / 4,
            Err(error) => {
                tracing::debug!("naming the leader in the Lease: {error}");
                error.pause(pacing)
            }
        }
    }

    async fn write(&self, lease: Option<Lease>, standing: &Standing) -> Result<Outcome, CallError> {
        let recorded = lease.as_ref().map(Record::of);
        let record = match renewal(recorded.as_ref(), standing, &self.own.name) {
            Renewal::Write(record) => record,
            Renewal::Behind => return Ok(Outcome::Behind),
            Renewal::Rival(recorded) => return Ok(Outcome::Rival(recorded)),
        };
        let lasts = self.api.pacing().lease_duration;
        let written = match lease {
            Some(mut lease) => {
                record.write(&mut lease, lasts);
                self.api.replace(&lease).await?
            }
            None => {
                let name = name_for(&self.workload);
                let lease = record.create(&name, &self.workload, lasts);
                self.api.create(&lease).await?
            }
        };
        Ok(Outcome::Written(Box::new(written)))
    }

    fn say_rival(&self, standing: &Standing, recorded: String, said: &mut Option<String>) {
        if said.as_ref() == Some(&recorded) {
            return;
        }
        let name = name_for(&self.workload);
        let own = &standing.cluster;
        tracing::error!(
            "this node leads cluster {own}, and the Lease {name} records cluster {recorded}: they hold different data and do \
             not replicate to each other. If {own} is the one to keep, as after `spindrift recover`, delete the Lease; if \
             not, delete this pod"
        );
        self.events.say(Happening::Rival {
            own: own.clone(),
            recorded: recorded.clone(),
        });
        *said = Some(recorded);
    }

    /// Says that nobody leads, as far as this process knows. Of no consequence if another has written since.
    async fn let_go(&self, mut lease: Lease) {
        let record = Record {
            holder: None,
            node: None,
            ..Record::of(&lease)
        };
        record.write(&mut lease, self.api.pacing().lease_duration);
        if let Err(error) = self.api.replace(&lease).await {
            tracing::debug!("letting go of the Lease: {error}");
        }
    }
}

enum Outcome {
    Written(Box<Lease>),
    Behind,
    Rival(String),
}

/// Whether the leader of `standing`, in `pod`, may write itself into a Lease that says `recorded`.
fn renewal(recorded: Option<&Record>, standing: &Standing, pod: &str) -> Renewal {
    let record = Record {
        cluster: Some(standing.cluster.clone()),
        holder: Some(pod.to_owned()),
        node: Some(standing.node),
        term: Some(standing.term),
    };
    let Some(recorded) = recorded else {
        return Renewal::Write(record);
    };
    match &recorded.cluster {
        Some(cluster) if *cluster != standing.cluster => {
            return Renewal::Rival(cluster.clone());
        }
        _ => {}
    }
    let another = recorded.node.is_some_and(|node| node != standing.node);
    match recorded.term {
        Some(term) if term > standing.term || (term == standing.term && another) => Renewal::Behind,
        _ => Renewal::Write(record),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Neither another cluster's record nor a later term's is ever written over.
        #[test]
        fn a_leader_writes_over_earlier_terms_of_its_cluster_alone(
            cluster in prop::option::of(prop::sample::select(vec!["a", "b"])),
            node in prop::option::of(1u64..4),
            term in prop::option::of(0u64..4),
            own_term in 0u64..4,
        ) {
            let recorded = Record {
                cluster: cluster.map(str::to_owned),
                holder: None,
                node,
                term,
            };
            let standing = Standing {
                cluster: "a".into(),
                node: 1,
                role: Role::Leader,
                term: own_term,
            };
            let found = renewal(Some(&recorded), &standing, "pod");
            let rival = cluster == Some("b");
            prop_assert_eq!(matches!(found, Renewal::Rival(_)), rival);
            if let Renewal::Write(record) = found {
                prop_assert!(term.is_none_or(|term| term <= own_term));
                prop_assert!(term != Some(own_term) || node.is_none_or(|node| node == 1));
                prop_assert_eq!(record.term, Some(own_term));
            } else if !rival {
                prop_assert!(term.is_some_and(|term| term >= own_term));
            }
        }
    }
}
