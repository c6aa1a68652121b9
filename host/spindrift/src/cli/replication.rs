//! [`ReplicationArgs`]: the flags of `spindrift up` for a store that several nodes hold.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use spindrift_discovery::kubernetes::InCluster;
use spindrift_replication::{OptionsError, ReplicationOptions, Version, Versions, check_address};
use spindrift_values::{ByteSize, boolean, duration};

use super::discover::Source;
use super::{CredentialArgs, limits, listen};
use crate::runtime_config::RuntimeConfig;

/// The cluster and this node's place in it. Flags that are not given are `None`, so that those that are can be named where
/// they mean nothing.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Replication")]
pub struct ReplicationArgs {
    /// Replicate the default store, as `type = "replicated"` in the runtime configuration does
    #[arg(long, env = "SPINDRIFT_REPLICATED", value_parser = boolean::parse_variable)]
    pub replicated: bool,

    /// Address and port on which this node listens for other nodes. In a pod of Kubernetes it listens on every address unless
    /// this flag says otherwise [default: 127.0.0.1:7000]
    #[arg(long, value_name = "ADDRESS", env = "SPINDRIFT_PEER_LISTEN", value_parser = listen::parse_address)]
    pub peer_listen: Option<SocketAddr>,

    /// Address at which other nodes reach this one. Needed if --peer-listen is every address, such as 0.0.0.0, unless the
    /// node finds its peers in Kubernetes [default: that of --peer-listen, or of the pod]
    #[arg(long, value_name = "HOST:PORT", env = "SPINDRIFT_ADVERTISE", value_parser = parse_node)]
    pub advertise: Option<String>,

    /// A node of the cluster to join; one that answers is enough. May be given several times, or as a list with commas. In a
    /// pod of Kubernetes, without this flag and --bootstrap, the nodes find each other by themselves
    #[arg(long, value_name = "HOST:PORT", env = "SPINDRIFT_JOIN", value_delimiter = ',', value_parser = parse_seed)]
    pub join: Vec<String>,

    /// Form a new cluster if this node finds none. For one node only: two would form two clusters
    #[arg(long, env = "SPINDRIFT_BOOTSTRAP", value_parser = boolean::parse_variable)]
    pub bootstrap: bool,

    /// Number of nodes that vote, an odd number up to 9. Further nodes are learners. A store's own `voters` wins, as do its
    /// other options below [default: 3]
    #[arg(long, value_name = "N", env = "SPINDRIFT_VOTERS", value_parser = limits::parse_count)]
    pub voters: Option<usize>,

    /// Whether a leader that has just heard from a majority answers reads without asking it again: true, yes, on or 1, or
    /// false, no, off or 0. With this, reads rely on clocks that run at about the same speed, and on no hypervisor that
    /// pauses the machine of a node [default: true]
    #[arg(long, value_name = "BOOL", env = "SPINDRIFT_READ_LEASE", value_parser = boolean::parse, num_args = 0..=1, default_missing_value = "true")]
    pub read_lease: Option<bool>,

    /// Least time without a message from the leader after which a voter stands for election [default: 300ms]
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_ELECTION_TIMEOUT", value_parser = duration::parse_non_zero)]
    pub election_timeout: Option<Duration>,

    /// How often the leader tells the other nodes that it is there. Less than half of --election-timeout [default: 50ms]
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_HEARTBEAT_INTERVAL", value_parser = duration::parse_non_zero)]
    pub heartbeat_interval: Option<Duration>,

    /// Number of log entries after which a snapshot takes the place of the log [default: 10000]
    #[arg(long, value_name = "N", env = "SPINDRIFT_SNAPSHOT_AFTER", value_parser = parse_entries)]
    pub snapshot_after: Option<u64>,

    /// Size of the log after which a snapshot takes its place, whatever the number of entries. For a follower that lags, the
    /// log keeps at most twice as much [default: 16MiB]
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MAX_LOG_BYTES", value_parser = limits::parse_size)]
    pub max_log_bytes: Option<ByteSize>,

    /// How long a node may be silent before the leader removes it [default: 30s]
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_EVICT_AFTER", value_parser = duration::parse_non_zero)]
    pub evict_after: Option<Duration>,

    /// How long a read or a commit waits for a leader before the answer is 503, or 504 if --request-timeout ends sooner
    /// [default: 5s]
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_LEADER_WAIT", value_parser = duration::parse)]
    pub leader_wait: Option<Duration>,

    /// Name of the machine on which this node runs. `spindrift status --json` shows it [default: in Kubernetes, the node of
    /// the pod]
    #[arg(long, value_name = "NAME", env = "SPINDRIFT_MACHINE")]
    pub machine: Option<String>,

    /// Newest version of the peers' protocol that this node speaks. With the previous one you can take an update back, even
    /// after all nodes are updated [default: the newest]
    #[arg(long, value_name = "VERSION", env = "SPINDRIFT_PEER_PROTOCOL_MAX", value_parser = parse_version)]
    pub peer_protocol_max: Option<Version>,

    /// The cluster's secrets.
    #[command(flatten)]
    pub credentials: CredentialArgs,
}

