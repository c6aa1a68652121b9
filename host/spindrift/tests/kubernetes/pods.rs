//! [`Pods`]: the pods of one Deployment, in each of which a real `spindrift up` runs, on a loopback address of its own.
//!
//! What tests wait for of them is in `conditions.rs`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::Method;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use super::eventually;
use crate::api_server::{ApiServer, Containers, DEPLOYMENT, Served};
use crate::load::client::HttpClient;
use crate::view::View;

/// The ports, the same in each pod: of clients, of other nodes, of operators.
const HTTP_PORT: u16 = 8080;
const PEER_PORT: u16 = 7000;
const ADMIN_PORT: u16 = 9090;

/// How long a process has to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How late the API server hears of a container.
const KUBELET: Duration = Duration::from_millis(1500);

/// Voters of a cluster, as is the default.
pub(super) const VOTERS: usize = 3;

/// The secret that the pods share.
const TOKEN: &str = "a-secret-of-the-pods";

/// The runtime configuration's file.
const CONFIGURATION: &str = "runtime-config.toml";

/// The runtime configuration as SpinKube's operator makes it of a `SpinApp`.
fn configuration(evict_after: &str) -> String {
    format!(
        "[[config_provider]]\ntype = 'env'\nprefix = 'SPIN_VARIABLE_'\n\n\
         [key_value_store]\n[key_value_store.default]\n\
         cluster_token = '{TOKEN}'\nevict_after = '{evict_after}'\ntype = 'replicated'\n"
    )
}

/// Runs of pods so far: each has a network of its own.
static NETWORKS: AtomicU8 = AtomicU8::new(0);

/// A Deployment of real processes. They are killed when this is dropped.
pub struct Pods {
    /// The API server that they know.
    pub api: ApiServer,
    served: Served,
    client: HttpClient,
    /// Service account, configuration and logs. Kept after a failure.
    folder: Option<TempDir>,
    network: [u8; 3],
    pods: Vec<PodProcess>,
}

/// A pod and the process in it.
struct PodProcess {
    name: String,
    ip: Ipv4Addr,
    child: Child,
    log: PathBuf,
}

impl Pods {
    /// A Deployment without pods, whose nodes are never removed for their silence.
    pub async fn none() -> Self {
        Self::removed_after("3600s").await
    }

    /// The same, with this `evict_after`.
    pub async fn removed_after(evict_after: &str) -> Self {
        let api = ApiServer::default();
        api.add_deployment();
        let served = api.serve("127.0.0.1").await;
        let folder = TempDir::new().expect("a folder");
        served.write_service_account(folder.path());
        let file = folder.path().join(CONFIGURATION);
        fs::write(file, configuration(evict_after)).expect("a file");
        let of_process = std::process::id().to_be_bytes();
        Self {
            api,
            served,
            client: HttpClient::new(),
            folder: Some(folder),
            network: [
                127,
                64 | of_process[3],
                NETWORKS.fetch_add(1, Ordering::Relaxed),
            ],
            pods: Vec::new(),
        }
    }

    /// `size` pods that start at once, as soon as they are one cluster.
    ///
    /// # Panics
    ///
    /// If they do not come to be.
    pub async fn start(size: usize) -> Self {
        let mut pods = Self::none().await;
        pods.add(size);
        pods.agree().await;
        pods
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().expect("it lives as long").path()
    }

    /// Starts `count` more pods.
    pub fn add(&mut self, count: usize) {
        self.add_with(count, |_, _, _| ());
    }

