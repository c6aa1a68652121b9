//! The leader's renewals: the Lease says within seconds who leads.
//!
//! Only the recorded cluster's leader writes, and never over a later term's. Nobody reads it to know who leads but people.
//!
//! There is one exception: the leader of a cluster that was recovered from the recorded one (`spindrift recover`) writes its own
//! in the place of that. Two clusters never both take the record for theirs:
//!
//! 1. Each write is on the condition that the Lease is still the one that was read. So the recorded clusters are a sequence, and
//!    each is followed either by one that was recovered from it, or by one that a claim has formed
//!    ([`bootstrap`](super::bootstrap)).
//! 2. A cluster takes the record of its predecessors alone, and is none of theirs, since each cluster has an id of its own that
//!    was chosen at random. What was succeeded cannot take the record back: its leader finds another cluster there, and says so.
//!    Of several clusters that were recovered from the same one, the first to write has the record, for the same reason.
//! 3. Whoever comes to lead a recovered cluster knows its predecessors, so it makes no difference who led it when it was formed,
//!    or how long the API server was away.
//!
//! That leaves a cluster which was recovered though the recorded one lives, as when a node was only cut off. So the record is
//! taken over only when nobody has renewed it for as long as a Lease lasts, by the clock of whoever takes it. While it is renewed
//! the two are rivals, as any others, and people are told.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::super::{MemberState, Role};
use super::super::api_server::{ApiServer, CallError};
use super::super::events::{Events, Happening};
use super::super::own_pod::OwnPod;
use super::super::workload::Workload;
use super::record::{ObservedLease, Record, name_for};

/// Keeps the Lease for one process.
pub(crate) struct Leadership {
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
    /// The cluster is recorded that the own one was recovered from, and may yet be renewed.
    Predecessor(String),
    /// Another cluster is recorded.
    Rival(String),
}

/// What one look at the Lease leaves to the next.
#[derive(Default)]
struct Progress {
    /// As this process has written it last, if the outcome is known.
    held: Option<Lease>,
    seen: ObservedLease,
    /// Since when a predecessor's record is waited for to expire.
    waits: Option<Instant>,
    /// The recorded cluster of which people have been told that it is another one.
    told_of: Option<String>,
}

/// Writes who leads into the Lease, for as long as this node does, until `closing`; then it lets go of the Lease.
pub(crate) async fn keep(
    leadership: Leadership,
    mut member: watch::Receiver<Option<MemberState>>,
    closing: CancellationToken,
) {
    let mut progress = Progress::default();
    loop {
        let now = member.borrow_and_update().clone();
        let leads = now.filter(|member| member.role == Role::Leader);
        let work = async {
            let Some(member) = &leads else {
                return std::future::pending().await;
            };
            let pause = leadership.renew(member, &mut progress).await;
            sleep(pause).await;
        };
        select! {
            () = closing.cancelled() => break,
            changed = member.changed() => if changed.is_err() { break },
            () = work => {}
        }
    }
    if let Some(lease) = progress.held {
        leadership.let_go(lease).await;
    }
}

impl Leadership {
    /// Renews the Lease, and gives the pause until the next time.
    async fn renew(&self, member: &MemberState, progress: &mut Progress) -> Duration {
        let pacing = self.api.pacing();
        // Taken, so that it counts as unknown if this is cut off or fails.
        let lease = match progress.held.take() {
            Some(lease) => Ok(Some(lease)),
            None => match self.api.get(&name_for(&self.workload)).await {
                Ok(lease) => Ok(Some(lease)),
                Err(CallError::NotFound) => Ok(None),
                Err(error) => Err(error),
            },
        };
        let outcome = match lease {
            Ok(lease) => self.write(lease, member, progress).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => pacing.renew_every,
            // Somebody else has written: it is read again.
            Err(CallError::Conflict) => pacing.retry_after.min(pacing.renew_every) / 4,
            Err(error) => {
                tracing::debug!("naming the leader in the Lease: {error}");
                error.pause(pacing)
            }
        }
    }

    async fn write(
        &self,
        lease: Option<Lease>,
        member: &MemberState,
        progress: &mut Progress,
    ) -> Result<(), CallError> {
        let lasts = self.api.pacing().lease_duration;
        let expired = progress.seen.observe(lease.as_ref()) >= lasts;
        let recorded = lease.as_ref().map(Record::of);
        let record = match renewal(recorded.as_ref(), member, &self.own.name, expired) {
            Renewal::Write(record) => record,
            Renewal::Behind => return Ok(()),
            Renewal::Predecessor(old) => {
                let since = *progress.waits.get_or_insert_with(Instant::now);
                // What was written before the end of the old cluster has expired by then.
                if since.elapsed() > lasts * 2 {
                    self.tell_of(member, &recorded.unwrap_or_default(), old, progress);
                }
                return Ok(());
            }
            Renewal::Rival(other) => {
                self.tell_of(member, &recorded.unwrap_or_default(), other, progress);
                return Ok(());
            }
        };
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
        *progress = Progress {
            held: Some(written),
            ..Progress::default()
        };
        let before = recorded.and_then(|recorded| recorded.cluster);
        if let Some(old) = before.filter(|before| *before != member.cluster) {
            let own = &member.cluster;
            tracing::warn!(
                "the Lease recorded cluster {old}, and now {own}, which was recovered from it"
            );
            self.events.say(Happening::Recovered {
                cluster: own.clone(),
                instead_of: old,
            });
        }
        Ok(())
    }

