//! [`Cluster`]: the nodes together. It starts, replaces and ends them, and waits until they agree.

use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::process::ExitStatus;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tempfile::TempDir;

use super::network::{Network, Place, between};
use super::process::{Addresses, Finds, NodeProcess};
use super::run::{eventually, kept_files};
use super::settings::Settings;
use super::view::{View, agree};
use crate::load::client::HttpClient;

/// How long a node has to answer on its admin port. Only nodes are asked that run, so this is waited for on a busy machine alone.
const VIEW_TIMEOUT: Duration = Duration::from_secs(10);

/// How long before a node is asked to end the balancer in front of it is told.
const BALANCER_DELAY: Duration = Duration::from_millis(50);

/// Names a node of a cluster for as long as the cluster lives, also when it has ended.
pub type NodeIndex = usize;

/// Nodes, some of which may have ended.
pub struct Cluster {
    nodes: Vec<NodeProcess>,
    directory: Directory,
    settings: Settings,
    arguments: Vec<String>,
    admin: HttpClient,
    /// The logs. Kept after a failure.
    folder: Option<TempDir>,
    /// Last, since it can only go when no process is on it.
    network: Network,
}

/// The nodes that clients may ask. Clones share it.
#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<Vec<Addresses>>>);

impl Directory {
    /// Those that run, or that have been killed a moment ago.
    pub fn nodes(&self) -> Vec<Addresses> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, nodes: Vec<Addresses>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = nodes;
    }
}

impl Cluster {
    /// A cluster of `size` nodes that agree.
    ///
    /// # Panics
    ///
    /// If they do not come to.
    pub async fn start(network: Network, size: usize, settings: Settings) -> Self {
        let mut cluster = Self::empty(network, settings);
        cluster.form(size).await;
        cluster
    }

    /// A cluster without a node.
    ///
    /// # Panics
    ///
    /// If its files cannot be written.
    pub fn empty(network: Network, settings: Settings) -> Self {
        let folder = TempDir::with_prefix_in("nodes-", kept_files()).expect("a folder for logs");
        Cluster {
            nodes: Vec::new(),
            directory: Directory::default(),
            arguments: settings.arguments(folder.path()),
            settings,
            admin: HttpClient::new(),
            folder: Some(folder),
            network,
        }
    }

    /// Starts `size` nodes, the first of which forms the cluster, and waits until they agree.
    ///
    /// # Panics
    ///
    /// If they do not come to.
    pub async fn form(&mut self, size: usize) {
        let place = self.network.add_place();
        let first = self.spawn(place, &Finds::Bootstrap, &[]);
        for _ in 1..size {
            // All at once: the others wait until the first has its cluster.
            let place = self.network.add_place();
            let seed = self[first].addresses.peer;
            self.spawn(place, &Finds::Join(vec![seed]), &[]);
        }
        self.agreed().await;
    }

    /// Starts a node that joins the cluster through those that run, at an address that none had before it.
    pub fn add(&mut self) -> NodeIndex {
        let place = self.network.add_place();
        self.start_at(place)
    }

    /// As [`Cluster::add`], but clients do not hear of it before [`Cluster::announce`]: a load balancer sends requests to a
    /// node once it is ready.
    pub fn add_unannounced(&mut self) -> NodeIndex {
        let known = self.directory.nodes();
        let node = self.add();
        self.directory.set(known);
        node
    }

    /// Replaces a node by one at a new address that is told more, as a Deployment does: the new one comes first, clients hear
    /// of it once all agree, and then the old one goes.
    ///
    /// # Panics
    ///
    /// If the old one does not end with 0, or the nodes do not come to agree.
    pub async fn replace(&mut self, old: NodeIndex, more: &[String]) -> NodeIndex {
        let known = self.directory.nodes();
        let seeds = Finds::Join(self.peers());
        let new = self.add_told(&seeds, more);
        self.directory.set(known);
        self.agreed().await;
        self.announce();
        let status = self.terminate(old).await;
        assert_eq!(status.code(), Some(0), "{}", self[old].log_end());
        self.agreed().await;
        new
    }

