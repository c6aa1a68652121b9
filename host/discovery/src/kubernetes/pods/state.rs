//! What is said of a pod: where it runs, where it is reached, and whether something may run in it.
//!
//! The status is what the kubelet of the pod's machine has reported; it is late, and does not change while the machine is cut
//! off.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;

use super::super::super::Place;

/// The address at which a node in the pod is reached.
pub(crate) fn address(pod: &Pod, port: u16) -> Option<String> {
    ip(pod).map(|ip| SocketAddr::new(ip, port).to_string())
}

/// The pod's address, as soon as it has one.
pub(crate) fn ip(pod: &Pod) -> Option<IpAddr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

/// The label of a machine that Kubernetes copies to the pods that it puts there, where its admission plugin `PodTopologyLabels` is
/// on.
const ZONE: &str = "topology.kubernetes.io/zone";

/// Where the pod runs, once it has a machine.
pub(crate) fn place(pod: &Pod) -> Option<Place> {
    let machine = pod.spec.as_ref()?.node_name.clone()?;
    let labels = pod.metadata.labels.as_ref();
    let zone = labels.and_then(|labels| labels.get(ZONE)).cloned();
    Some(Place { machine, zone })
}

/// Whether all containers have ended and none will be started again.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_ref());
    phase.is_some_and(|phase| matches!(phase.as_str(), "Succeeded" | "Failed"))
}

/// Whether the pod is being deleted, or has ended.
pub(crate) fn leaves(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some() || has_ended(pod)
}

/// Whether a container of the pod may be running. Which of several containers is the node is not known, so any counts.
pub(crate) fn may_run(pod: &Pod) -> bool {
    if has_ended(pod) {
        return false;
    }
    let status = pod.status.as_ref();
    let containers = status
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default();
    let running = |state: &k8s_openapi::api::core::v1::ContainerState| {
        state.waiting.is_none() && state.terminated.is_none()
    };
    // A state that is left out says nothing.
    containers
        .iter()
        .any(|container| container.state.as_ref().is_none_or(running))
}
