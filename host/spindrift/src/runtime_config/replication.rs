//! [`ReplicationConfig`]: what the tables of replicated stores say of the cluster that these stores share.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spindrift_replication::{ClusterToken, PeerTlsFiles, ReplicationOptions};
use spindrift_values::ByteSize;

use super::document::{Document, Value};
use super::{RuntimeConfigError, keys};

/// The files of mutual TLS: all of them are named, or none is.
const PEER_TLS: [&str; 3] = ["peer_tls_cert", "peer_tls_key", "peer_tls_ca"];

/// An option of the cluster with its value. Whether the value makes sense is for [`ReplicationOptions::validate`] to say,
/// which knows all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationSetting {
    /// `voters`
    Voters(usize),
    /// `read_lease`
    ReadLease(bool),
    /// `election_timeout`
    ElectionTimeout(Duration),
    /// `heartbeat_interval`
    HeartbeatInterval(Duration),
    /// `snapshot_after`
    SnapshotAfter(u64),
    /// `max_log_bytes`
    MaxLogBytes(u64),
    /// `evict_after`
    EvictAfter(Duration),
    /// `leader_wait`
    LeaderWait(Duration),
    /// `peer_listen`
    PeerListen(SocketAddr),
    /// `cluster_token`: the secret itself
    ClusterToken(ClusterToken),
    /// `cluster_token_file`, `peer_tls_cert`, `peer_tls_key` or `peer_tls_ca`
    File(PathBuf),
}

impl ReplicationSetting {
    fn read(
        document: Document<'_>,
        option: &'static str,
        value: &Value<'_>,
    ) -> Result<Self, RuntimeConfigError> {
        Ok(match option {
            "voters" => {
                let voters = document.count(option, value)?;
                Self::Voters(usize::try_from(voters).unwrap_or(usize::MAX))
            }
            "read_lease" => Self::ReadLease(document.boolean(option, value)?),
            "election_timeout" => Self::ElectionTimeout(document.duration(option, value)?),
            "heartbeat_interval" => Self::HeartbeatInterval(document.duration(option, value)?),
            "snapshot_after" => Self::SnapshotAfter(document.count(option, value)?),
            "max_log_bytes" => Self::MaxLogBytes(document.size(option, value)?.0),
            "evict_after" => Self::EvictAfter(document.duration(option, value)?),
            "leader_wait" => Self::LeaderWait(document.duration(option, value)?),
            "peer_listen" => Self::PeerListen(document.socket_address(option, value)?),
            "cluster_token" => {
                let token = ClusterToken::parse(document.string(option, value)?.as_bytes());
                let token = token.map_err(|reason| {
                    document.fault(value.span().start, format!("`{option}`: {reason}"))
                })?;
                Self::ClusterToken(token)
            }
            _ => Self::File(document.file(option, value)?),
        })
    }
}

/// Shows the value alone, and no secret.
impl fmt::Display for ReplicationSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Voters(voters) => voters.fmt(f),
            Self::ReadLease(on) => on.fmt(f),
            Self::ElectionTimeout(duration)
            | Self::HeartbeatInterval(duration)
            | Self::EvictAfter(duration)
            | Self::LeaderWait(duration) => write!(f, "{duration:?}"),
            Self::PeerListen(address) => address.fmt(f),
            Self::ClusterToken(_) => f.write_str("one secret"),
            Self::File(path) => path.display().fmt(f),
            Self::SnapshotAfter(entries) => entries.fmt(f),
            Self::MaxLogBytes(bytes) => ByteSize(*bytes).fmt(f),
        }
    }
}

/// A setting, and where the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    setting: ReplicationSetting,
    path: PathBuf,
    label: String,
    line: usize,
}

/// What a runtime configuration says of the cluster. What it leaves out is as on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicationConfig {
    /// By the name of the option.
    said: BTreeMap<&'static str, Said>,
}