    /// Lets clients ask all nodes that run.
    pub fn announce(&mut self) {
        self.publish();
    }

    /// Starts a node at the address of one that has ended.
    pub fn restart(&mut self, ended: NodeIndex) -> NodeIndex {
        self.start_at(self[ended].place)
    }

    /// Starts a node at the address of one that has ended, which is told how to find the cluster.
    pub fn restart_told(&mut self, ended: NodeIndex, finds: &Finds) -> NodeIndex {
        self.spawn(self[ended].place, finds, &[])
    }

    fn start_at(&mut self, place: Place) -> NodeIndex {
        let seeds = self.running();
        let seeds = seeds.iter().map(|&node| self[node].addresses.peer);
        self.spawn(place, &Finds::Join(seeds.collect()), &[])
    }

    /// Starts a node at a new address, which is told how to find the cluster and more.
    pub fn add_told(&mut self, finds: &Finds, more: &[String]) -> NodeIndex {
        let place = self.network.add_place();
        self.spawn(place, finds, more)
    }

    /// As [`Cluster::add_told`], at an address that is cut off from all others.
    pub fn add_told_behind_cut(&mut self, finds: &Finds, more: &[String]) -> NodeIndex {
        let place = self.network.add_place();
        let others: Vec<Place> = self.network.places().filter(|p| *p != place).collect();
        self.network.cut(between(&[place], &others));
        self.spawn(place, finds, more)
    }

    fn spawn(&mut self, place: Place, finds: &Finds, more: &[String]) -> NodeIndex {
        let index = self.nodes.len();
        let earlier = self.nodes.iter().filter(|node| node.place == place).count();
        let name = match earlier {
            0 => format!("n{place}"),
            restarts => format!("n{place}.{restarts}"),
        };
        let arguments = overridden(&self.arguments, more);
        let logs = self
            .folder
            .as_ref()
            .expect("the folder lives as long")
            .path();
        self.nodes.push(NodeProcess::start(
            &self.network,
            place,
            name,
            finds,
            &arguments,
            &self.settings,
            logs,
        ));
        self.publish();
        index
    }

    /// The network, to cut it.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The file with the secret that nodes share, if they share one.
    pub fn token_file(&self) -> Option<String> {
        let flag = self
            .arguments
            .iter()
            .position(|a| a == "--cluster-token-file")?;
        self.arguments.get(flag + 1).cloned()
    }

    /// The nodes that clients may ask, kept up to date.
    pub fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// The nodes that have not ended, paused ones among them, in the order of their starts.
    pub fn running(&mut self) -> Vec<NodeIndex> {
        (0..self.nodes.len())
            .filter(|&node| self.nodes[node].ended().is_none())
            .collect()
    }

    /// Ends a node without a chance to do anything about it.
    pub fn kill(&mut self, node: NodeIndex) {
        self[node].kill();
        self.publish();
    }

