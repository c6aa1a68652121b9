//! [`ApiServer`]: calls to the API server, each bounded in time, and [`CallError`]: what their failures mean.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::future::Future;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spindrift_failures::WithCauses;
use thiserror::Error;
use tokio::time::timeout;

use super::pacing::Pacing;

/// Objects of one namespace.
pub(crate) struct ApiServer {
    client: Client,
    namespace: String,
    pacing: Pacing,
    /// The calls that were refused the last time, so that each is logged once.
    refused: Mutex<BTreeSet<Call>>,
}

/// What is called, in the words of a Role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    verb: &'static str,
    /// `resource`, or `resource.group`.
    resource: String,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum CallError {
    /// This pod's service account may not do that.
    #[error(
        "the service account may not {call}: its Role needs the verb {verb} for {resource}",
        verb = .call.verb,
        resource = .call.resource
    )]
    Refused {
        /// What.
        call: Call,
    },
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The object has changed since it was read, or exists already.
    #[error("another process was first")]
    Conflict,
    /// The API server gives no answer, or none that counts. A change may have been made nevertheless.
    #[error("the API server cannot {call}: {reason}")]
    Away {
        /// What.
        call: Call,
        /// What it said, or that it said nothing.
        reason: String,
    },
}

impl Call {
    /// A call of `verb` for objects of type `K`.
    pub(crate) fn new<K: Resource<DynamicType = ()>>(verb: &'static str) -> Self {
        let (resource, group) = (K::plural(&()), K::group(&()));
        let resource = if group.is_empty() {
            resource.into_owned()
        } else {
            format!("{resource}.{group}")
        };
        Self { verb, resource }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

impl CallError {
    /// What a failure of `call` means.
    pub(crate) fn new(call: Call, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_forbidden() => Self::Refused { call },
            kube::Error::Api(status) if status.is_not_found() => Self::NotFound,
            kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => {
                Self::Conflict
            }
            kube::Error::Api(status) => {
                let reason = format!("{} ({})", status.message, status.code);
                Self::Away { call, reason }
            }
            other => {
                let reason = WithCauses(other).to_string();
                Self::Away { call, reason }
            }
        }
    }

    /// How long to wait before the same is tried again.
    pub(crate) fn pause(&self, pacing: &Pacing) -> Duration {
        match self {
            Self::Refused { .. } => pacing.retry_refused_after,
            _ => pacing.retry_after,
        }
    }
}

impl ApiServer {
    pub(crate) fn new(client: Client, namespace: String, pacing: Pacing) -> Self {
        Self {
            client,
            namespace,
            pacing,
            refused: Mutex::default(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    /// The objects of a type.
    pub(crate) fn objects<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn get<K: Object>(&self, name: &str) -> Result<K, CallError> {
        let objects = self.objects::<K>();
        self.bounded(Call::new::<K>("get"), objects.get(name)).await
    }

    /// All objects that a label selector matches, as they are now.
    pub(crate) async fn list<K: Object>(&self, selector: &str) -> Result<Vec<K>, CallError> {
        let objects = self.objects::<K>();
        let of = ListParams::default().labels(selector);
        let listed = self.bounded(Call::new::<K>("list"), objects.list(&of));
        Ok(listed.await?.items)
    }

    pub(crate) async fn create<K: Object>(&self, object: &K) -> Result<K, CallError> {
        let objects = self.objects::<K>();
        let with = PostParams::default();
        let created = objects.create(&with, object);
        self.bounded(Call::new::<K>("create"), created).await
    }

    /// Puts `object` in the place of the one that it was read from; a conflict if that has changed since.
    pub(crate) async fn replace<K: Object>(&self, object: &K) -> Result<K, CallError> {
        let objects = self.objects::<K>();
        let name = object.meta().name.clone().unwrap_or_default();
        let with = PostParams::default();
        let replaced = objects.replace(&name, &with, object);
        self.bounded(Call::new::<K>("update"), replaced).await
    }

    /// Changes what `patch` names (RFC 7386).
    pub(crate) async fn merge<K: Object>(
        &self,
        name: &str,
        patch: &serde_json::Value,
    ) -> Result<K, CallError> {
        let objects = self.objects::<K>();
        let (with, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = objects.patch(name, &with, &patch);
        self.bounded(Call::new::<K>("patch"), patched).await
    }

    /// Waits for a call, for as long as one may take, and logs it if it is refused.
    pub(crate) async fn bounded<T>(
        &self,
        call: Call,
        answer: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, CallError> {
        let limit = self.pacing.call_limit;
        let outcome = match timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| CallError::new(call.clone(), &error)),
            Err(_) => Err(CallError::Away {
                call: call.clone(),
                reason: format!("no answer in {limit:?}"),
            }),
        };
        self.note_refusal(&call, outcome.as_ref().err());
        outcome
    }

    /// Logs a refusal, unless the same call was refused the last time, too.
    pub(crate) fn note_refusal(&self, call: &Call, error: Option<&CallError>) {
        match error {
            Some(error @ CallError::Refused { .. }) => {
                if self.refused.lock().insert(call.clone()) {
                    tracing::error!("{error}");
                }
            }
            // It says nothing about what is allowed.
            Some(CallError::Away { .. }) => {}
            _ => {
                self.refused.lock().remove(call);
            }
        }
    }
}

/// An object of a namespace, of a type known here.
pub(crate) trait Object:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
{
}

impl<K> Object for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}
