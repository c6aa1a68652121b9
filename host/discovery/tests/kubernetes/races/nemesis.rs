//! What happens to the pods: processes die and are started again, pods are deleted and replaced, all at once or one by one.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::process::Process;
use super::world::{ProcessId, World};
use crate::api_server::{ApiServer, Containers};
use crate::pod::PORT;

/// How late the kubelet is at most with the state of a container.
const KUBELET: Duration = Duration::from_secs(5);

/// The pods, and the processes in them.
pub struct Pods {
    pub api: ApiServer,
    pub world: World,
    pub seed: u64,
    pub stands_still: f64,
    pods: Vec<Pod>,
    tasks: JoinSet<()>,
    processes: u64,
    names: u32,
}

struct Pod {
    name: String,
    ip: String,
    process: Option<(ProcessId, AbortHandle)>,
}

impl Pods {
    pub fn new(api: ApiServer, world: World, seed: u64, stands_still: f64) -> Self {
        Self {
            api,
            world,
            seed,
            stands_still,
            pods: Vec::new(),
            tasks: JoinSet::new(),
            processes: 0,
            names: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.pods.len()
    }

    /// Adds a pod, at an address of its own or of one that was deleted.
    pub fn add(&mut self, ip: Option<String>) {
        self.names += 1;
        let name = format!("kv-{}", self.names);
        let ip = ip.unwrap_or_else(|| format!("10.0.1.{}", self.names));
        self.api.add_pod(&name, &ip);
        self.pods.push(Pod {
            name,
            ip,
            process: None,
        });
        self.start(self.pods.len() - 1);
    }

    fn start(&mut self, index: usize) {
        self.processes += 1;
        let pod = &mut self.pods[index];
        let process = Process {
            id: self.processes,
            pod: pod.name.clone(),
            address: format!("{}:{PORT}", pod.ip),
            api: self.api.clone(),
            world: self.world.clone(),
            seed: self.seed,
            stands_still: self.stands_still,
        };
        let id = process.id;
        pod.process = Some((id, self.tasks.spawn(process.live())));
    }

    /// Ends the process in a pod without a warning.
    fn kill(&mut self, index: usize) {
        if let Some((id, task)) = self.pods[index].process.take() {
            self.world.note(format!("process {id} is killed"));
            self.world.leave(id);
            task.abort();
        }
    }

    /// A person recovers a cluster that has lost its majority, if there is one: from one of its members, or by mistake from two.
    pub fn recover(&self, random: &mut StdRng) {
        let mut stranded = self.world.stranded();
        let people = if random.random_bool(0.3) { 2 } else { 1 };
        for _ in 0..people.min(stranded.len()) {
            let chosen = stranded.swap_remove(random.random_range(0..stranded.len()));
            self.world.recover(chosen);
        }
    }

    /// A person deletes the pods of all clusters but the recorded one.
    pub async fn delete_rivals(&mut self, recorded: &str, random: &mut StdRng) {
        loop {
            let rival = self.pods.iter().position(|pod| {
                let process = pod.process.as_ref();
                let member_of = process.and_then(|(id, _)| self.world.member_of(*id));
                member_of.is_some_and(|(cluster, _)| cluster != recorded)
            });
            match rival {
                Some(rival) => self.replace(rival, random).await,
                None => return,
            }
        }
    }

    /// One mishap.
    pub async fn strike(&mut self, random: &mut StdRng) {
        let one = random.random_range(0..self.count());
        let all: Vec<usize> = (0..self.count()).collect();
        match random.random_range(0..10) {
            0..4 => self.restart(&[one], random).await,
            4..7 => self.replace(one, random).await,
            7 => self.restart(&all, random).await,
            8 => {
                for _ in all {
                    self.replace(0, random).await;
                }
            }
            _ => {
                let majority = &all[..all.len() / 2 + 1];
                self.restart(majority, random).await;
            }
        }
    }

    /// Containers end and are started again in the same pods.
    async fn restart(&mut self, pods: &[usize], random: &mut StdRng) {
        for &pod in pods {
            self.kill(pod);
        }
        sleep(KUBELET.mul_f64(random.random())).await;
        for &pod in pods {
            let name = &self.pods[pod].name;
            self.api.set_containers(name, Containers::CrashLoop);
        }
        sleep(KUBELET.mul_f64(random.random())).await;
        for &pod in pods {
            self.start(pod);
        }
        sleep(KUBELET.mul_f64(random.random())).await;
        for &pod in pods {
            let name = &self.pods[pod].name;
            self.api.set_containers(name, Containers::Running);
        }
    }

    /// A pod is deleted, once its process has ended, and another takes its place and perhaps its address.
    async fn replace(&mut self, index: usize, random: &mut StdRng) {
        let name = self.pods[index].name.clone();
        self.api.terminate_pod(&name);
        sleep(KUBELET.mul_f64(random.random())).await;
        self.kill(index);
        sleep(KUBELET.mul_f64(random.random())).await;
        self.world.note(format!("the pod {name} is deleted"));
        if random.random_bool(0.5) {
            self.api.delete("pods", &name);
        } else {
            let failed = json!({ "status": { "phase": "Failed" } });
            self.api.patch_pod(&name, &failed);
        }
        let Pod { ip, .. } = self.pods.remove(index);
        self.add(random.random_bool(0.5).then_some(ip));
    }
}
