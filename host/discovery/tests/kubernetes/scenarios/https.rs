//! Over HTTPS, as a pod is given its API server: what the connection and its credentials have to do with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use spindrift_discovery::kubernetes::{InCluster, Kubernetes};
use spindrift_discovery::{ClusterEvent, Discovery as _, Role, Verdict};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::api_server::{Fault, Served};
use crate::pod::{
    PORT, addresses, claim, deployed, events, holder, label, member, name, peers, recorded,
};
use crate::waiting::becomes;

/// A pod's environment.
fn place(served: &Served, folder: &Path) -> InCluster {
    let detected = InCluster::detect(|variable| {
        let value = match variable {
            "SPINDRIFT_SERVICE_ACCOUNT_FOLDER" => folder.display().to_string(),
            "KUBERNETES_SERVICE_HOST" => served.address().ip().to_string(),
            "KUBERNETES_SERVICE_PORT" => served.address().port().to_string(),
            "HOSTNAME" => name(0),
            _ => return None,
        };
        Some(value)
    });
    detected.expect("all is set").expect("a service account")
}

fn service_account(served: &Served) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    served.write_service_account(folder.path());
    folder
}

async fn connected(place: &InCluster) -> Kubernetes {
    let connected = Kubernetes::connect(place, PORT, |_| ());
    let connected = timeout(Duration::from_secs(60), connected).await;
    let connected = connected.expect("an answer in a minute");
    connected.expect("a service account that works")
}

#[tokio::test]
async fn a_pod_finds_its_peers_and_tells_of_itself() {
    let api = deployed(2);
    let served = api.serve("127.0.0.1").await;
    let folder = service_account(&served);
    let one = connected(&place(&served, folder.path())).await;
    becomes("two", || peers(&one).present, addresses([0, 1])).await;
    assert_eq!(claim(&one, "c", &addresses([1])).await, Verdict::Form);
    one.announce(member("c", 1, Role::Leader, 1));
    one.notify(ClusterEvent::Elected { term: 1 });
    becomes("its role", || label(&api, 0), Some("leader".to_owned())).await;
    becomes("its Lease", || holder(&api), Some(name(0))).await;
    becomes("its Events", || events(&api).len(), 2).await;
    one.close().await;
    assert_eq!(label(&api, 0), None);
    assert_eq!(recorded(&api).as_deref(), Some("c"));
}

#[tokio::test]
async fn connections_may_end_at_any_time() {
    let api = deployed(3);
    let served = api.serve("127.0.0.1").await;
    let folder = service_account(&served);
    api.fail_once("get", "pods", Fault::LostRequest);
    api.fail_once("list", "pods", Fault::LostAnswer);
    api.fail_once("watch", "pods", Fault::Status(429));
    let one = connected(&place(&served, folder.path())).await;
    becomes("three", || peers(&one).present, addresses([0, 1, 2])).await;
    api.set_away(true);
    api.remove_pod(&name(1));
    api.forget_history();
    one.announce(member("c", 1, Role::Leader, 1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(peers(&one).present, addresses([0, 1, 2]));
    api.set_away(false);
    becomes("it is gone", || peers(&one).gone, addresses([1])).await;
    becomes("its role", || label(&api, 0), Some("leader".to_owned())).await;
    becomes("its Lease", || holder(&api), Some(name(0))).await;
}

/// As when its machine is cut off.
#[tokio::test]
async fn an_api_server_that_says_nothing_is_asked_again() {
    let api = deployed(2);
    let served = api.serve("127.0.0.1").await;
    let folder = service_account(&served);
    let one = connected(&place(&served, folder.path())).await;
    becomes("two", || peers(&one).present, addresses([0, 1])).await;
    api.fail_once("watch", "pods", Fault::Slow(Duration::from_secs(600)));
    api.cut_watches();
    api.remove_pod(&name(1));
    let gone = becomes("it is gone", || peers(&one).gone, addresses([1]));
    let soon = timeout(Duration::from_secs(15), gone).await;
    soon.expect("within 15 s");
}

/// Nothing is sent to a server that the service account's authority has not signed, and nothing is done without its token.
#[tokio::test]
async fn credentials_that_are_refused_are_waited_for() {
    let api = deployed(1);
    let served = api.serve("127.0.0.1").await;
    let another = api.serve("127.0.0.1").await;
    let folder = service_account(&another);
    let connect = |folder: &TempDir| {
        let place = place(&served, folder.path());
        async move {
            let connected = Kubernetes::connect(&place, PORT, |_| ());
            timeout(Duration::from_secs(3), connected).await
        }
    };
    assert!(connect(&folder).await.is_err(), "another authority");
    assert_eq!(api.calls(), BTreeSet::new());
    let folder = service_account(&served);
    fs::write(folder.path().join("token"), "expired").expect("a file");
    assert!(connect(&folder).await.is_err(), "another token");
    assert!(api.count("get", "pods") > 0);
    assert_eq!(api.count("get", "replicasets"), 0);
    let folder = service_account(&served);
    assert!(
        connect(&folder)
            .await
            .is_ok_and(|connected| connected.is_ok())
    );
}

/// The same as the first test here, in a process of its own, since what a machine trusts is read from the environment.
#[test]
fn a_machine_without_certificates_will_do() {
    let child = Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "scenarios::https::a_pod_finds_its_peers_and_tells_of_itself",
        ])
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .expect("a process");
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && told.contains("1 passed"),
        "{told}"
    );
}
