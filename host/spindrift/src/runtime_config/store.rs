//! [`StoreConfig`]: one `[key_value_store.<label>]`.

use toml::de::DeTable;

use super::document::{Document, Value};
use super::{ReplicationConfig, RuntimeConfigError, keys};

/// What holds a store's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreKind {
    /// `type = "local"`: the memory of this process.
    Local,
    /// `type = "replicated"`: the memory of every node of a cluster.
    Replicated,
}

impl StoreKind {
    /// The `type` that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Replicated => "replicated",
        }
    }
}

/// How fresh reads are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReadConsistency {
    /// `"linearizable"`: a read sees every write that was answered before it began.
    #[default]
    Linearizable,
    /// `"stale"`: a read sees what this node has.
    Stale,
}

/// What a key-value store is and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// What holds the data.
    pub kind: StoreKind,
    /// Longest key in bytes.
    pub max_key_bytes: usize,
    /// Largest value in bytes.
    pub max_value_bytes: usize,
    /// Largest total of keys and values in bytes; as much as there is memory for where it is not said.
    pub max_total_bytes: Option<u64>,
    /// How fresh reads are unless a request says otherwise.
    pub read_consistency: ReadConsistency,
}

impl StoreConfig {
    /// Reads the table of `label`. What it leaves out is as in `defaults`. What it says of the whole cluster goes to
    /// `replication`.
    pub(crate) fn read(
        document: Document<'_>,
        label: &str,
        offset: usize,
        table: &DeTable<'_>,
        defaults: &Self,
        replication: &mut ReplicationConfig,
    ) -> Result<Self, RuntimeConfigError> {
        let Some(kind) = table.get("type") else {
            return Err(document.fault(
                offset,
                format!("[key_value_store.{label}] has no `type`; write type = \"local\" or \"replicated\""),
            ));
        };
        let mut store = Self {
            kind: kind_of(document, kind)?,
            ..defaults.clone()
        };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "type" => {}
                name @ "max_key_size" => {
                    store.max_key_bytes = document.size(name, value)?.as_usize()
                }
                name @ "max_value_size" => {
                    store.max_value_bytes = document.size(name, value)?.as_usize()
                }
                name @ "max_total_size" => {
                    store.max_total_bytes = Some(document.size(name, value)?.0)
                }
                name @ "read_consistency" => {
                    store.read_consistency = read_consistency(document, name, value)?
                }
                name => match (ReplicationConfig::option(name), store.kind) {
                    (Some(option), StoreKind::Replicated) => {
                        replication.read(document, label, option, value)?
                    }
                    (Some(option), kind) => {
                        let message = format!(
                            "`{option}` is for a store of type \"replicated\", and [key_value_store.{label}] is of type {:?}; \
                             remove one or change the other",
                            kind.as_str()
                        );
                        return Err(document.fault(key.span().start, message));
                    }
                    (None, kind) => {
                        let message = unknown_key(name, label, kind);
                        return Err(document.fault(key.span().start, message));
                    }
                },
            }
        }
        Ok(store)
    }
}

fn unknown_key(name: &str, label: &str, kind: StoreKind) -> String {
    // Every store has a type, so nobody who asks for another key looks for that.
    let mut known: Vec<_> = keys::STORE[1..].iter().map(|key| key.name).collect();
    if kind == StoreKind::Replicated {
        known.extend(keys::CLUSTER.iter().map(|key| key.name));
    }
    let last = known.pop().unwrap_or_default();
    format!(
        "unknown key `{name}` in [key_value_store.{label}]; a store of type {:?} has {} and {last}",
        kind.as_str(),
        known.join(", ")
    )
}

fn kind_of(document: Document<'_>, value: &Value<'_>) -> Result<StoreKind, RuntimeConfigError> {
    let refuse = |message: String| Err(document.fault(value.span().start, message));
    match document.string("type", value)? {
        "local" => Ok(StoreKind::Local),
        "replicated" => Ok(StoreKind::Replicated),
        "spin" => refuse(
            "key-value stores of type \"spin\" (a SQLite file) are not supported; use type = \"local\", which keeps the data \
             in this process's memory, or \"replicated\", which keeps it in the memory of every node"
                .into(),
        ),
        known @ ("redis" | "azure_cosmos" | "aws_dynamo") => {
            refuse(format!("key-value stores of type {known:?} are not supported; use type = \"local\" or \"replicated\""))
        }
        other => refuse(format!("unknown type {other:?} of key-value store; use type = \"local\" or \"replicated\"")),
    }
}

fn read_consistency(
    document: Document<'_>,
    name: &str,
    value: &Value<'_>,
) -> Result<ReadConsistency, RuntimeConfigError> {
    match document.string(name, value)? {
        "linearizable" => Ok(ReadConsistency::Linearizable),
        "stale" => Ok(ReadConsistency::Stale),
        other => {
            let message = format!("`{name}` is \"linearizable\" or \"stale\", not {other:?}");
            Err(document.fault(value.span().start, message))
        }
    }
}
