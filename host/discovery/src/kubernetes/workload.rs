//! [`Workload`]: whose pods the peers are, and by which labels they are found.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;
use kube::core::Selector;

use super::api_server::{ApiServer, Object};
use super::lookup::LookupError;

/// What to do about a pod of another kind.
const RUN_IT_AS: &str = "run it as a Deployment, or name its peers with --join";

/// The Deployment, StatefulSet or ReplicaSet that keeps this process's pod and its peers.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// `Deployment`, `StatefulSet` or `ReplicaSet`.
    pub kind: String,
    pub name: String,
    /// The labels that its pods have, as a selector.
    pub selector: String,
    /// For Events about it.
    pub reference: ObjectReference,
    /// For objects that are to be deleted with it.
    pub owner: OwnerReference,
}

impl Workload {
    /// The workload of a pod. Calls the API server for each of its owners.
    pub(crate) async fn of(api: &ApiServer, pod: &Pod) -> Result<Self, LookupError> {
        let owner = controller(&pod.metadata).ok_or_else(|| {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            LookupError::Permanent(format!(
                "the pod {name} belongs to nothing that keeps several of them: {RUN_IT_AS}"
            ))
        })?;
        match (owner.api_version.as_str(), owner.kind.as_str()) {
            ("apps/v1", "ReplicaSet") => {
                let set: ReplicaSet = look_up(api, &owner.name).await?;
                // Its own selector matches the pods of one revision; an update replaces it by another ReplicaSet.
                match controller(&set.metadata) {
                    None => {
                        let selector = set.spec.as_ref().map(|spec| &spec.selector);
                        Self::new(&set, selector)
                    }
                    Some(above) if above.kind == "Deployment" => {
                        let deployment: Deployment = look_up(api, &above.name).await?;
                        let selector = deployment.spec.as_ref().map(|spec| &spec.selector);
                        Self::new(&deployment, selector)
                    }
                    Some(above) => Err(unknown(&above)),
                }
            }
            ("apps/v1", "StatefulSet") => {
                let set: StatefulSet = look_up(api, &owner.name).await?;
                let selector = set.spec.as_ref().map(|spec| &spec.selector);
                Self::new(&set, selector)
            }
            _ => Err(unknown(&owner)),
        }
    }

    fn new<K: Resource<DynamicType = ()>>(
        object: &K,
        selector: Option<&LabelSelector>,
    ) -> Result<Self, LookupError> {
        let kind = K::kind(&()).into_owned();
        let name = object.meta().name.clone().unwrap_or_default();
        let unfit = |what: String| LookupError::Permanent(format!("the {kind} {name} {what}"));
        let selector = selector.cloned().unwrap_or_default();
        let selector = Selector::try_from(selector)
            .map_err(|error| unfit(format!("selects its pods in an unknown way: {error}")))?;
        let selector = selector.to_string();
        if selector.is_empty() {
            // It would match whatever else runs in the namespace.
            return Err(unfit("selects its pods by no label".into()));
        }
        let owner = object
            .owner_ref(&())
            .ok_or_else(|| unfit("has no uid".into()))?;
        Ok(Self {
            selector,
            reference: object.object_ref(&()),
            owner,
            kind,
            name,
        })
    }
}

async fn look_up<K: Object>(api: &ApiServer, name: &str) -> Result<K, LookupError> {
    let found = api.get(name).await;
    found.map_err(|error| LookupError::Transient {
        reason: format!(
            "the {} {name}, which this pod belongs to: {error}",
            K::kind(&())
        ),
        pause: error.pause(api.pacing()),
    })
}

/// The owner that an object is kept by.
fn controller(of: &ObjectMeta) -> Option<OwnerReference> {
    let owners = of.owner_references.as_deref().unwrap_or_default();
    let mut owners = owners.iter();
    owners.find(|owner| owner.controller == Some(true)).cloned()
}

fn unknown(owner: &OwnerReference) -> LookupError {
    LookupError::Permanent(format!(
        "this process's pod belongs to the {} {} ({}), whose pods are not known to be peers: {RUN_IT_AS}",
        owner.kind, owner.name, owner.api_version
    ))
}
