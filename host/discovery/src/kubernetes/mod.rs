//! Peers in Kubernetes: the pods of one workload, found through the API server.
//!
//! The workload is the `Deployment` that this process's pod belongs to (or a `StatefulSet`, or a `ReplicaSet` of its own). Its
//! pods are watched; a `Lease` says which cluster is theirs and who leads it; the role of a node is a label of its pod, and
//! what happens to the cluster are Events of the workload. None of it has a say in who leads.
//!
//! | module | subject |
//! | --- | --- |
//! | `source` | [`Kubernetes`]: the source, and the tasks that it runs |
//! | `in_cluster` | [`InCluster`]: what a pod is given to reach its API server |
//! | `client` | the HTTPS client |
//! | `api_server` | calls, each bounded in time, and what their failures mean |
//! | `lookup` | finds the own pod and its workload, and waits for them |
//! | `own_pod` | the pod that this process runs in |
//! | `workload` | whose pods the peers are, and by which labels they are found |
//! | `pods` | the watch, and what it makes known of the pods |
//! | `lease` | who may form a cluster, and who is shown as its leader |
//! | `role_label` | the label `spindrift.dev/role` of the own pod |
//! | `events` | Events, for `kubectl describe` |
//! | `pacing` | [`Pacing`]: how long things take, and how often they are tried |

mod api_server;
mod client;
mod events;
mod in_cluster;
mod lease;
mod lookup;
mod own_pod;
mod pacing;
mod pods;
mod role_label;
mod source;
mod workload;

pub use in_cluster::{InCluster, ThisPod};
pub use pacing::Pacing;
pub use source::{ConnectError, Kubernetes};
