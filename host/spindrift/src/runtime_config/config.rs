//! [`RuntimeConfig`]: loading it, and the stores that an application's labels get.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use spindrift_values::ByteSize;

use super::document::Document;
use super::{ReplicationConfig, RuntimeConfigError, StoreConfig, StoreKind, settings, variables};
use crate::cli::instances;

/// The label that is there without configuration, as in Spin.
const DEFAULT_LABEL: &str = "default";

/// What a runtime configuration says, and its defaults for what it does not.
#[derive(Clone, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// The key-value stores by label. `default` is always among them.
    pub key_value_stores: BTreeMap<String, StoreConfig>,
    /// What it says of the cluster that all replicated stores share.
    pub replication: ReplicationConfig,
    /// Values of variables. `--variable` wins over these, and these win over `SPIN_VARIABLE_<NAME>`.
    pub variables: BTreeMap<String, String>,
    /// Memory that an instance may use; a flag or the environment wins over it.
    pub max_instance_memory: Option<ByteSize>,
    /// What it says that Spin heeds and this host does not, for people.
    pub warnings: Vec<String>,
}

impl RuntimeConfig {
    /// Reads the file at `path`, or none. What it says of a store overrides `defaults`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is not TOML, or has something wrong, unknown or not supported in it.
    pub fn load(path: Option<&Path>, defaults: &StoreConfig) -> Result<Self, RuntimeConfigError> {
        let Some(path) = path else {
            return Ok(Self::new(None, defaults));
        };
        let text = std::fs::read_to_string(path).map_err(|reason| RuntimeConfigError::Read {
            path: path.to_owned(),
            reason,
        })?;
        Self::read(Document { path, text: &text }, defaults)
    }

