//! What can be wrong with a runtime configuration, in words for the person who wrote it.

use std::path::PathBuf;

/// Why a runtime configuration cannot be used. The text names the file, the line and what to do; it never shows the value
/// of a variable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeConfigError {
    /// The file cannot be read.
    #[error("cannot read the runtime configuration {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file says something that is wrong or not supported here.
    #[error("{}:{line}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line of the fault, from 1.
        line: usize,
        /// What is wrong and what to do about it.
        message: String,
    },
    /// A component opens a key-value store that nothing configures.
    #[error(
        "component {component:?} uses the key-value store {label:?}, which {missing}. Add to {where_to}:\n\n\
         [key_value_store.{}]\ntype = {:?}\n",
        toml_key(label),
        kind
    )]
    UnknownStore {
        /// The component.
        component: String,
        /// The label that it has in `key_value_stores`.
        label: String,
        /// That the file does not have it, or that there is no file.
        missing: String,
        /// The file to add it to.
        where_to: String,
        /// The `type` of the other stores, since local and replicated stores do not go together.
        kind: &'static str,
    },
}

/// `label` as a TOML key: bare if it can be, else quoted.
fn toml_key(label: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !label.is_empty() && label.chars().all(bare) {
        label.to_owned()
    } else {
        toml::Value::String(label.to_owned()).to_string()
    }
}