    /// Asks a node to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn terminate(&mut self, node: NodeIndex) -> ExitStatus {
        // Clients go elsewhere first, as a load balancer would have them.
        let without = self.nodes[node].addresses.clone();
        let others = self.directory.nodes();
        self.directory
            .set(others.into_iter().filter(|n| *n != without).collect());
        // Whoever has chosen it has sent its request by then.
        tokio::time::sleep(BALANCER_DELAY).await;
        self[node].terminate();
        self[node].wait().await
    }

    fn publish(&mut self) {
        let running = self.running();
        let addresses = running.iter().map(|&node| self[node].addresses.clone());
        self.directory.set(addresses.collect());
    }

    /// What a node says of its cluster.
    ///
    /// # Errors
    ///
    /// Says why it says nothing.
    pub async fn view(&self, node: NodeIndex) -> Result<View, String> {
        let addresses = &self[node].addresses;
        let answer = self.admin.get(addresses.admin, "/status", VIEW_TIMEOUT);
        match answer.await {
            Ok((200, body)) => View::read(&body),
            Ok((status, _)) => Err(format!("{}: /status answers {status}", addresses.name)),
            Err(error) => Err(format!("{}: {error}", addresses.name)),
        }
    }

    /// What a node's metric without labels shows, whose name is `spindrift_replication_` and `name`.
    ///
    /// # Errors
    ///
    /// Says why it shows nothing.
    pub async fn metric(&self, node: NodeIndex, name: &str) -> Result<u64, String> {
        let name = format!("spindrift_replication_{name}");
        self.metric_named(node, &name).await
    }

    /// What a node's metric with this name and these labels shows, as it stands in its text.
    ///
    /// # Errors
    ///
    /// Says why it shows nothing.
    pub async fn metric_named(&self, node: NodeIndex, name: &str) -> Result<u64, String> {
        let addresses = &self[node].addresses;
        let answer = self.admin.get(addresses.admin, "/metrics", VIEW_TIMEOUT);
        let (_, body) = answer
            .await
            .map_err(|error| format!("{}: {error}", addresses.name))?;
        let name = format!("{name} ");
        let text = String::from_utf8_lossy(&body);
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        let value = value.ok_or(format!("{}: no {name}", addresses.name))?;
        value.parse().map_err(|_| format!("{name}is {value:?}"))
    }

    /// What the nodes say that run and can be asked.
    pub async fn views(&mut self) -> Vec<(NodeIndex, View)> {
        let mut views = Vec::new();
        for node in self.running() {
            if !self[node].is_paused()
                && let Ok(view) = self.view(node).await
            {
                views.push((node, view));
            }
        }
        views
    }

    /// Waits until all nodes that run agree on one cluster of them all.
    ///
    /// # Panics
    ///
    /// If they do not come to, or if one has ended that the test has not ended.
    pub async fn agreed(&mut self) {
        let running = self.running();
        let voters = self.settings.voters.min(running.len());
        eventually("all nodes agree", async || {
            let mut views = Vec::new();
            for &node in &running {
                if let Some(status) = self[node].ended() {
                    panic!("{} ended by itself: {status}", self[node].name());
                }
                views.push(self.view(node).await?);
            }
            agree(&views, voters)
        })
        .await;
    }

    /// The node that leads, as soon as one does.
    ///
    /// # Panics
    ///
    /// If none comes to.
    pub async fn leader(&mut self) -> NodeIndex {
        eventually("a leader", async || self.leader_now().await).await
    }

    /// The node that leads now. After a partition there may be one that only thinks so; the term tells them apart.
    ///
    /// # Errors
    ///
    /// Says what the nodes are instead.
    pub async fn leader_now(&mut self) -> Result<NodeIndex, String> {
        let views = self.views().await;
        let leading = views.iter().filter(|(_, view)| view.leads());
        match leading.max_by_key(|(_, view)| view.term) {
            Some((node, _)) => Ok(*node),
            None => Err(format!("{views:?}")),
        }
    }

    /// The nodes that run and do not lead.
    pub async fn followers(&mut self) -> Vec<NodeIndex> {
        let leader = self.leader().await;
        let mut running = self.running();
        running.retain(|node| *node != leader);
        running
    }

    /// Where the nodes that run listen for each other.
    pub fn peers(&mut self) -> Vec<SocketAddr> {
        let running = self.running();
        running
            .iter()
            .map(|&node| self[node].addresses.peer)
            .collect()
    }
}

/// `arguments` without the flags that are in `more` as well, and `more`. Each flag of `arguments` has a value.
fn overridden(arguments: &[String], more: &[String]) -> Vec<String> {
    let flags = arguments.chunks(2);
    let kept = flags.filter(|flag| flag.first().is_some_and(|name| !more.contains(name)));
    kept.flatten().chain(more).cloned().collect()
}

impl Index<NodeIndex> for Cluster {
    type Output = NodeProcess;

    fn index(&self, node: NodeIndex) -> &NodeProcess {
        &self.nodes[node]
    }
}

impl IndexMut<NodeIndex> for Cluster {
    fn index_mut(&mut self, node: NodeIndex) -> &mut NodeProcess {
        &mut self.nodes[node]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the logs of all nodes are in {}", folder.keep().display());
        }
    }
}
