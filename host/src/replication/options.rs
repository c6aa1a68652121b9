//! [`ReplicationOptions`]: what a node of a replicated store can be told, and what it must not be told.
//!
//! Where the values come from is the business of the command line and of the runtime configuration. How fresh reads are is
//! said with each read, so it is no option here.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::address::{self, AddressError};

/// The most voters. Each write waits for a majority of them, and a tenth would add cost but no safety that anybody needs.
pub const MAX_VOTERS: usize = 9;

/// The longest election time-out. Writes stop for about that long when a leader dies; a larger number was meant in other
/// units.
pub const MAX_ELECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest of the other durations.
pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The least that the log may be bounded to, in bytes.
pub const MIN_LOG_BYTES: u64 = 64 << 10;

/// What a node of a replicated store is told.
#[derive(Clone, PartialEq, Eq)]
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
    pub cluster_token: Option<Bytes>,
    /// The files for mutual TLS between nodes.
    pub peer_tls: Option<PeerTlsFiles>,
    /// How long a node may be silent before the leader removes it.
    pub evict_after: Duration,
    /// How long requests wait while no leader is known, before they are refused.
    pub leader_wait: Duration,
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
        }
    }
}

/// The token is a secret, so all that is shown of it is whether it is there.
impl fmt::Debug for ReplicationOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicationOptions")
            .field("voters", &self.voters)
            .field("read_lease", &self.read_lease)
            .field("election_timeout", &self.election_timeout)
            .field("heartbeat_interval", &self.heartbeat_interval)
            .field("snapshot_after", &self.snapshot_after)
            .field("max_log_bytes", &self.max_log_bytes)
            .field("peer_listen", &self.peer_listen)
            .field("advertise", &self.advertise)
            .field("cluster_token", &self.cluster_token.as_ref().map(|_| "…"))
            .field("peer_tls", &self.peer_tls)
            .field("evict_after", &self.evict_after)
            .field("leader_wait", &self.leader_wait)
            .finish()
    }
}

impl ReplicationOptions {
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
        advertise.map_err(|source| OptionsError::Address {
            option: "--advertise",
            source,
        })?;
        Ok(())
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

/// Why options make no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Not a number of voters.
    #[error(
        "voters is {0}; it must be odd, from 1 to {MAX_VOTERS}: with an even number one voter more would be needed for a \
         majority, and no more of them could fail"
    )]
    Voters(usize),
    /// A time that Raft's clock cannot keep.
    #[error("{option} is {duration:?}; it must be whole milliseconds, at least 1ms")]
    NotWholeMillis {
        /// The option.
        option: &'static str,
        /// Its value.
        duration: Duration,
    },
    /// Writes would stop for very long.
    #[error(
        "election_timeout is {0:?}; it must be at most {MAX_ELECTION_TIMEOUT:?}. A number without a unit is seconds: write \
         milliseconds as in 300ms"
    )]
    ElectionTimeout(Duration),
    /// A heartbeat or two that are lost would depose a leader.
    #[error(
        "heartbeat_interval is {heartbeat_interval:?}; it must be less than half of election_timeout, which is \
         {election_timeout:?}, or one heartbeat that is late would end a leader's term"
    )]
    Heartbeat {
        /// The heartbeat.
        heartbeat_interval: Duration,
        /// What it is held against.
        election_timeout: Duration,
    },
    /// Snapshots after nothing.
    #[error("snapshot_after is 0; it must be at least 1 log entry")]
    SnapshotAfter,
    /// A log with no room.
    #[error("max_log_bytes is {0}; it must be at least {MIN_LOG_BYTES} bytes (64KiB)")]
    MaxLogBytes(u64),
    /// Nodes would be removed for an election.
    #[error(
        "evict_after is {evict_after:?}; it must be at least twice election_timeout, which is {election_timeout:?}, or \
         nodes would be removed that only wait for a leader"
    )]
    EvictAfter {
        /// When a silent node is removed.
        evict_after: Duration,
        /// What it is held against.
        election_timeout: Duration,
    },
    /// Longer than anybody means.
    #[error("{option} is {duration:?}; it must be at most {MAX_WAIT:?}")]
    TooLong {
        /// The option.
        option: &'static str,
        /// Its value.
        duration: Duration,
    },
    /// What is listened on is no address to reach the node at.
    #[error(
        "--peer-listen {0} takes connections on every address of this machine, so other nodes must be told which one \
         reaches it: add --advertise HOST:{port}",
        port = .0.port()
    )]
    Advertise(SocketAddr),
    /// Not an address of a node.
    #[error("{option}: {source}")]
    Address {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        source: AddressError,
    },
}