    /// Starts `count` more pods as a kubelet does: the API server hears after a while that they run, and of their addresses. Those
    /// that are `told` know their own from the beginning. They take components from the folder `compiled`.
    pub fn add_as_kubelet(&mut self, count: usize, told: bool, compiled: &Path) {
        let api = self.api.clone();
        self.add_with(count, |name, ip, command| {
            command.arg("--compiled-dir").arg(compiled);
            if told {
                command.env("SPINDRIFT_POD_IP", ip.to_string());
            }
            api.patch_pod(
                name,
                &json!({ "status": {
                "phase": "Pending", "podIP": null, "podIPs": null, "containerStatuses": null,
            } }),
            );
            let (api, name) = (api.clone(), name.to_owned());
            tokio::spawn(async move {
                sleep(KUBELET).await;
                let ip = ip.to_string();
                let status = json!({ "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }] });
                api.patch_pod(&name, &json!({ "status": status }));
                api.set_containers(&name, Containers::Running);
            });
        });
    }

    fn add_with(&mut self, count: usize, prepare: impl Fn(&str, Ipv4Addr, &mut Command)) {
        for _ in 0..count {
            let number = self.pods.len() as u8 + 1;
            let name = format!("{DEPLOYMENT}-{number}");
            let [a, b, c] = self.network;
            let ip = Ipv4Addr::new(a, b, c, number);
            self.api.add_pod(&name, &ip.to_string());
            let log = self.folder().join(format!("{name}.log"));
            let mut command = self.command(&name, ip, &log);
            prepare(&name, ip, &mut command);
            let child = command.spawn();
            self.pods.push(PodProcess {
                name,
                ip,
                child: child.expect("the process starts"),
                log,
            });
        }
    }

    /// What runs in a pod. The addresses are there only because all pods share one machine.
    fn command(&self, name: &str, ip: Ipv4Addr, log: &Path) -> Command {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = File::create(log).expect("a file");
        let on = |port: u16| SocketAddr::from((ip, port)).to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_spindrift"));
        command
            .args(["up", "--listen", &on(HTTP_PORT), "-f"])
            .arg(workspace)
            .arg("--runtime-config-file")
            .arg(self.folder().join(CONFIGURATION))
            .args(["--peer-listen", &on(PEER_PORT)])
            .args(["--admin-listen", &on(ADMIN_PORT)])
            .arg("--cache-dir")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("components"))
            .env_clear()
            .env("HOSTNAME", name)
            .env("SPINDRIFT_SERVICE_ACCOUNT_FOLDER", self.folder())
            .env(
                "KUBERNETES_SERVICE_HOST",
                self.served.address().ip().to_string(),
            )
            .env(
                "KUBERNETES_SERVICE_PORT",
                self.served.address().port().to_string(),
            )
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle of the log"))
            .stderr(file);
        for variable in ["PATH", "HOME", "TMPDIR", "RUST_LOG"] {
            if let Some(value) = std::env::var_os(variable) {
                command.env(variable, value);
            }
        }
        command
    }

    /// Runs `spindrift recover` on the node in a pod, with these further arguments. Gives whether it says that it succeeded, and
    /// all that it says.
    ///
    /// # Panics
    ///
    /// If it cannot be run.
    pub async fn recover(&mut self, name: &str, arguments: &[&str]) -> (bool, String) {
        let token = self.folder().join("cluster-token");
        fs::write(&token, TOKEN).expect("a file");
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_spindrift"))
            .args(["recover", "--from", &self.peer_address(name)])
            .arg("--cluster-token-file")
            .arg(token)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .await
            .expect("the program runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), said)
    }

    fn running(&mut self) -> Vec<usize> {
        let running = self.pods.iter_mut().enumerate();
        let running = running.filter_map(|(index, pod)| {
            let ended = pod.child.try_wait().expect("the state of a child process");
            ended.is_none().then_some(index)
        });
        running.collect()
    }

    /// The names of the pods whose processes run.
    pub fn names(&mut self) -> Vec<String> {
        let running = self.running();
        let names = running.iter().map(|index| self.pods[*index].name.clone());
        names.collect()
    }

    fn pod(&mut self, name: &str) -> &mut PodProcess {
        let pod = self.pods.iter_mut().find(|pod| pod.name == name);
        pod.unwrap_or_else(|| panic!("there is a pod {name}"))
    }

    /// Where nodes find the one in a pod.
    pub fn peer_address(&mut self, name: &str) -> String {
        SocketAddr::from((self.pod(name).ip, PEER_PORT)).to_string()
    }

    /// All that the process of a pod has logged.
    pub fn log(&mut self, name: &str) -> String {
        let bytes = fs::read(&self.pod(name).log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal to the process of a pod.
    pub fn signal(&mut self, name: &str, with: Signal) {
        let id = i32::try_from(self.pod(name).child.id()).expect("a process id");
        signal::kill(Pid::from_raw(id), with).expect("the process is there");
    }

    /// Ends the process of a pod without a chance to do anything about it. The API server does not hear of it.
    pub fn kill(&mut self, name: &str) {
        self.signal(name, Signal::SIGKILL);
        self.pod(name).child.wait().expect("its end");
    }

    /// Waits for the process of a pod to end by itself.
    pub async fn ended(&mut self, name: &str) -> ExitStatus {
        let pod = self.pod(name);
        eventually(format!("the end of {name}"), async || {
            let ended = pod.child.try_wait().expect("the state of a child process");
            ended.ok_or("it runs")
        })
        .await
    }

    /// What the node in a pod says of its cluster.
    ///
    /// # Errors
    ///
    /// Says why it says nothing.
    pub async fn view(&mut self, name: &str) -> Result<View, String> {
        let address = SocketAddr::from((self.pod(name).ip, ADMIN_PORT));
        let answer = self.client.get(address, "/status", ANSWER).await;
        let (_, body) = answer.map_err(|error| format!("{name}: {error}"))?;
        View::read(&body)
    }

    /// The status and the text that a pod's public port answers with.
    ///
    /// # Errors
    ///
    /// Says why there is no answer.
    pub async fn get(&mut self, name: &str, path: &str) -> Result<(u16, String), String> {
        self.send(name, Method::GET, path, "").await
    }

    /// Writes a key through a pod.
    ///
    /// # Errors
    ///
    /// Says what went wrong instead.
    pub async fn put(&mut self, name: &str, key: &str, value: &str) -> Result<(), String> {
        let item = json!({ "key": key, "value": value }).to_string();
        match self.send(name, Method::PUT, "/put", &item).await? {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    async fn send(
        &mut self,
        name: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(u16, String), String> {
        let address = SocketAddr::from((self.pod(name).ip, HTTP_PORT));
        let body = body.as_bytes().to_vec().into();
        // A connection of its own: a load balancer would not keep one either.
        let client = HttpClient::new();
        let sent = client.send(method, address, path, &[], body, ANSWER);
        let (status, body) = sent.await.map_err(|error| format!("{name}: {error}"))?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        for pod in &mut self.pods {
            // `Child` knows whether it was waited for, and does not signal somebody else's process.
            let _ = pod.child.kill();
            let _ = pod.child.wait();
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the logs of all pods are in {}", folder.keep().display());
        }
    }
}