    /// Tells people, once, that `other` is recorded and not the cluster that this node leads.
    fn tell_of(
        &self,
        member: &MemberState,
        recorded: &Record,
        other: String,
        progress: &mut Progress,
    ) {
        if progress.told_of.as_ref() == Some(&other) {
            return;
        }
        let name = name_for(&self.workload);
        let own = &member.cluster;
        let relation = relation(member, recorded);
        tracing::error!(
            "this node leads cluster {own}, and the Lease {name} records cluster {other}{relation}: they hold different data \
             and do not replicate to each other. If {own} is the one to keep, delete the pods of {other} and the Lease; if \
             not, delete the pods of {own}, this one among them"
        );
        self.events.say(Happening::Rival {
            own: own.clone(),
            recorded: other.clone(),
        });
        progress.told_of = Some(other);
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

/// How a recorded cluster, which is another one, came to be beside that of `member`; nothing where that is not known.
fn relation(member: &MemberState, recorded: &Record) -> String {
    let came_before = |cluster: &Option<String>| {
        let cluster = cluster.as_ref();
        cluster
            .filter(|cluster| member.recovered_from.contains(cluster))
            .cloned()
    };
    if recorded.recovered_from.as_ref() == Some(&member.cluster) {
        ", which was recovered from it though it has a majority".to_owned()
    } else if came_before(&recorded.cluster).is_some() {
        ", which it was recovered from, and which has a leader that goes on renewing the Lease"
            .to_owned()
    } else if let Some(same) = came_before(&recorded.recovered_from) {
        format!("; both were recovered from cluster {same}")
    } else {
        String::new()
    }
}

/// Whether the leader of `member`, in `pod`, may write itself into a Lease that says `recorded`, and has not been renewed for
/// as long as it lasts if it has `expired`.
fn renewal(recorded: Option<&Record>, member: &MemberState, pod: &str, expired: bool) -> Renewal {
    let record = Record {
        cluster: Some(member.cluster.clone()),
        recovered_from: member.recovered_from.last().cloned(),
        holder: Some(pod.to_owned()),
        node: Some(member.node),
        term: Some(member.term),
    };
    let Some(recorded) = recorded else {
        return Renewal::Write(record);
    };
    match &recorded.cluster {
        Some(cluster) if member.recovered_from.contains(cluster) => {
            // Terms of another cluster are no measure for those of this one.
            return if expired {
                Renewal::Write(record)
            } else {
                Renewal::Predecessor(cluster.clone())
            };
        }
        Some(cluster) if *cluster != member.cluster => {
            return Renewal::Rival(cluster.clone());
        }
        _ => {}
    }
    let another = recorded.node.is_some_and(|node| node != member.node);
    match recorded.term {
        Some(term) if term > member.term || (term == member.term && another) => Renewal::Behind,
        _ => Renewal::Write(record),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Neither another cluster's record nor a later term's is ever written over, but for that of a cluster which the own one
        /// was recovered from, once it has expired.
        #[test]
        fn a_leader_writes_over_earlier_terms_of_its_cluster_and_over_its_predecessors_alone(
            cluster in prop::option::of(prop::sample::select(vec!["a", "b", "old", "older"])),
            recovered_from in prop::option::of(prop::sample::select(vec!["a", "b", "old", "older"])),
            expired: bool,
            node in prop::option::of(1u64..4),
            term in prop::option::of(0u64..4),
            own_term in 0u64..4,
        ) {
            let recorded = Record {
                cluster: cluster.map(str::to_owned),
                recovered_from: recovered_from.map(str::to_owned),
                holder: None,
                node,
                term,
            };
            let member = MemberState {
                cluster: "a".into(),
                recovered_from: vec!["older".into(), "old".into()],
                node: 1,
                role: Role::Leader,
                term: own_term,
            };
            let found = renewal(Some(&recorded), &member, "pod", expired);
            if let Some(predecessor @ ("old" | "older")) = cluster {
                let waits = Renewal::Predecessor(predecessor.to_owned());
                prop_assert_eq!(found == waits, !expired);
                if let Renewal::Write(record) = found {
                    prop_assert_eq!(record.cluster.as_deref(), Some("a"));
                    prop_assert_eq!(record.recovered_from.as_deref(), Some("old"));
                    prop_assert_eq!(record.term, Some(own_term));
                } else {
                    prop_assert!(!expired);
                }
                return Ok(());
            }
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