impl ReplicationConfig {
    /// The option of that name.
    pub(crate) fn option(name: &str) -> Option<&'static str> {
        keys::CLUSTER
            .iter()
            .map(|key| key.name)
            .find(|option| *option == name)
    }

    /// Reads the value that the store `label` gives to `option`. Stores that both give one give the same.
    pub(crate) fn read(
        &mut self,
        document: Document<'_>,
        label: &str,
        option: &'static str,
        value: &Value<'_>,
    ) -> Result<(), RuntimeConfigError> {
        let here = Said {
            setting: ReplicationSetting::read(document, option, value)?,
            path: document.path.to_owned(),
            label: label.to_owned(),
            line: document.line(value.span().start),
        };
        match self.said.get(option) {
            Some(there) if there.setting != here.setting => {
                let (earlier, later) = if there.line < here.line {
                    (there, &here)
                } else {
                    (&here, there)
                };
                let message = format!(
                    "`{option}` is {} in [key_value_store.{}], and {} in [key_value_store.{}] on line {}; replicated stores \
                     share one cluster, so it can be said once, or the same everywhere",
                    later.setting,
                    later.label,
                    match &earlier.setting {
                        ReplicationSetting::ClusterToken(_) => "another".to_owned(),
                        setting => setting.to_string(),
                    },
                    earlier.label,
                    earlier.line
                );
                Err(document.fault_on(later.line, message))
            }
            Some(_) => Ok(()),
            None => {
                self.said.insert(option, here);
                Ok(())
            }
        }
    }

    /// Refuses what does not go together, once all of it is read.
    pub(crate) fn settle(&self, document: Document<'_>) -> Result<(), RuntimeConfigError> {
        if let (Some(token), Some(file)) = (
            self.said.get("cluster_token"),
            self.said.get("cluster_token_file"),
        ) {
            let (line, other) = (token.line.max(file.line), token.line.min(file.line));
            let message = format!(
                "`cluster_token` and `cluster_token_file` say the same secret in two ways, here and on line {other}; remove \
                 one of them"
            );
            return Err(document.fault_on(line, message));
        }
        let named = PEER_TLS.iter().find_map(|option| self.said.get(option));
        let missing = PEER_TLS
            .iter()
            .find(|option| !self.said.contains_key(*option));
        match (named, missing) {
            (Some(named), Some(missing)) => {
                let message = format!(
                    "`{missing}` is missing: {} go together",
                    PEER_TLS.join(", ")
                );
                Err(document.fault_on(named.line, message))
            }
            _ => Ok(()),
        }
    }

    /// Puts what the file says into `options`, and reads the file with the token, where it names one.
    ///
    /// # Errors
    ///
    /// The file with the token cannot be read, or has no usable one.
    pub fn apply_to(&self, options: &mut ReplicationOptions) -> Result<(), RuntimeConfigError> {
        for (option, said) in &self.said {
            match &said.setting {
                ReplicationSetting::Voters(voters) => options.voters = *voters,
                ReplicationSetting::ReadLease(on) => options.read_lease = *on,
                ReplicationSetting::ElectionTimeout(timeout) => options.election_timeout = *timeout,
                ReplicationSetting::HeartbeatInterval(interval) => {
                    options.heartbeat_interval = *interval
                }
                ReplicationSetting::SnapshotAfter(entries) => options.snapshot_after = *entries,
                ReplicationSetting::MaxLogBytes(bytes) => options.max_log_bytes = *bytes,
                ReplicationSetting::EvictAfter(silence) => options.evict_after = *silence,
                ReplicationSetting::LeaderWait(wait) => options.leader_wait = *wait,
                ReplicationSetting::PeerListen(address) => options.peer_listen = *address,
                ReplicationSetting::ClusterToken(token) => {
                    options.cluster_token = Some(token.clone())
                }
                ReplicationSetting::File(path) if *option == "cluster_token_file" => {
                    let token =
                        ClusterToken::read(path).map_err(|error| RuntimeConfigError::Invalid {
                            path: said.path.clone(),
                            line: said.line,
                            message: format!("`{option}`: {error}"),
                        })?;
                    options.cluster_token = Some(token);
                }
                ReplicationSetting::File(_) => {}
            }
        }
        if let [Some(cert), Some(key), Some(ca)] = PEER_TLS.map(|option| self.file(option)) {
            let [cert, key, ca] = [cert, key, ca].map(Path::to_owned);
            options.peer_tls = Some(PeerTlsFiles { cert, key, ca });
        }
        Ok(())
    }

    /// Whether the file says what the secret is, or where.
    pub fn has_token(&self) -> bool {
        self.says("cluster_token") || self.says("cluster_token_file")
    }

    /// Whether the file says something of `option`.
    pub fn says(&self, option: &str) -> bool {
        self.said.contains_key(option)
    }

    fn file(&self, option: &str) -> Option<&Path> {
        match &self.said.get(option)?.setting {
            ReplicationSetting::File(path) => Some(path),
            _ => None,
        }
    }

    /// Where the file says something of `option`: `file:line`.
    pub fn place_of(&self, option: &str) -> Option<String> {
        let said = self.said.get(option)?;
        Some(format!("{}:{}", said.path.display(), said.line))
    }
}
