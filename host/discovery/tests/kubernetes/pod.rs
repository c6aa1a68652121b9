//! The discovery of one pod, as a test starts it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use spindrift_discovery::kubernetes::{Kubernetes, Pacing};
use spindrift_discovery::{Claim, Discovery as _, MemberState, PeerSet, Pledge, Role, Verdict};
use tokio::time::sleep;

use crate::api_server::{ApiServer, DEPLOYMENT, NAMESPACE};

/// The port at which nodes listen for each other.
pub const PORT: u16 = 7000;

/// An API server with the Deployment and `pods` of its pods, `kv-0` at 10.0.0.1 and so on.
pub fn deployed(pods: u8) -> ApiServer {
    let api = ApiServer::default();
    api.add_deployment();
    for number in 0..pods {
        api.add_pod(&name(number), &ip(number));
    }
    api
}

pub fn name(number: u8) -> String {
    format!("{DEPLOYMENT}-{number}")
}

pub fn ip(number: u8) -> String {
    format!("10.0.0.{}", number + 1)
}

/// The addresses of pods.
pub fn addresses<const N: usize>(pods: [u8; N]) -> BTreeSet<String> {
    pods.map(|number| format!("{}:{PORT}", ip(number))).into()
}

/// What a process in a pod finds, with a client in this process.
///
/// # Panics
///
/// If it finds nothing.
pub async fn start(api: &ApiServer, pod: u8) -> Kubernetes {
    let (client, pod) = (api.client(), name(pod).into());
    let (namespace, pacing) = (NAMESPACE.into(), Pacing::default());
    let started = Kubernetes::start(client, namespace, pod, PORT, pacing, |_| ());
    started.await.expect("the pod and its workload")
}

/// The peers that it knows.
pub fn peers(of: &Kubernetes) -> PeerSet {
    of.peers().borrow().clone()
}

/// Asks once whether to form `cluster`, having heard from `without_cluster`.
pub async fn claim(of: &Kubernetes, cluster: &str, without_cluster: &BTreeSet<String>) -> Verdict {
    of.claim(Claim {
        cluster: cluster.to_owned(),
        looked_for: Duration::from_secs(1),
        without_cluster: without_cluster.clone(),
        pledge: Pledge::default(),
        callers: Vec::new(),
    })
    .await
}

/// Asks again and again, for `time` at most. Gives the last verdict.
pub async fn claim_for(
    of: &Kubernetes,
    cluster: &str,
    without_cluster: &BTreeSet<String>,
    time: Duration,
) -> Verdict {
    let deadline = tokio::time::Instant::now() + time;
    loop {
        let verdict = claim(of, cluster, without_cluster).await;
        if verdict == Verdict::Form || tokio::time::Instant::now() >= deadline {
            return verdict;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// The member of node `node` in `cluster`.
pub fn member(cluster: &str, node: u64, role: Role, term: u64) -> Option<MemberState> {
    Some(MemberState {
        cluster: cluster.to_owned(),
        recovered_from: Vec::new(),
        node,
        role,
        term,
    })
}

/// The same, in a cluster that was recovered from others.
pub fn recovered<const N: usize>(
    member: Option<MemberState>,
    from: [&str; N],
) -> Option<MemberState> {
    let recovered_from = from.map(str::to_owned).to_vec();
    member.map(|member| MemberState {
        recovered_from,
        ..member
    })
}

/// The Lease, as it is.
pub fn lease(api: &ApiServer) -> Value {
    api.object("leases", LEASE).unwrap_or_default()
}

/// The Lease's name.
pub const LEASE: &str = "spindrift-kv";

/// The cluster that the Lease records.
pub fn recorded(api: &ApiServer) -> Option<String> {
    let cluster = &lease(api)["metadata"]["annotations"]["spindrift.dev/cluster"];
    cluster.as_str().map(str::to_owned)
}

/// Who leads, as the Lease says.
pub fn holder(api: &ApiServer) -> Option<String> {
    let holder = &lease(api)["spec"]["holderIdentity"];
    holder.as_str().map(str::to_owned)
}

/// The role that a pod's label says.
pub fn label(api: &ApiServer, pod: u8) -> Option<String> {
    let pod = api.object("pods", &name(pod))?;
    let label = &pod["metadata"]["labels"]["spindrift.dev/role"];
    label.as_str().map(str::to_owned)
}

/// The reasons and notes of all Events.
pub fn events(api: &ApiServer) -> Vec<(String, String)> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let all = api.objects("events");
    let told = all
        .iter()
        .map(|event| (text(event, "reason"), text(event, "note")));
    told.collect()
}

/// The reasons of all Events.
pub fn reasons(api: &ApiServer) -> BTreeSet<String> {
    events(api).into_iter().map(|(reason, _)| reason).collect()
}
