//! [`StoreConfig`]: one `[key_value_store.<label>]`.

use toml::de::DeTable;

use super::RuntimeConfigError;
use super::document::{Document, Value};

/// What holds a store's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreKind {
    /// `type = "local"`: the memory of this process.
    Local,
}

impl StoreKind {
    /// The `type` that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
        }
    }
}

/// How fresh reads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadConsistency {
    /// `"linearizable"`: a read sees every write that was answered before it began.
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
    /// Largest total of keys and values in bytes.
    pub max_total_bytes: u64,
    /// How fresh reads are unless a request says otherwise.
    pub read_consistency: ReadConsistency,
}

impl StoreConfig {
    /// Reads the table of `label`. What it leaves out is as in `defaults`.
    pub(super) fn read(
        document: Document<'_>,
        label: &str,
        offset: usize,
        table: &DeTable<'_>,
        defaults: &Self,
    ) -> Result<Self, RuntimeConfigError> {
        let Some(kind) = table.get("type") else {
            return Err(document.fault(
                offset,
                format!("[key_value_store.{label}] has no `type`; write type = \"local\""),
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
                name @ "max_total_size" => store.max_total_bytes = document.size(name, value)?.0,
                name @ "read_consistency" => {
                    store.read_consistency = read_consistency(document, name, value)?
                }
                unknown => {
                    let message = format!(
                        "unknown key `{unknown}` in [key_value_store.{label}]; a store of type \"local\" has max_key_size, \
                         max_value_size, max_total_size and read_consistency"
                    );
                    return Err(document.fault(key.span().start, message));
                }
            }
        }
        Ok(store)
    }
}

fn kind_of(document: Document<'_>, value: &Value<'_>) -> Result<StoreKind, RuntimeConfigError> {
    let refuse = |message: String| Err(document.fault(value.span().start, message));
    match document.string("type", value)? {
        "local" => Ok(StoreKind::Local),
        "spin" => refuse(
            "key-value stores of type \"spin\" (a SQLite file) are not supported; use type = \"local\", which keeps the data \
             in memory"
                .into(),
        ),
        known @ ("replicated" | "redis" | "azure_cosmos" | "aws_dynamo") => {
            refuse(format!("key-value stores of type {known:?} are not supported in this version; use type = \"local\""))
        }
        other => refuse(format!("unknown type {other:?} of key-value store; use type = \"local\"")),
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
