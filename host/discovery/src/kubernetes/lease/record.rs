//! [`Record`]: what the Lease says, and how that is written in it. [`ObservedLease`]: for how long it has said so.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::super::workload::Workload;

/// The annotation with the id of the cluster.
const CLUSTER: &str = "spindrift.dev/cluster";
/// The annotation with the id of the cluster that this one was recovered from.
const RECOVERED_FROM: &str = "spindrift.dev/recovered-from";
/// The annotation with the id of the node that leads.
const NODE: &str = "spindrift.dev/node";
/// The annotation with the term that it leads.
const TERM: &str = "spindrift.dev/term";

/// What the Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The id of the cluster; `None` if somebody else has made the Lease, or taken the annotation off.
    pub cluster: Option<String>,
    /// The cluster that it was recovered from, if it was.
    pub recovered_from: Option<String>,
    /// The pod whose node leads, or that has formed the cluster.
    pub holder: Option<String>,
    /// That node's id, once it leads.
    pub node: Option<u64>,
    /// The term that it leads.
    pub term: Option<u64>,
}

/// The Lease's name.
pub(crate) fn name_for(workload: &Workload) -> String {
    format!("spindrift-{}", workload.name)
}

impl Record {
    pub(crate) fn of(lease: &Lease) -> Self {
        let annotations = lease.metadata.annotations.as_ref();
        let annotation = |name: &str| annotations.and_then(|all| all.get(name));
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.clone());
        Self {
            cluster: annotation(CLUSTER).cloned(),
            recovered_from: annotation(RECOVERED_FROM).cloned(),
            holder: holder.filter(|holder| !holder.is_empty()),
            node: annotation(NODE).and_then(|text| number(text)),
            term: annotation(TERM).and_then(|text| number(text)),
        }
    }

    /// A Lease that says so, and that goes when the workload is deleted.
    pub(crate) fn create(&self, name: &str, workload: &Workload, lasts: Duration) -> Lease {
        let mut lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                owner_references: Some(vec![workload.owner.clone()]),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        };
        self.write(&mut lease, lasts);
        lease
    }

    /// Makes the Lease say so from now on, and leaves alone what others have put in it.
    pub(crate) fn write(&self, lease: &mut Lease, lasts: Duration) {
        let before = Self::of(lease);
        let annotations = lease.metadata.annotations.get_or_insert_default();
        set(annotations, CLUSTER, self.cluster.clone());
        set(annotations, RECOVERED_FROM, self.recovered_from.clone());
        set(annotations, NODE, self.node.map(|node| node.to_string()));
        set(annotations, TERM, self.term.map(|term| term.to_string()));
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        let now = MicroTime(Timestamp::now());
        if before.holder != self.holder {
            spec.acquire_time = Some(now.clone());
            if self.holder.is_some() {
                let so_far = spec.lease_transitions;
                spec.lease_transitions = Some(so_far.map_or(0, |number| number.saturating_add(1)));
            }
        }
        // An empty one is how Kubernetes' own components say that they have let go of it.
        spec.holder_identity = Some(self.holder.clone().unwrap_or_default());
        spec.renew_time = Some(now);
        spec.lease_duration_seconds =
            Some(i32::try_from(lasts.as_secs()).unwrap_or(i32::MAX).max(1));
    }
}

/// The Lease as it was seen last, by its resource version or as missing, and when it was first seen so.
#[derive(Debug, Default)]
pub(crate) struct ObservedLease(Option<(Option<String>, Instant)>);

impl ObservedLease {
    /// Notes the Lease, and gives for how long it has been seen as it is: from an earlier look on, or not at all. By the own
    /// clock alone.
    pub(crate) fn observe(&mut self, lease: Option<&Lease>) -> Duration {
        let version = lease.and_then(|lease| lease.metadata.resource_version.clone());
        match &self.0 {
            Some((seen, since)) if *seen == version => since.elapsed(),
            _ => {
                self.0 = Some((version, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

fn set(annotations: &mut BTreeMap<String, String>, name: &str, value: Option<String>) {
    match value {
        Some(value) => annotations.insert(name.to_owned(), value),
        None => annotations.remove(name),
    };
}

fn number(text: &str) -> Option<u64> {
    u64::from_str(text).ok()
}
