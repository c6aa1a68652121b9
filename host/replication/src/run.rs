//! [`Replication`]: all of it put together, from what it is told to how it ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use spindrift_discovery::Discovery;
use spindrift_store::Stores;
use thiserror::Error;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::announce::say_goodbye;
use super::faults::Faults;
use super::host::{Host, Recoveries};
use super::lifecycle::{Ended, LifecycleError, Stop, live};
use super::membership::Refusals;
use super::metrics::ReplicationMetrics;
use super::network::{self, Exposed, Listener, Peers, TlsError, Transport, Trust, check_exposure};
use super::node::Parts;
use super::options::{OptionsError, ReplicationOptions};
use super::published::Publish;
use super::replicated::Replicated;
use super::suspension::SuspendedFor;
use super::types::Member;

/// What a message may have beyond the largest transaction, in bytes: other entries that travel with it.
const MESSAGE_ROOM_BYTES: usize = 4 << 20;

/// What every node takes in one message, in bytes, however small its own transactions: other nodes may allow larger ones.
/// Nodes that take more have to take the same, or what one sends would be too large for another, see `answers.rs`.
const MIN_MESSAGE_BYTES: usize = 64 << 20;

/// How long calls that are under way may take once this node has left.
const SERVER_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// What replication is told.
#[derive(Debug)]
pub struct Setup {
    /// How it replicates.
    pub options: ReplicationOptions,
    /// Who its peers are, and where people see what becomes of it.
    pub discovery: Arc<dyn Discovery>,
    /// The application's name. Nodes of one cluster run the same application.
    pub application: String,
    /// The program's version.
    pub version: String,
    /// The stores that are replicated.
    pub stores: Stores,
    /// How other nodes are reached.
    pub transport: Arc<dyn Transport>,
    /// Promises that a test has broken.
    pub faults: Faults,
}

/// Why replication cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Anybody could reach the peers' port.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// TLS between nodes cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peers' port is taken, or may not be taken.
    #[error("other nodes cannot be listened for on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: std::io::Error,
    },
}

/// A process that replicates: bound to its port, about to become a node.
pub struct Replication {
    host: Arc<Host>,
    recoveries: Recoveries,
    listener: Box<dyn Listener>,
    address: SocketAddr,
    trust: Trust,
    max_message_bytes: usize,
}

impl Replication {
    /// Checks the options and takes the peers' port.
    ///
    /// # Errors
    ///
    /// The options are no use together, or the port cannot be had.
    pub async fn bind(setup: Setup) -> Result<Self, StartError> {
        let refusals = Refusals::default();
        let setup = Setup {
            transport: refusals.watching(setup.transport),
            ..setup
        };
        let options = setup.options;
        options.validate()?;
        options.check_advertised()?;
        let versions = options.versions()?;
        check_exposure(
            options.peer_listen,
            options.cluster_token.is_some(),
            options.peer_tls.is_some(),
        )?;
        let trust = Trust::establish(options.cluster_token.as_ref(), options.peer_tls.as_ref())?;
        let unbound = |reason| StartError::Listen {
            address: options.peer_listen,
            reason,
        };
        let listener = setup
            .transport
            .listen(options.peer_listen)
            .await
            .map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        // Twice that is what a transaction may hold where it is much, and that takes no more on its way.
        let largest = setup.stores.largest_write_bytes();
        let max_message_bytes = largest
            .saturating_mul(2)
            .max(setup.stores.max_transaction_bytes())
            .saturating_add(MESSAGE_ROOM_BYTES)
            .max(MIN_MESSAGE_BYTES);
        let machine = options
            .machine
            .clone()
            .or_else(|| setup.discovery.machine());
        let member = Member {
            peer: options.advertised(address),
            version: setup.version,
            vote_lease_ms: options.vote_lease_ms(),
            protocol: versions.newest().0,
            machine: machine.unwrap_or_default(),
        }
        .in_version(versions.newest());
        let backend = Replicated::new(setup.stores, options.leader_wait, setup.faults);
        let parts = Parts {
            options: Arc::new(options),
            discovery: setup.discovery,
            application: setup.application,
            backend: Arc::new(backend),
            peers: Peers::new(
                setup.transport,
                trust.tls.clone(),
                trust.authentication.clone(),
                max_message_bytes,
                Some(&member.peer),
            )
            .speaking(versions),
            refusals,
            metrics: ReplicationMetrics::default(),
            suspended_for: SuspendedFor::default(),
        };
        let (host, recoveries) = Host::new(parts, member);
        Ok(Self {
            host: Arc::new(host),
            recoveries,
            listener,
            address,
            trust,
            max_message_bytes,
        })
    }

    /// Where other nodes are listened for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store, as the gateway uses it.
    #[must_use]
    pub fn backend(&self) -> Arc<Replicated> {
        self.host.parts.backend.clone()
    }

    /// What the process lets others see of itself.
    #[must_use]
    pub fn publish(&self) -> Arc<dyn Publish> {
        self.host.clone()
    }

    /// Lives the life of a node: to be run on a thread of its own, since everything else of replication runs there too.
    ///
    /// # Errors
    ///
    /// A cluster refuses this process, or replication cannot go on.
    pub async fn run(self, stop: Stop) -> Result<Ended, LifecycleError> {
        let answering = CancellationToken::new();
        let server = tokio::spawn(network::serve(
            self.host.clone(),
            self.listener,
            self.trust.tls.clone(),
            self.trust.authentication.clone(),
            self.max_message_bytes,
            answering.clone(),
        ));
        let parts = self.host.parts.clone();
        let following = tokio::spawn(self.trust.follow());
        let ended = live(self.host, self.recoveries, stop).await;
        following.abort();
        // Requests that are under way would wait for answers that nobody gives, and the process for them.
        parts.backend.close();
        answering.cancel();
        let stopped = timeout(SERVER_STOP_TIMEOUT, server);
        // What others are still to hear of this node, and what people are still to see of it.
        tokio::join!(stopped, say_goodbye(&parts)).0.ok();
        ended
    }
}
