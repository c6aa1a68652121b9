//! A Deployment and its pods, which the stand-in has no controllers and no kubelet for.

use serde_json::{Value, json};

use super::server::{ApiServer, place};

/// The Deployment that [`ApiServer::add_deployment`] makes.
pub const DEPLOYMENT: &str = "kv";

/// What runs in a pod, as its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containers {
    /// The container runs.
    Running,
    /// It has ended again and again, and waits for the next start.
    CrashLoop,
}

impl ApiServer {
    /// Makes the Deployment and its ReplicaSet.
    pub fn add_deployment(&self) {
        let labels = json!({ "app": DEPLOYMENT });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "labels": labels },
            "spec": { "selector": { "matchLabels": labels }, "template": {} },
        });
        let deployment =
            self.change(|all| all.create(place("deployments", DEPLOYMENT), deployment));
        let of_revision = json!({ "app": DEPLOYMENT, "pod-template-hash": "1a" });
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "labels": of_revision, "ownerReferences": [owner(&deployment)] },
            "spec": { "selector": { "matchLabels": of_revision }, "template": {} },
        });
        self.change(|all| all.create(place("replicasets", &replica_set()), set));
    }

    /// Makes a pod of the Deployment that runs and has an address.
    pub fn add_pod(&self, name: &str, ip: &str) {
        self.add_pod_of(
            name,
            ip,
            json!({ "app": DEPLOYMENT, "pod-template-hash": "1a" }),
        );
    }

    /// As [`Self::add_pod`], with labels of its own, as those of another revision.
    pub fn add_pod_of(&self, name: &str, ip: &str, labels: Value) {
        let set = self.object("replicasets", &replica_set());
        let owners: Vec<Value> = set.iter().map(owner).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "labels": labels, "ownerReferences": owners },
            "spec": { "containers": [{ "name": "spindrift" }] },
            "status": { "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }] },
        });
        self.change(|all| all.create(place("pods", name), pod));
        self.set_containers(name, Containers::Running);
    }

    /// Changes a pod.
    pub fn patch_pod(&self, name: &str, patch: &Value) {
        self.change(|all| all.patch(place("pods", name), patch));
    }

    /// Sets what the pod's status says of its container.
    pub fn set_containers(&self, name: &str, containers: Containers) {
        let state = match containers {
            Containers::Running => json!({ "running": { "startedAt": "2026-01-01T00:00:01Z" } }),
            Containers::CrashLoop => json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
        };
        let status = json!({
            "name": "spindrift", "image": "spindrift", "imageID": "", "restartCount": 0,
            "ready": containers == Containers::Running, "state": state,
        });
        self.patch_pod(
            name,
            &json!({ "status": { "containerStatuses": [status] } }),
        );
    }

    /// Begins to delete a pod: it is asked to end, and is still there.
    pub fn terminate_pod(&self, name: &str) {
        let patch = json!({ "metadata": {
            "deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30,
        } });
        self.patch_pod(name, &patch);
    }

    /// Deletes a pod that has ended.
    pub fn remove_pod(&self, name: &str) {
        self.terminate_pod(name);
        self.delete("pods", name);
    }
}

fn replica_set() -> String {
    format!("{DEPLOYMENT}-1a")
}

fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}
