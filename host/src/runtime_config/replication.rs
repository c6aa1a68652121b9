//! [`ReplicationConfig`]: what the tables of replicated stores say of the cluster that these stores share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::RuntimeConfigError;
use super::document::{Document, Value};
use crate::cli::ByteSize;
use crate::replication::ReplicationOptions;

/// An option of the cluster with its value. Whether the value makes sense is for [`ReplicationOptions::validate`] to say,
/// which knows all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            "read_lease" => Self::ReadLease(document.switch(option, value)?),
            "election_timeout" => Self::ElectionTimeout(document.duration(option, value)?),
            "heartbeat_interval" => Self::HeartbeatInterval(document.duration(option, value)?),
            "snapshot_after" => Self::SnapshotAfter(document.count(option, value)?),
            _ => Self::MaxLogBytes(document.size(option, value)?.0),
        })
    }

    fn apply_to(self, options: &mut ReplicationOptions) {
        match self {
            Self::Voters(voters) => options.voters = voters,
            Self::ReadLease(on) => options.read_lease = on,
            Self::ElectionTimeout(timeout) => options.election_timeout = timeout,
            Self::HeartbeatInterval(interval) => options.heartbeat_interval = interval,
            Self::SnapshotAfter(entries) => options.snapshot_after = entries,
            Self::MaxLogBytes(bytes) => options.max_log_bytes = bytes,
        }
    }
}

/// Shows the value alone.
impl fmt::Display for ReplicationSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Voters(voters) => voters.fmt(f),
            Self::ReadLease(on) => on.fmt(f),
            Self::ElectionTimeout(duration) | Self::HeartbeatInterval(duration) => {
                write!(f, "{duration:?}")
            }
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
    /// The options of the cluster.
    pub const OPTIONS: [&str; 6] = [
        "voters",
        "read_lease",
        "election_timeout",
        "heartbeat_interval",
        "snapshot_after",
        "max_log_bytes",
    ];

    /// The option of that name.
    pub(super) fn option(name: &str) -> Option<&'static str> {
        Self::OPTIONS.into_iter().find(|option| *option == name)
    }

    /// Reads the value that the store `label` gives to `option`. Stores that both give one give the same.
    pub(super) fn read(
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
                    later.setting, later.label, earlier.setting, earlier.label, earlier.line
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

    /// What the file says, in the order of the options' names.
    pub fn settings(&self) -> impl Iterator<Item = ReplicationSetting> {
        self.said.values().map(|said| said.setting)
    }

    /// Puts what the file says into `options`.
    pub fn apply_to(&self, options: &mut ReplicationOptions) {
        for setting in self.settings() {
            setting.apply_to(options);
        }
    }

    /// Where the file says something of `option`: `file:line`.
    pub fn place_of(&self, option: &str) -> Option<String> {
        let said = self.said.get(option)?;
        Some(format!("{}:{}", said.path.display(), said.line))
    }
}
