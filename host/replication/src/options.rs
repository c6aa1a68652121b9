//! [`ReplicationOptions`]: what a node of a replicated store can be told, and what it must not be told.
//!
//! Where the values come from is the business of the command line and of the runtime configuration. How fresh reads are is
//! said with each read, so it is no option here.

mod error;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use self::error::OptionsError;
use super::address;
use super::network::ClusterToken;
use super::versions::{Version, Versions};

/// The most voters. Each write waits for a majority of them, and a tenth would add cost but no safety that anybody needs.
pub const MAX_VOTERS: usize = 9;

/// The longest election time-out. Writes stop for about that long when a leader dies; a larger number was meant in other
/// units.
pub const MAX_ELECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest of the other durations.
pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest name of a machine, in bytes: as long as a host name may be.
pub const MAX_MACHINE_BYTES: usize = 253;

/// The least that the log may be bounded to, in bytes.
pub const MIN_LOG_BYTES: u64 = 64 << 10;

/// What a node of a replicated store is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationOptions {
    /// How many nodes vote, once there are as many: odd, 1 to [`MAX_VOTERS`]. Further nodes are learners.
    pub voters: usize,
    /// Whether a leader that a majority has just heard may answer reads without asking it again. It trusts the clocks of
    /// the nodes to run at about the same speed.
    pub read_lease: bool,
    /// How long a voter hears nothing of a leader before it stands for election, at least; whole milliseconds.
    pub election_timeout: Duration,
    /// How often the leader says that it is there; whole milliseconds, less than half the election time-out.
    pub heartbeat_interval: Duration,
    /// Log entries after which a snapshot is taken and the log before it dropped, but for what a follower still lacks.
    pub snapshot_after: u64,
    /// Bytes of log after which the same is done, whatever the number of entries and whoever lacks them. While followers are
    /// about to acknowledge what is to be dropped it may be twice as much; one that does not gets a snapshot. What is written
    /// in some tenths of a second comes on top, and what is not committed yet.
    pub max_log_bytes: u64,
    /// Where other nodes are listened for. Port 0 takes any free port.
    pub peer_listen: SocketAddr,
    /// The address, `host:port`, at which other nodes reach this one. `None` where it is the one that is listened on.
    pub advertise: Option<String>,
    /// The secret that all nodes of the cluster know.
    pub cluster_token: Option<ClusterToken>,
    /// The files for mutual TLS between nodes.
    pub peer_tls: Option<PeerTlsFiles>,
    /// How long a node may be silent before the leader removes it.
    pub evict_after: Duration,
    /// How long requests wait while no leader is known, before they are refused.
    pub leader_wait: Duration,
    /// The name of the machine on which the node runs. `None` where discovery may know it.
    pub machine: Option<String>,
    /// The newest version of the peers' protocol that the node speaks. `None` for the newest that this program knows.
    pub peer_protocol_max: Option<Version>,
}

/// The files that nodes prove themselves to each other with, all PEM. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTlsFiles {
    /// The node's certificate, and those between it and the authority.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authority that has signed the certificates of all nodes.
    pub ca: PathBuf,
}

impl Default for ReplicationOptions {
    fn default() -> Self {
        Self {
            voters: 3,
            read_lease: true,
            election_timeout: Duration::from_millis(300),
            heartbeat_interval: Duration::from_millis(50),
            snapshot_after: 10_000,
            max_log_bytes: 16 << 20,
            peer_listen: SocketAddr::from(([127, 0, 0, 1], 7000)),
            advertise: None,
            cluster_token: None,
            peer_tls: None,
            evict_after: Duration::from_secs(30),
            leader_wait: Duration::from_secs(5),
            machine: None,
            peer_protocol_max: None,
        }
    }
}

impl ReplicationOptions {
    /// How long a node with these options votes for nobody after it has heard from a leader, in milliseconds.
    #[must_use]
    pub(super) fn vote_lease_ms(&self) -> u64 {
        u64::try_from(self.election_timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// Checks that the options make sense, each for itself and together. Files are not looked at, and addresses are not
    /// looked up.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, under the name that the option has in the runtime configuration or on the command
    /// line.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let Self {
            voters,
            election_timeout,
            heartbeat_interval,
            snapshot_after,
            max_log_bytes,
            evict_after,
            leader_wait,
            ..
        } = *self;
        if voters % 2 == 0 || voters > MAX_VOTERS {
            return Err(OptionsError::Voters(voters));
        }
        for (option, duration) in [
            ("election_timeout", election_timeout),
            ("heartbeat_interval", heartbeat_interval),
        ] {
            if duration.is_zero() || duration.subsec_nanos() % 1_000_000 != 0 {
                return Err(OptionsError::NotWholeMillis { option, duration });
            }
        }
        if election_timeout > MAX_ELECTION_TIMEOUT {
            return Err(OptionsError::ElectionTimeout(election_timeout));
        }
        if heartbeat_interval >= election_timeout / 2 {
            return Err(OptionsError::Heartbeat {
                heartbeat_interval,
                election_timeout,
            });
        }
        if snapshot_after == 0 {
            return Err(OptionsError::SnapshotAfter);
        }
        if max_log_bytes < MIN_LOG_BYTES {
            return Err(OptionsError::MaxLogBytes(max_log_bytes));
        }
        if evict_after < election_timeout * 2 {
            return Err(OptionsError::EvictAfter {
                evict_after,
                election_timeout,
            });
        }
        for (option, duration) in [("evict_after", evict_after), ("leader_wait", leader_wait)] {
            if duration > MAX_WAIT {
                return Err(OptionsError::TooLong { option, duration });
            }
        }
        let advertise = self.advertise.as_deref().map(address::check).transpose();
        advertise.map_err(|reason| OptionsError::Address {
            option: "--advertise",
            reason,
        })?;
        if let Some(machine) = &self.machine {
            let fits = (1..=MAX_MACHINE_BYTES).contains(&machine.len());
            if !fits || !machine.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(OptionsError::Machine(machine.clone()));
            }
        }
        self.versions()?;
        Ok(())
    }

    /// The versions of the peers' protocol that a node with these options speaks.
    ///
    /// # Errors
    ///
    /// This program does not speak the newest that it is told.
    pub(super) fn versions(&self) -> Result<Versions, OptionsError> {
        let Some(newest) = self.peer_protocol_max else {
            return Ok(Versions::OWN);
        };
        Versions::own_up_to(newest).map_err(OptionsError::Protocol)
    }

    /// Checks that there is an address to tell other nodes. Where the address is found out at the start, such as that of a
    /// pod, it is so only then.
    ///
    /// # Errors
    ///
    /// What is listened on is no address to reach the node at, and none was given.
    pub fn check_advertised(&self) -> Result<(), OptionsError> {
        match self.advertise {
            None if self.peer_listen.ip().is_unspecified() => {
                Err(OptionsError::Advertise(self.peer_listen))
            }
            _ => Ok(()),
        }
    }

    /// The address at which other nodes reach this one, when it listens on `bound`, which has the real port.
    #[must_use]
    pub fn advertised(&self, bound: SocketAddr) -> String {
        self.advertise.clone().unwrap_or_else(|| bound.to_string())
    }
}
