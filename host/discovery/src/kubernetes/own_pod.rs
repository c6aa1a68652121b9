//! [`OwnPod`]: the pod that this process runs in.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;

use super::api_server::{ApiServer, CallError};
use super::pods;
use super::role_label;

/// The pod that this process runs in, as the API server knew it when the process started.
#[derive(Clone, Debug)]
pub(crate) struct OwnPod {
    pub name: String,
    /// Tells it from another pod of the same name.
    pub uid: String,
    /// Where other pods reach it.
    pub ip: IpAddr,
    /// The node of Kubernetes on which the pod runs.
    pub machine: Option<String>,
    /// The role that its label says: of an earlier process, if the container was restarted.
    pub labelled: Option<String>,
}

impl OwnPod {
    /// From what the API server says of it, and else from what the process was told; `None` as long as neither has the address.
    /// Other pods find the node at the one that the API server says, once it does.
    pub(crate) fn new(pod: &Pod, told: Option<IpAddr>) -> Option<Self> {
        Some(Self {
            name: pod.metadata.name.clone()?,
            uid: pod.metadata.uid.clone()?,
            ip: pods::ip(pod).or(told)?,
            machine: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            labelled: role_label::of(pod).map(str::to_owned),
        })
    }

    /// Whether the pod is still there and is to stay.
    ///
    /// # Errors
    ///
    /// The API server does not say.
    pub(crate) async fn stays(&self, api: &ApiServer) -> Result<bool, CallError> {
        match api.get::<Pod>(&self.name).await {
            Ok(pod) => {
                let same = pod.metadata.uid.as_ref() == Some(&self.uid);
                let leaving = pod.metadata.deletion_timestamp.is_some();
                Ok(same && !leaving && !pods::has_ended(&pod))
            }
            Err(CallError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
