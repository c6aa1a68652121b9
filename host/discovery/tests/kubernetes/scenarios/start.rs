//! The start: whose pods the peers are, and what is waited for.

use std::time::Duration;

use serde_json::{Value, json};
use spindrift_discovery::kubernetes::{ConnectError, Kubernetes, Pacing, ThisPod};
use tokio::time::timeout;

use crate::api_server::{ApiServer, NAMESPACE};
use crate::pod::{PORT, addresses, deployed, name, peers};
use crate::waiting::becomes;

async fn started(api: &ApiServer, pod: &str) -> Result<Kubernetes, ConnectError> {
    started_saying(api, pod, |_| ()).await
}

/// As [`started`], and says each time what it waits for.
async fn started_saying(
    api: &ApiServer,
    pod: &str,
    waits_for: impl FnMut(&str) + Send,
) -> Result<Kubernetes, ConnectError> {
    let (client, namespace, pacing) = (api.client(), NAMESPACE.into(), Pacing::default());
    let pod = pod.to_owned().into();
    Kubernetes::start(client, namespace, pod, PORT, pacing, waits_for).await
}

/// What it fails with; it must not wait instead.
async fn failure(api: &ApiServer, pod: &str) -> String {
    let outcome = timeout(Duration::from_secs(60), started(api, pod)).await;
    let error = outcome.expect("no waiting").expect_err("a failure");
    error.to_string()
}

/// What it waits for after a minute; nothing if it has started by then. It must not have failed.
async fn waits_for(api: &ApiServer) -> Option<String> {
    let mut last = None;
    let name = name(0);
    let started = started_saying(api, &name, |reason| last = Some(reason.to_owned()));
    match timeout(Duration::from_secs(60), started).await {
        Ok(outcome) => {
            outcome.map(drop).expect("no failure");
            None
        }
        Err(_) => Some(last.expect("it says what it waits for")),
    }
}

/// Checks that it waits, and says so with all of `parts`.
async fn assert_waits(api: &ApiServer, parts: &[&str]) {
    let reason = waits_for(api).await.expect("it waits");
    for part in parts {
        assert!(reason.contains(part), "no {part:?} in: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_waited_for() {
    let api = deployed(1);
    api.set_away(true);
    assert_waits(&api, &["cannot get pods"]).await;
    api.set_away(false);
    api.refuse("get", "deployments", true);
    assert_waits(&api, &["may not get deployments", "Role"]).await;
    api.refuse("get", "deployments", false);
    api.patch_pod(&name(0), &json!({ "status": { "podIP": null } }));
    assert_waits(&api, &["address of this pod", &name(0)]).await;
    api.patch_pod(&name(0), &json!({ "status": { "podIP": "10.0.0.1" } }));
    assert_eq!(waits_for(&api).await, None);
}

/// The kubelet tells the API server a second or two after it has started the container, as long as it tells the process nothing.
#[tokio::test(start_paused = true)]
async fn a_pod_that_the_api_server_does_not_know_yet_is_known_soon_after_it_does() {
    for late in [100, 700, 1500, 3000, 20_000].map(Duration::from_millis) {
        let api = deployed(1);
        api.patch_pod(&name(0), &json!({ "status": { "podIP": null } }));
        let kubernetes = tokio::spawn({
            let api = api.clone();
            async move { started(&api, &name(0)).await }
        });
        tokio::time::sleep(late).await;
        assert!(!kubernetes.is_finished());
        assert!(api.count("get", "pods") < 8 + late.as_secs() as usize);
        api.patch_pod(&name(0), &json!({ "status": { "podIP": "10.0.0.1" } }));
        let known = timeout(late.min(Duration::from_secs(1)) * 2, kubernetes).await;
        known.expect("soon").expect("no panic").expect("a pod");
    }
    let api = deployed(1);
    api.patch_pod(&name(0), &json!({ "status": { "podIP": null } }));
    let told = ThisPod {
        name: name(0),
        ip: Some("10.0.0.1".parse().expect("an address")),
    };
    let (client, namespace, pacing) = (api.client(), NAMESPACE.into(), Pacing::default());
    let started = Kubernetes::start(client, namespace, told, PORT, pacing, |_| ());
    let at_once = timeout(Duration::from_millis(1), started).await;
    let kubernetes = at_once.expect("at once").expect("a pod");
    assert_eq!(kubernetes.advertise(), "10.0.0.1:7000");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_goes_on_by_itself() {
    let api = deployed(1);
    api.set_away(true);
    let kubernetes = tokio::spawn({
        let api = api.clone();
        async move { started(&api, &name(0)).await }
    });
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!kubernetes.is_finished());
    api.set_away(false);
    let kubernetes = kubernetes.await.expect("no panic").expect("no failure");
    becomes("itself", || peers(&kubernetes).present, addresses([0])).await;
}

#[tokio::test(start_paused = true)]
async fn what_waiting_would_not_help_is_said() {
    let api = deployed(1);
    // With the network of its machine a pod's HOSTNAME is the machine's.
    let text = failure(&api, "machine-1").await;
    assert!(
        text.contains("machine-1") && text.contains("HOSTNAME"),
        "{text}"
    );
    api.patch_pod(
        &name(0),
        &json!({ "metadata": { "ownerReferences": null } }),
    );
    let text = failure(&api, &name(0)).await;
    assert!(
        text.contains("Deployment") && text.contains("--join"),
        "{text}"
    );
    let owner = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": "once", "uid": "1", "controller": true,
    }]);
    api.patch_pod(
        &name(0),
        &json!({ "metadata": { "ownerReferences": owner } }),
    );
    let text = failure(&api, &name(0)).await;
    assert!(text.contains("Job once"), "{text}");
}

/// The pods of a StatefulSet, or of a ReplicaSet that nobody keeps, are peers too; those of another kind's ReplicaSet are not.
#[tokio::test(start_paused = true)]
async fn a_workload_need_not_be_a_deployment() {
    let api = deployed(2);
    let set = api.object("replicasets", "kv-1a").expect("it is there");
    let uid = &set["metadata"]["uid"];
    let rollout = json!([{
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "kv", "uid": "1", "controller": true,
    }]);
    for (owners, starts) in [(Value::Null, true), (rollout, false)] {
        let patch = json!({ "metadata": { "uid": uid, "ownerReferences": owners } });
        let place = ("replicasets".into(), NAMESPACE.into(), "kv-1a".into());
        api.change(|all| all.patch(place, &patch));
        match started(&api, &name(0)).await {
            Ok(kubernetes) => {
                assert!(starts);
                becomes("two", || peers(&kubernetes).present.len(), 2).await;
            }
            Err(error) => assert!(!starts && error.to_string().contains("Rollout"), "{error}"),
        }
    }
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {},
        "spec": {
            "serviceName": "kv", "template": {},
            "selector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["kv", "kw"] }] },
        },
    });
    let place = ("statefulsets".into(), NAMESPACE.into(), "kv".into());
    let set = api.change(|all| all.create(place, set));
    let owner = json!([{
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "kv",
        "uid": set["metadata"]["uid"], "controller": true,
    }]);
    api.patch_pod(
        &name(0),
        &json!({ "metadata": { "ownerReferences": owner } }),
    );
    let kubernetes = started(&api, &name(0))
        .await
        .expect("a StatefulSet will do");
    becomes("two", || peers(&kubernetes).present.len(), 2).await;
}