impl ReplicationArgs {
    /// What replication is told by the flags, and by `config`, which wins. `None` if no store is replicated.
    ///
    /// # Errors
    ///
    /// Flags that mean nothing since no store is replicated; options that make no sense, with the line of the runtime
    /// configuration that says them; a token that cannot be read.
    pub fn options(&self, config: &RuntimeConfig) -> Result<Option<ReplicationOptions>> {
        if !config.is_replicated() {
            if let Some(flag) = self.given() {
                bail!(
                    "--{flag} (or SPINDRIFT_{}) is for a replicated store, and no store is replicated: add --replicated, or \
                     set type = \"replicated\" in the runtime configuration",
                    flag.to_uppercase().replace('-', "_")
                );
            }
            return Ok(None);
        }
        let mut options = self.replication_options();
        if !config.replication.has_token() {
            options.cluster_token = self.credentials.token()?;
        }
        config.replication.apply_to(&mut options)?;
        options
            .validate()
            .map_err(|error| with_place(error, config))?;
        Ok(Some(options))
    }

    /// Where the other nodes of the cluster are known from; `pod` is the one that this process is in.
    ///
    /// # Errors
    ///
    /// No flag says so, and there is no pod.
    pub fn source(&self, pod: Option<InCluster>) -> Result<Source> {
        let join = self.join.iter().filter(|address| !address.is_empty());
        Source::choose(join.cloned().collect(), self.bootstrap, pod)
    }

    /// Whether somebody has chosen where this node listens for others.
    pub fn listens(&self, config: &RuntimeConfig) -> bool {
        self.peer_listen.is_some() || config.replication.says("peer_listen")
    }

    /// What the flags say, but for the token.
    fn replication_options(&self) -> ReplicationOptions {
        let defaults = ReplicationOptions::default();
        ReplicationOptions {
            voters: self.voters.unwrap_or(defaults.voters),
            read_lease: self.read_lease.unwrap_or(defaults.read_lease),
            election_timeout: self.election_timeout.unwrap_or(defaults.election_timeout),
            heartbeat_interval: self
                .heartbeat_interval
                .unwrap_or(defaults.heartbeat_interval),
            snapshot_after: self.snapshot_after.unwrap_or(defaults.snapshot_after),
            max_log_bytes: self
                .max_log_bytes
                .map_or(defaults.max_log_bytes, |size| size.0),
            peer_listen: self.peer_listen.unwrap_or(defaults.peer_listen),
            advertise: self.advertise.clone(),
            cluster_token: None,
            peer_tls: self.credentials.tls(),
            evict_after: self.evict_after.unwrap_or(defaults.evict_after),
            leader_wait: self.leader_wait.unwrap_or(defaults.leader_wait),
            machine: self.machine.clone(),
            peer_protocol_max: self.peer_protocol_max,
        }
    }

    /// The first flag that was given, without its dashes. `--replicated` is none of them: it makes a store replicated.
    fn given(&self) -> Option<&'static str> {
        let credentials = &self.credentials;
        let flags = [
            ("peer-listen", self.peer_listen.is_some()),
            ("advertise", self.advertise.is_some()),
            ("join", self.join.iter().any(|address| !address.is_empty())),
            ("bootstrap", self.bootstrap),
            ("voters", self.voters.is_some()),
            ("read-lease", self.read_lease.is_some()),
            ("election-timeout", self.election_timeout.is_some()),
            ("heartbeat-interval", self.heartbeat_interval.is_some()),
            ("snapshot-after", self.snapshot_after.is_some()),
            ("max-log-bytes", self.max_log_bytes.is_some()),
            ("evict-after", self.evict_after.is_some()),
            ("leader-wait", self.leader_wait.is_some()),
            ("machine", self.machine.is_some()),
            ("peer-protocol-max", self.peer_protocol_max.is_some()),
            (
                "cluster-token-file",
                credentials.cluster_token_file.is_some(),
            ),
            ("peer-tls-cert", credentials.peer_tls_cert.is_some()),
            ("peer-tls-key", credentials.peer_tls_key.is_some()),
            ("peer-tls-ca", credentials.peer_tls_ca.is_some()),
        ];
        flags
            .into_iter()
            .find_map(|(flag, given)| given.then_some(flag))
    }
}

/// Says on which line of the runtime configuration the fault is, if it is there.
fn with_place(error: OptionsError, config: &RuntimeConfig) -> anyhow::Error {
    let place = error
        .options()
        .iter()
        .find_map(|option| config.replication.place_of(option));
    match place {
        Some(place) => anyhow!("{place}: {error}"),
        None => error.into(),
    }
}

/// The address of another node.
pub(super) fn parse_node(text: &str) -> Result<String, String> {
    let address = text.trim();
    check_address(address).map_err(|error| error.to_string())?;
    Ok(address.to_owned())
}

/// As [`parse_node`], or nothing: an empty variable is as good as none.
fn parse_seed(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Ok(String::new())
    } else {
        parse_node(text)
    }
}

/// A version of the peers' protocol that this program speaks.
fn parse_version(text: &str) -> Result<Version, String> {
    let number = text.trim().parse();
    let version = number
        .map(Version)
        .map_err(|_| "write a number".to_owned())?;
    let spoken = Versions::own_up_to(version);
    spoken
        .map(Versions::newest)
        .map_err(|error| error.to_string())
}

fn parse_entries(text: &str) -> Result<u64, String> {
    limits::parse_count(text).map(|entries| entries as u64)
}