impl OptionsError {
    /// The names, in the runtime configuration, of the options that it is about; none for those that only have a flag.
    #[must_use]
    pub fn options(&self) -> &'static [&'static str] {
        match self {
            Self::Voters(_) => &["voters"],
            Self::NotWholeMillis {
                option: "election_timeout",
                ..
            } => &["election_timeout"],
            Self::NotWholeMillis { .. } => &["heartbeat_interval"],
            Self::ElectionTimeout(_) => &["election_timeout"],
            Self::EvictAfter { .. } => &["evict_after", "election_timeout"],
            Self::Heartbeat { .. } => &["heartbeat_interval", "election_timeout"],
            Self::SnapshotAfter => &["snapshot_after"],
            Self::MaxLogBytes(_) => &["max_log_bytes"],
            Self::TooLong {
                option: "evict_after",
                ..
            } => &["evict_after"],
            Self::TooLong { .. } => &["leader_wait"],
            Self::Advertise(_) => &["peer_listen"],
            Self::Address { .. } => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &ReplicationOptions) -> Result<(), OptionsError> {
        options.validate()?;
        options.check_advertised()
    }

    fn refusal(change: impl FnOnce(&mut ReplicationOptions)) -> String {
        let mut options = ReplicationOptions::default();
        change(&mut options);
        match check(&options) {
            Ok(()) => panic!("accepted: {options:?}"),
            Err(error) => error.to_string(),
        }
    }

    fn accepted(change: impl FnOnce(&mut ReplicationOptions)) {
        let mut options = ReplicationOptions::default();
        change(&mut options);
        assert_eq!(check(&options), Ok(()), "{options:?}");
    }

    const fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_defaults_make_sense() {
        accepted(|_| {});
    }

    #[test]
    fn voters_are_odd_and_few() {
        for voters in [1, 3, 5, 7, 9] {
            accepted(|o| o.voters = voters);
        }
        for voters in [0, 2, 4, 10, 11, usize::MAX] {
            let error = refusal(|o| o.voters = voters);
            assert!(
                error.starts_with(&format!("voters is {voters}; it must be odd, from 1 to 9")),
                "{error}"
            );
        }
    }

    #[test]
    fn times_fit_together() {
        accepted(|o| o.heartbeat_interval = millis(149));
        let error = refusal(|o| o.heartbeat_interval = millis(150));
        assert!(
            error.contains("heartbeat_interval is 150ms") && error.contains("which is 300ms"),
            "{error}"
        );
        let error = refusal(|o| o.election_timeout = Duration::from_secs(300));
        assert!(
            error.contains("election_timeout is 300s") && error.contains("300ms"),
            "{error}"
        );
        let error = refusal(|o| o.evict_after = millis(599));
        assert!(
            error.contains("evict_after is 599ms") && error.contains("which is 300ms"),
            "{error}"
        );
        accepted(|o| o.evict_after = millis(600));
        accepted(|o| o.leader_wait = Duration::ZERO);
        for (option, change) in [
            (
                "evict_after",
                (|o| o.evict_after = Duration::MAX) as fn(&mut ReplicationOptions),
            ),
            ("leader_wait", |o| o.leader_wait = Duration::MAX),
        ] {
            let error = refusal(change);
            assert!(
                error.starts_with(option) && error.contains("at most"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_clock_of_milliseconds_gets_whole_ones() {
        for duration in [
            Duration::ZERO,
            Duration::from_micros(1500),
            Duration::from_nanos(1),
        ] {
            for (option, change) in [
                (
                    "election_timeout",
                    (|o, d| o.election_timeout = d) as fn(&mut ReplicationOptions, Duration),
                ),
                ("heartbeat_interval", |o, d| o.heartbeat_interval = d),
            ] {
                let error = refusal(|o| change(o, duration));
                assert!(
                    error.starts_with(option) && error.contains("whole milliseconds"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn the_log_has_room() {
        assert!(refusal(|o| o.snapshot_after = 0).contains("snapshot_after is 0"));
        assert!(refusal(|o| o.max_log_bytes = 65_535).contains("max_log_bytes is 65535"));
        accepted(|o| o.max_log_bytes = MIN_LOG_BYTES);
    }

    #[test]
    fn who_listens_everywhere_says_where_it_is() {
        for listen in ["0.0.0.0:7000", "[::]:7000"] {
            let listen = listen.parse().unwrap();
            let error = refusal(|o| o.peer_listen = listen);
            assert!(
                error.contains(&listen.to_string()) && error.contains("--advertise HOST:7000"),
                "{error}"
            );
            accepted(|o| {
                o.peer_listen = listen;
                o.advertise = Some("node-1.example.com:7000".into());
            });
        }
        let error = refusal(|o| o.advertise = Some("node-1".into()));
        assert!(
            error.starts_with("--advertise") && error.contains("\"node-1\""),
            "{error}"
        );
    }

    #[test]
    fn the_real_port_is_advertised() {
        let bound = "127.0.0.1:41234".parse().unwrap();
        let options = ReplicationOptions::default();
        assert_eq!(options.advertised(bound), "127.0.0.1:41234");
        let named = ReplicationOptions {
            advertise: Some("node-1:7000".into()),
            ..options
        };
        assert_eq!(named.advertised(bound), "node-1:7000");
    }

    #[test]
    fn the_token_is_not_shown() {
        let options = ReplicationOptions {
            cluster_token: Some(Bytes::from_static(b"correct horse battery")),
            ..ReplicationOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("cluster_token: Some(") && !shown.contains("horse"));
        assert!(!shown.contains("104, 111, 114"));
    }
}
