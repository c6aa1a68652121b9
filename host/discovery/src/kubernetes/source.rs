//! [`Kubernetes`]: the source, and the tasks that it runs.

use std::fmt;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use kube::Client;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::api_server::ApiServer;
use super::events::{self, Events, Happening};
use super::in_cluster::{InCluster, InClusterError, ThisPod};
use super::lease::{self, Bootstrap, Leadership};
use super::lookup::find;
use super::pacing::Pacing;
use super::pods::{self, KnownPods};
use super::{client, role_label};
use crate::{Claim, ClusterEvent, Discovery, MemberState, PeerSet, Verdict};

/// Why this process cannot find its peers through the API server. Waiting would not help.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// A part of what a pod is given is missing.
    #[error(transparent)]
    InCluster(#[from] InClusterError),
    /// What was given, or found, cannot be used.
    #[error("the peers cannot be found through the Kubernetes API server: {reason}")]
    Unfit {
        /// Why, and what to do.
        reason: String,
    },
}

/// The pods of the workload that this process's pod belongs to.
pub struct Kubernetes {
    advertise: String,
    machine: Option<String>,
    workload: String,
    peers: watch::Receiver<PeerSet>,
    member: watch::Sender<Option<MemberState>>,
    events: Events,
    bootstrap: Bootstrap,
    closing: CancellationToken,
    /// They end with it, at the latest.
    tasks: Mutex<JoinSet<()>>,
}

impl Kubernetes {
    /// Finds out which workload this process belongs to, and begins to watch its pods, in which nodes listen for each other at
    /// `peer_port`.
    ///
    /// Waits, for as long as it takes, for an API server that does not answer or refuses, and for the pod to have its address.
    /// `waits_for` is told each time what is waited for.
    ///
    /// # Errors
    ///
    /// The service account cannot be used, the pod does not exist, or it belongs to no workload of a known kind.
    pub async fn connect(
        place: &InCluster,
        peer_port: u16,
        waits_for: impl FnMut(&str) + Send,
    ) -> Result<Self, ConnectError> {
        let namespace = place.namespace()?;
        let client = client::client(place, &namespace)?;
        let pacing = Pacing::default();
        let pod = place.pod.clone();
        Self::start(client, namespace, pod, peer_port, pacing, waits_for).await
    }

    /// As [`connect`](Self::connect), with a client that exists.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn start(
        client: Client,
        namespace: String,
        pod: ThisPod,
        peer_port: u16,
        pacing: Pacing,
        waits_for: impl FnMut(&str) + Send,
    ) -> Result<Self, ConnectError> {
        let api = Arc::new(ApiServer::new(client, namespace, pacing));
        let (own, workload) = find(&api, &pod, waits_for)
            .await
            .map_err(|reason| ConnectError::Unfit { reason })?;
        tracing::info!(
            "the peers are the pods of the {} {} in the namespace {}, found by {}",
            workload.kind,
            workload.name,
            api.namespace(),
            workload.selector
        );
        let (events, said) = Events::channel();
        let (published, peers) = watch::channel(PeerSet::default());
        let member = watch::Sender::new(None);
        let closing = CancellationToken::new();
        let leadership = Leadership {
            api: api.clone(),
            own: own.clone(),
            workload: workload.clone(),
            events: events.clone(),
        };
        let mut tasks = JoinSet::new();
        let watching = pods::watch(
            api.clone(),
            workload.selector.clone(),
            KnownPods::new(peer_port),
            published,
        );
        let watching = closing.clone().run_until_cancelled_owned(watching);
        tasks.spawn(watching.map(|_| ()));
        tasks.spawn(lease::keep(leadership, member.subscribe(), closing.clone()));
        tasks.spawn(role_label::follow(
            api.clone(),
            own.clone(),
            member.subscribe(),
            closing.clone(),
        ));
        tasks.spawn(events::publish(
            api.clone(),
            own.clone(),
            workload.clone(),
            said,
            closing.clone(),
        ));
        Ok(Self {
            advertise: std::net::SocketAddr::new(own.ip, peer_port).to_string(),
            machine: own.machine.clone(),
            workload: format!("{} {}", workload.kind, workload.name),
            bootstrap: Bootstrap::new(api, own, workload, peer_port, events.clone()),
            peers,
            member,
            events,
            closing,
            tasks: Mutex::new(tasks),
        })
    }

    /// The address, `host:port`, at which other pods reach the node in this one.
    #[must_use]
    pub fn advertise(&self) -> &str {
        &self.advertise
    }
}

impl Discovery for Kubernetes {
    fn peers(&self) -> watch::Receiver<PeerSet> {
        self.peers.clone()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict> {
        async move { self.bootstrap.claim(&claim).await }.boxed()
    }

    fn machine(&self) -> Option<String> {
        self.machine.clone()
    }

    fn announce(&self, member: Option<MemberState>) {
        self.member.send_if_modified(|before| {
            let changed = *before != member;
            *before = member;
            changed
        });
    }

    fn notify(&self, notice: ClusterEvent) {
        self.events.say(Happening::ClusterEvent(notice));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.closing.cancel();
            let mut tasks = std::mem::take(&mut *self.tasks.lock());
            while tasks.join_next().await.is_some() {}
        }
        .boxed()
    }
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes")
            .field("workload", &self.workload)
            .field("advertise", &self.advertise)
            .finish_non_exhaustive()
    }
}
