//! What the parts are told: each part's options, from the flags and the runtime configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use spindrift_app::VariableValues;
use spindrift_gateway::{GatewayLimits, TlsFiles};
use spindrift_memory::Budget;
use spindrift_runtime::{InstanceOptions, RuntimeOptions};
use spindrift_store::{Consistency, StoreLimits, Stores};

use super::memory::Memory;
use super::open_files::OpenFiles;
use crate::cli::UpArgs;
use crate::runtime_config::{ReadConsistency, RuntimeConfig, StoreConfig};

/// Instances that may live beside those that serve a request: a guest may go
/// on after its response.
const SPARE_INSTANCES: usize = 64;

/// The stores, as configured, of a process with so much memory.
pub(super) fn stores(config: &RuntimeConfig, memory: &Memory, budget: Arc<Budget>) -> Stores {
    let stores = config.key_value_stores.iter();
    let stores = stores.map(|(label, store)| {
        let limits = StoreLimits {
            max_key_bytes: store.max_key_bytes,
            max_value_bytes: store.max_value_bytes,
            max_total_bytes: store_bytes(store, memory, config),
        };
        (label.clone(), limits)
    });
    Stores::new(stores.collect()).with_memory(budget)
}

/// What a store may hold in all, in bytes.
pub(super) fn store_bytes(store: &StoreConfig, memory: &Memory, config: &RuntimeConfig) -> u64 {
    let default = || memory.default_total(config.key_value_stores.len());
    store.max_total_bytes.unwrap_or_else(default)
}

/// Threads that serve requests: as asked for, or one for each core.
pub(super) fn workers(args: &UpArgs) -> NonZeroUsize {
    args.instances
        .workers
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// The certificate and its key, if HTTPS was asked for.
pub(super) fn tls_files(args: &UpArgs) -> Option<TlsFiles> {
    args.listen.tls().map(|(cert, key)| TlsFiles {
        cert: cert.clone(),
        key: key.clone(),
    })
}

/// Reads may be stale only where every store allows it: a request may read
/// from several.
pub(super) fn consistency(config: &RuntimeConfig) -> Consistency {
    let mut stores = config.key_value_stores.values();
    if stores.all(|store| store.read_consistency == ReadConsistency::Stale) {
        Consistency::Stale
    } else {
        Consistency::Linearizable
    }
}

/// `--variable` first, then the runtime configuration, then the environment.
pub(super) fn variable_values(args: &UpArgs, config: &RuntimeConfig) -> Result<VariableValues> {
    let configured = config.variables.iter().map(|(name, value)| {
        (
            format!("SPIN_VARIABLE_{}", name.to_uppercase()),
            value.clone(),
        )
    });
    // What is not UTF-8 cannot be the value of a variable.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(VariableValues::new(
        &args.variables,
        environment.chain(configured),
    )?)
}

/// How components are compiled, and how their instances live.
pub(super) fn runtime_options(
    args: &UpArgs,
    config: &RuntimeConfig,
    cache_dir: Option<PathBuf>,
) -> RuntimeOptions {
    let instances = args.limits.max_concurrent_requests + SPARE_INSTANCES;
    RuntimeOptions {
        max_instances: u32::try_from(instances).unwrap_or(u32::MAX),
        instances: InstanceOptions {
            max_reuse_count: args.instances.max_instance_reuse_count,
            idle_timeout: args.instances.idle_instance_timeout,
            max_memory_bytes: args.instances.memory(config.max_instance_memory).as_usize(),
        },
        cache_dir,
        compiled_dir: args.compiled_dir.clone(),
        environment: args.env.clone(),
        guest_log_rate: args.log_limits.guest_log_rate,
    }
}

/// What clients may do, in a process that may open so many files.
pub(super) fn gateway_limits(
    args: &UpArgs,
    config: &RuntimeConfig,
    memory: Arc<Budget>,
    files: OpenFiles,
) -> GatewayLimits {
    let limits = &args.limits;
    GatewayLimits {
        bodies: limits.bodies(config.largest_value()),
        answer_rate: limits.answer_rate(),
        memory,
        max_concurrent_requests: limits.max_concurrent_requests,
        queue_timeout: limits.queue_timeout,
        max_connections: files.connections(limits.max_connections),
        max_refusals: files.share(),
        header_timeout: limits.header_timeout,
        keep_alive_timeout: limits.keep_alive_timeout,
        request_timeout: args.instances.request_timeout,
        http1_max_buf_size: limits.http1_max_buf_size.map(|size| size.as_usize()),
    }
}
