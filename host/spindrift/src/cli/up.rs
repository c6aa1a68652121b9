//! [`UpArgs`]: the flags of `spindrift up`, which are those of `spin up` where they mean something here, and our own.

use std::path::PathBuf;

use clap::Args;
use spindrift_registry::{PullOptions, Reference, Source};
use spindrift_values::boolean;

use super::{
    InstanceArgs, LimitArgs, ListenArgs, LogArgs, LogLimitArgs, ReplicationArgs, cache, source,
};
use crate::runtime_config::{ReadConsistency, StoreConfig, StoreKind};

/// Everything that `spindrift up` can be told.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// The application: a spin.toml, the folder that has one, or a reference to a registry, such as ghcr.io/acme/store:v1
    /// [default: spin.toml]
    #[arg(short = 'f', long, value_name = "APPLICATION", value_parser = source::parse)]
    pub from: Option<Source>,

    /// As `--from`, for a path
    #[arg(long, alias = "file", value_name = "PATH", hide = true, conflicts_with = "from", value_parser = source::parse_path)]
    pub from_file: Option<PathBuf>,

    /// As `--from`, for a reference to a registry
    #[arg(long, value_name = "REFERENCE", hide = true, conflicts_with_all = ["from", "from_file"], value_parser = Reference::parse)]
    pub from_registry: Option<Reference>,

    /// Speak HTTP without TLS to the registry
    #[arg(short = 'k', long)]
    pub insecure: bool,

    /// Run the components' build commands first
    #[arg(long, env = "SPIN_ALWAYS_BUILD", value_parser = boolean::parse_variable)]
    pub build: bool,

    /// Run only this component and its routes. May be given several times
    #[arg(
        short = 'c',
        long = "component-id",
        value_name = "ID",
        env = "SPIN_COMPONENTS_TO_RETAIN",
        value_delimiter = ','
    )]
    pub component_ids: Vec<String>,

    /// Set an environment variable in all components. May be given several times
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE", value_parser = parse_env)]
    pub env: Vec<(String, String)>,

    /// Set a variable of the application: a value, the text of a file, or all pairs of a JSON or TOML file. May be given
    /// several times. The last one wins, also over `SPIN_VARIABLE_<KEY>` in the environment
    #[arg(long = "variable", value_name = "KEY=VALUE | KEY=@FILE | @FILE.json | @FILE.toml", value_parser = parse_variable)]
    pub variables: Vec<String>,

    /// Runtime configuration in the form of Spin's (TOML): the key-value stores, and the sources of variables
    #[arg(long, value_name = "FILE", env = "RUNTIME_CONFIG_FILE")]
    pub runtime_config_file: Option<PathBuf>,

    /// Folder for compiled components and for downloads, from which later starts take them [default: spindrift in the user's
    /// cache folder]
    #[arg(long, value_name = "FOLDER", env = "SPINDRIFT_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Folder that `spindrift compile` has written. The host takes components from it instead of compiling them. Only root or
    /// this user may own it or write to it. The host compiles a component that it cannot take from there, and the log says
    /// why
    #[arg(long, value_name = "FOLDER", env = "SPINDRIFT_COMPILED_DIR")]
    pub compiled_dir: Option<PathBuf>,

    /// Download neither the application nor a `source`: take them from the cache, or end with an error
    #[arg(long, env = "SPINDRIFT_OFFLINE", value_parser = boolean::parse_variable)]
    pub offline: bool,

    /// Compile and download everything anew at every start, and keep nothing, whatever `--cache-dir` says
    #[arg(long, env = "DISABLE_WASMTIME_CACHE", value_parser = boolean::parse_variable)]
    pub disable_cache: bool,

    /// Address, TLS.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// Instances and their limits.
    #[command(flatten)]
    pub instances: InstanceArgs,

    /// Limits of the server and of stores.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// How fresh reads are: `linearizable`, or `stale` for the data that this node has. A store's own `read_consistency` wins
    #[arg(
        long,
        value_enum,
        value_name = "CONSISTENCY",
        env = "SPINDRIFT_READ_CONSISTENCY",
        default_value_t,
        help_heading = "Replication"
    )]
    pub read_consistency: ReadConsistency,

    /// The cluster, and this node's place in it.
    #[command(flatten)]
    pub replication: ReplicationArgs,

    /// Logs.
    #[command(flatten)]
    pub logs: LogArgs,

    /// How much of them there may be.
    #[command(flatten)]
    pub log_limits: LogLimitArgs,
}

impl UpArgs {
    /// Where the application is.
    pub fn application(&self) -> Source {
        let file = self.from_file.clone().map(Source::Path);
        let registry = self.from_registry.clone().map(Source::Registry);
        let given = self.from.clone().or(file).or(registry);
        given.unwrap_or_else(|| Source::Path("spin.toml".into()))
    }

    /// How an application is pulled from a registry; `cache` is the folder that [`UpArgs::cache`] names.
    pub fn pull_options(&self, cache: Option<PathBuf>) -> PullOptions {
        PullOptions {
            insecure: self.insecure,
            cache_dir: cache,
            offline: self.offline,
        }
    }

    /// The components to keep; empty keeps all of them.
    pub fn components(&self) -> Vec<String> {
        self.component_ids
            .iter()
            .map(|id| id.trim())
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Where compiled components, and what comes over the network, are kept; `None` if they are not. Says so if they could not
    /// be where they would be by default. A folder that is named here is checked by those who use it.
    pub fn cache(&self) -> Option<PathBuf> {
        if self.disable_cache {
            return None;
        }
        self.cache_dir.clone().or_else(cache::usable_default)
    }

    /// What a key-value store is unless the runtime configuration says otherwise.
    pub fn store_defaults(&self) -> StoreConfig {
        StoreConfig {
            kind: if self.replication.replicated {
                StoreKind::Replicated
            } else {
                StoreKind::Local
            },
            max_key_bytes: self.limits.max_key_size.as_usize(),
            max_value_bytes: self.limits.max_value_size.as_usize(),
            max_total_bytes: self.limits.max_total_size.map(|size| size.0),
            read_consistency: self.read_consistency,
        }
    }
}

fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".into()),
    }
}

/// Only the form is checked here; files are read with the application's variables.
fn parse_variable(text: &str) -> Result<String, String> {
    let is_pair = text.split_once('=').is_some_and(|(key, _)| !key.is_empty());
    let is_file = text
        .strip_prefix('@')
        .is_some_and(|file| file.ends_with(".json") || file.ends_with(".toml"));
    if is_pair || is_file {
        Ok(text.to_owned())
    } else {
        Err("write KEY=VALUE, KEY=@FILE, @FILE.json or @FILE.toml".into())
    }
}