    fn new(path: Option<&Path>, defaults: &StoreConfig) -> Self {
        Self {
            path: path.map(Path::to_owned),
            key_value_stores: BTreeMap::from([(DEFAULT_LABEL.to_owned(), defaults.clone())]),
            replication: ReplicationConfig::default(),
            variables: BTreeMap::new(),
            max_instance_memory: None,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn read(
        document: Document<'_>,
        defaults: &StoreConfig,
    ) -> Result<Self, RuntimeConfigError> {
        let mut config = Self::new(Some(document.path), defaults);
        let root = document.parse()?;
        let mut kinds = Kinds::default();
        for (key, value) in &root {
            let name = key.get_ref().as_ref();
            match name {
                "key_value_store" => {
                    for (label, store) in document.table(name, value)? {
                        let table =
                            document.table(&format!("{name}.{}", label.get_ref()), store)?;
                        let store = StoreConfig::read(
                            document,
                            label.get_ref(),
                            store.span().start,
                            table,
                            defaults,
                            &mut config.replication,
                        )?;
                        let kind_offset = table.get("type").map_or(0, |kind| kind.span().start);
                        kinds.add(label.get_ref(), store.kind, document.line(kind_offset));
                        config
                            .key_value_stores
                            .insert(label.get_ref().to_string(), store);
                    }
                }
                "config_provider" if root.contains_key("variables_provider") => {
                    let message = "`config_provider` is the older name of `variables_provider`; use one of them";
                    return Err(document.fault(key.span().start, message));
                }
                "variables_provider" | "config_provider" => {
                    variables::read(document, name, value, &mut config.variables)?
                }
                "max_instance_memory" => {
                    let memory = document.size(name, value)?;
                    instances::check_memory(memory).map_err(|reason| {
                        document.fault(value.span().start, format!("`{name}`: {reason}"))
                    })?;
                    config.max_instance_memory = Some(memory);
                }
                _ if settings::is_unused(name) => {
                    settings::leave_aside(document, name, value, &mut config.warnings)?;
                }
                _ => {
                    let message = match settings::refused(name) {
                        Some(reason) => format!("`{name}` means nothing here: {reason}"),
                        None => format!(
                            "unknown key `{name}`; there are key_value_store, variables_provider and max_instance_memory"
                        ),
                    };
                    return Err(document.fault(key.span().start, message));
                }
            }
        }
        config.settle_kinds(document, &kinds, defaults.kind)?;
        config.replication.settle(document)?;
        Ok(config)
    }

    /// Refuses local stores beside replicated ones. A transaction may span stores, and it cannot be both: committed by a
    /// majority of nodes and known to one of them only. A default store that the file does not name is what the others are.
    fn settle_kinds(
        &mut self,
        document: Document<'_>,
        kinds: &Kinds,
        default: StoreKind,
    ) -> Result<(), RuntimeConfigError> {
        let advice = "the stores of an application are all local or all replicated";
        match (&kinds.local, &kinds.replicated) {
            (Some(local), Some(replicated)) => {
                let (later, earlier) = if local.line > replicated.line {
                    (local, replicated)
                } else {
                    (replicated, local)
                };
                let message = format!(
                    "[key_value_store.{}] is of type {:?}, and [key_value_store.{}] on line {} is of type {:?}; {advice}",
                    later.label,
                    later.kind.as_str(),
                    earlier.label,
                    earlier.line,
                    earlier.kind.as_str()
                );
                Err(document.fault_on(later.line, message))
            }
            (Some(local), None) if default == StoreKind::Replicated => {
                let message = format!(
                    "[key_value_store.{}] is of type \"local\", and --replicated was given; {advice}",
                    local.label
                );
                Err(document.fault_on(local.line, message))
            }
            (None, Some(_)) => {
                // Those that the file names are replicated already.
                for store in self.key_value_stores.values_mut() {
                    store.kind = StoreKind::Replicated;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the stores are replicated; all of them are then.
    pub fn is_replicated(&self) -> bool {
        self.key_value_stores
            .values()
            .any(|store| store.kind == StoreKind::Replicated)
    }

    /// The stores that an application needs, from the pairs of a component's id and a label in its `key_value_stores`.
    ///
    /// # Errors
    ///
    /// [`RuntimeConfigError::UnknownStore`] for a label that is not configured. Only `default` needs no configuration.
    pub fn stores_for<'a>(
        &self,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<BTreeMap<String, StoreConfig>, RuntimeConfigError> {
        let mut stores = BTreeMap::new();
        for (component, label) in labels {
            let store = self
                .key_value_stores
                .get(label)
                .ok_or_else(|| self.unknown_store(component, label))?;
            stores.insert(label.to_owned(), store.clone());
        }
        Ok(stores)
    }

    fn unknown_store(&self, component: &str, label: &str) -> RuntimeConfigError {
        let (missing, where_to) = match &self.path {
            Some(path) => (
                format!("{} does not configure", path.display()),
                path.display().to_string(),
            ),
            None => (
                "no runtime configuration configures".to_owned(),
                "a file and pass it with --runtime-config-file".to_owned(),
            ),
        };
        RuntimeConfigError::UnknownStore {
            component: component.to_owned(),
            label: label.to_owned(),
            missing,
            where_to,
            kind: if self.is_replicated() {
                StoreKind::Replicated.as_str()
            } else {
                StoreKind::Local.as_str()
            },
        }
    }

    /// The size in bytes of the largest value that any store takes.
    pub fn largest_value(&self) -> usize {
        self.key_value_stores
            .values()
            .map(|store| store.max_value_bytes)
            .max()
            .unwrap_or(0)
    }
}

/// The first store of each kind that the file names.
#[derive(Default)]
struct Kinds {
    local: Option<KindOfStore>,
    replicated: Option<KindOfStore>,
}

/// Where the file says what kind a store is of.
struct KindOfStore {
    label: String,
    kind: StoreKind,
    line: usize,
}

impl Kinds {
    fn add(&mut self, label: &str, kind: StoreKind, line: usize) {
        let first = match kind {
            StoreKind::Local => &mut self.local,
            StoreKind::Replicated => &mut self.replicated,
        };
        first.get_or_insert_with(|| KindOfStore {
            label: label.to_owned(),
            kind,
            line,
        });
    }
}

/// Names the variables; their values may be secrets.
impl fmt::Debug for RuntimeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeConfig")
            .field("path", &self.path)
            .field("key_value_stores", &self.key_value_stores)
            .field("replication", &self.replication)
            .field("variables", &self.variables.keys())
            .field("max_instance_memory", &self.max_instance_memory)
            .field("warnings", &self.warnings)
            .finish()
    }
}
