//! Where the other nodes of a cluster are known from: the flags, or Kubernetes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use spindrift_discovery::kubernetes::{InCluster, Kubernetes};
use spindrift_discovery::{Discovery, StaticList};
use spindrift_gateway::Health;
use spindrift_replication::{ReplicationOptions, check_exposure};

/// The pod that this process is in; nothing if it is in none, or in one without a service account.
///
/// # Errors
///
/// There is a service account, and something else is missing that belongs to a pod.
pub fn pod() -> Result<Option<InCluster>> {
    let variable = |name: &str| std::env::var(name).ok();
    Ok(InCluster::detect(variable)?)
}

/// Where the other nodes are known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The flags.
    Flags {
        /// Addresses of nodes.
        join: Vec<String>,
        /// Whether this process may form a cluster where there is none.
        bootstrap: bool,
    },
    /// The pods beside this process's own.
    Kubernetes(InCluster),
}

impl Source {
    /// The source that flags ask for; without a word from them, Kubernetes in a pod.
    ///
    /// # Errors
    ///
    /// There is no source.
    pub fn choose(join: Vec<String>, bootstrap: bool, pod: Option<InCluster>) -> Result<Self> {
        match pod {
            _ if bootstrap || !join.is_empty() => Ok(Self::Flags { join, bootstrap }),
            Some(pod) => Ok(Self::Kubernetes(pod)),
            None => bail!(
                "a store is replicated, and this node knows no cluster: name nodes of one with --join HOST:PORT, or form a \
                 new one with --bootstrap, on one node only. Only in a pod of Kubernetes with a service account do nodes \
                 find each other by themselves"
            ),
        }
    }
}

/// What a node needs to know before it starts.
#[derive(Debug)]
pub struct Discovered {
    /// What replication is told, with the address at which other nodes reach this one.
    pub options: ReplicationOptions,
    /// Who the other nodes are.
    pub discovery: Arc<dyn Discovery>,
}

/// Finds out what the source knows already: in a pod, where this process is reached. `listens` says whether somebody has
/// chosen where it listens for other nodes, and `former_members` are there for a process that begins anew, since its cluster
/// has removed it. `health` is told what is waited for.
///
/// # Errors
///
/// There is no address to tell other nodes, or no workload that this process's pod belongs to.
pub async fn discover(
    source: Source,
    options: ReplicationOptions,
    listens: bool,
    former_members: Option<Vec<String>>,
    health: &Health,
) -> Result<Discovered> {
    match source {
        Source::Flags { join, bootstrap } => listed(join, bootstrap, options, former_members),
        // A process that begins anew looks for its cluster as any other does, and may form one: the Lease decides, by what
        // the pods answer, and gives up no cluster that may have a member. What the flags say once and for all could make a
        // second cluster beside one that lives; a claim cannot. And where all other pods are lost meanwhile, nobody would
        // ever form a cluster if this one might not.
        Source::Kubernetes(pod) => in_pod(&pod, options, listens, health).await,
    }
}

/// The nodes that the flags name.
fn listed(
    join: Vec<String>,
    bootstrap: bool,
    options: ReplicationOptions,
    former_members: Option<Vec<String>>,
) -> Result<Discovered> {
    options.check_advertised()?;
    // Who begins anew was told by its cluster that it goes on without it. It joins that, and forms no other one, whatever
    // its flags say.
    let bootstrap = bootstrap && former_members.is_none();
    let seeds = join.into_iter().chain(former_members.into_iter().flatten());
    // A free port that the system chooses is nobody's seed.
    let own = options.advertised(options.peer_listen);
    let list = StaticList::new(seeds, &own, bootstrap);
    Ok(Discovered {
        options,
        discovery: Arc::new(list),
    })
}

/// The pods of the workload that this process's own belongs to. They all listen on the same port.
async fn in_pod(
    pod: &InCluster,
    mut options: ReplicationOptions,
    listens: bool,
    health: &Health,
) -> Result<Discovered> {
    let port = options.peer_listen.port();
    if port == 0 {
        bail!(
            "--peer-listen {} takes any free port, and in Kubernetes the nodes of all pods listen on the same one: name it, as \
             in --peer-listen 0.0.0.0:7000",
            options.peer_listen
        );
    }
    if !listens {
        options.peer_listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    }
    // Before the API server is waited for.
    check_exposure(
        options.peer_listen,
        options.cluster_token.is_some(),
        options.peer_tls.is_some(),
    )?;
    health.wait_for("the API server of Kubernetes is asked who the peers of this pod are");
    let kubernetes = Kubernetes::connect(pod, port, |reason| {
        health.wait_for(format!(
            "the API server of Kubernetes has not said yet who the peers of this pod are: {reason}"
        ));
    })
    .await?;
    let advertised = kubernetes.advertise().to_owned();
    let ip = advertised.parse().map(|address: SocketAddr| address.ip());
    if !listens && ip.context("the pod's address")?.is_ipv6() {
        options.peer_listen.set_ip(Ipv6Addr::UNSPECIFIED.into());
    }
    options.advertise.get_or_insert(advertised);
    options.check_advertised()?;
    Ok(Discovered {
        options,
        discovery: Arc::new(kubernetes),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn node(number: u8) -> String {
        format!("node-{number}:7000")
    }

    #[test]
    fn who_begins_anew_joins_its_cluster_and_forms_no_other() {
        let told = |former_members| {
            let options = ReplicationOptions::default();
            let discovered = listed(vec![node(1)], true, options, former_members);
            let discovery = discovered.expect("an address").discovery;
            let peers = discovery.peers().borrow().present.clone();
            (peers.into_iter().collect::<Vec<_>>(), discovery.may_form())
        };
        assert_eq!(told(None), (vec![node(1)], true));
        let members = vec![node(2), node(3)];
        assert_eq!(
            told(Some(members)),
            (vec![node(1), node(2), node(3)], false)
        );
    }

    async fn refusal(options: ReplicationOptions, listens: bool) -> String {
        let nowhere = InCluster {
            api_server: "https://127.0.0.1:1".into(),
            service_account: PathBuf::from("/nowhere"),
            pod: "kv-0".to_owned().into(),
        };
        // Nobody is waited for.
        let health = Health::starting(CancellationToken::new());
        let refused = in_pod(&nowhere, options, listens, &health);
        let refused = timeout(Duration::from_secs(60), refused).await;
        let refused = refused.expect("an answer at once");
        format!("{:#}", refused.expect_err("refused"))
    }

    #[tokio::test]
    async fn a_pod_needs_a_port_that_all_pods_have_and_a_secret() {
        let free = ReplicationOptions {
            peer_listen: "0.0.0.0:0".parse().expect("an address"),
            ..ReplicationOptions::default()
        };
        let error = refusal(free, true).await;
        assert!(
            error.contains("--peer-listen 0.0.0.0:0 takes any"),
            "{error}"
        );
        let error = refusal(ReplicationOptions::default(), false).await;
        assert!(
            error.contains("0.0.0.0:7000") && error.contains("cluster_token"),
            "{error}"
        );
    }
}
