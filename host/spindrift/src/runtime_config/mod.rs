//! The runtime configuration: what stands behind the labels of key-value stores, and where variables come from, in the form
//! of Spin's `runtime-config.toml`.
//!
//! ```toml
//! [key_value_store.default]
//! type = "local"                      # the store in this process's memory
//! max_key_size = "1KiB"               # each of these may be left out;
//! max_value_size = "1MiB"             # the command line's limits hold then
//! max_total_size = "1GiB"
//! read_consistency = "linearizable"   # or "stale"
//!
//! [[variables_provider]]
//! type = "static"
//! values = { greeting = "hello" }
//! ```
//!
//! The stores may instead all be of type `"replicated"`: the memory of every node of a cluster. They share the cluster, so
//! what one of them says of it (`voters`, `read_lease`, …) holds for all.
//!
//! Whatever is unknown is refused by name, with its line, and so is what components would miss. Other settings of Spin's
//! are named in warnings. This module opens no store.
//!
//! | file | subject |
//! | --- | --- |
//! | `config` | [`RuntimeConfig`]: loading it, and the stores that an application's labels get |
//! | `store` | [`StoreConfig`]: one `[key_value_store.<label>]` |
//! | `replication` | [`ReplicationConfig`]: what the replicated stores share |
//! | `variables` | `[[variables_provider]]` |
//! | `settings` | other settings of Spin's, which mean nothing here |
//! | `keys` | the keys of all of these, and the form of each value |
//! | `document` | a TOML document whose parts know their lines |
//! | `error` | [`RuntimeConfigError`] |

mod config;
mod document;
mod error;
pub(crate) mod keys;
mod replication;
pub(crate) mod settings;
mod store;
#[cfg(test)]
mod tests;
mod variables;

pub use config::RuntimeConfig;
pub use error::RuntimeConfigError;
pub use replication::ReplicationConfig;
pub use store::{ReadConsistency, StoreConfig, StoreKind};
