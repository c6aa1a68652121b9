//! [`RuntimeConfig`]: loading it, and the stores that an application's labels get.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::{RuntimeConfigError, StoreConfig, refused, variables};

/// The label that is there without configuration, as in Spin.
const DEFAULT_LABEL: &str = "default";

/// What a runtime configuration says, and its defaults for what it does not.
#[derive(Clone, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// The key-value stores by label. `default` is always among them.
    pub key_value_stores: BTreeMap<String, StoreConfig>,
    /// Values of variables. `--variable` wins over these, and these win over `SPIN_VARIABLE_<NAME>`.
    pub variables: BTreeMap<String, String>,
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
        let text = std::fs::read_to_string(path).map_err(|source| RuntimeConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::read(Document { path, text: &text }, defaults)
    }

    fn new(path: Option<&Path>, defaults: &StoreConfig) -> Self {
        Self {
            path: path.map(Path::to_owned),
            key_value_stores: BTreeMap::from([(DEFAULT_LABEL.to_owned(), defaults.clone())]),
            variables: BTreeMap::new(),
        }
    }

    pub(super) fn read(
        document: Document<'_>,
        defaults: &StoreConfig,
    ) -> Result<Self, RuntimeConfigError> {
        let mut config = Self::new(Some(document.path), defaults);
        let root = document.parse()?;
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
                        )?;
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
                _ => {
                    let message = match refused::reason(name) {
                        Some(reason) => format!("`{name}` means nothing here: {reason}"),
                        None => format!(
                            "unknown key `{name}`; there are key_value_store and variables_provider"
                        ),
                    };
                    return Err(document.fault(key.span().start, message));
                }
            }
        }
        Ok(config)
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

/// Names the variables; their values may be secrets.
impl fmt::Debug for RuntimeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeConfig")
            .field("path", &self.path)
            .field("key_value_stores", &self.key_value_stores)
            .field("variables", &self.variables.keys())
            .finish()
    }
}

/// `label` as a TOML key: bare if it can be, else quoted.
pub(super) fn toml_key(label: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !label.is_empty() && label.chars().all(bare) {
        label.to_owned()
    } else {
        toml::Value::String(label.to_owned()).to_string()
    }
}
