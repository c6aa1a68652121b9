//! The Wasmtime engine: how components are compiled, how instances are
//! allocated, and the clock that interrupts them.
//!
//! What an instance may import is `linker`'s concern, how long it lives is
//! `pool`'s.

use std::path::PathBuf;
use std::time::Duration;

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use super::RuntimeError;

/// How often a running guest is interrupted to let the thread's other tasks
/// run, and the resolution with which an endless loop is noticed.
const EPOCH_TICK: Duration = Duration::from_millis(5);

/// A core module a component is made of has one memory; a component of today's
/// toolchains has its own module and a few small adapters around it.
const CORE_INSTANCES_PER_COMPONENT: u32 = 20;
const MEMORIES_PER_COMPONENT: u32 = 4;
const TABLES_PER_COMPONENT: u32 = 10;

/// Memory an idle slot keeps for its next instance instead of returning it to
/// the system: resetting this much by hand is cheaper than faulting it in again.
const KEEP_RESIDENT: usize = 256 * 1024;

/// What the engine is built from.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How many instances may live at once.
    pub max_instances: u32,
    /// The largest linear memory of an instance, in bytes.
    pub max_memory_bytes: usize,
    /// Where compiled components are kept between starts; `None` compiles anew
    /// at every start.
    pub cache_dir: Option<PathBuf>,
}

/// Builds the engine and starts the thread that interrupts guests.
///
/// # Errors
///
/// Fails if the cache folder cannot be used, or if the system refuses the
/// address space that the instances' pool reserves.
pub fn build(options: &EngineOptions) -> Result<Engine, RuntimeError> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    config.parallel_compilation(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    if let Some(dir) = &options.cache_dir {
        config.cache(Some(open_cache(dir.clone())?));
    }
    let engine = Engine::new(&config).map_err(RuntimeError::Engine)?;
    start_epoch_ticker(&engine)?;
    Ok(engine)
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let instances = options.max_instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT))
        // A call runs on a stack of its own, and a guest that is waiting for
        // the host may have others.
        .total_stacks(instances.saturating_mul(2))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memory_size(options.max_memory_bytes)
        .max_unused_warm_slots(instances.min(64))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(16 * 1024)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Opens the cache in a folder of its own within `dir`: Wasmtime tidies it up,
/// and deletes whatever it does not know, so it must never be given a folder
/// that holds anything else.
fn open_cache(dir: PathBuf) -> Result<Cache, RuntimeError> {
    let dir = dir.join("compiled-components");
    let mut cache = CacheConfig::new();
    cache.with_directory(&dir);
    Cache::new(cache).map_err(|source| RuntimeError::CacheDir { dir, source })
}

/// Advances the epoch until the engine is gone. A thread rather than a task:
/// it has to interrupt guests even while they hold every worker thread.
fn start_epoch_ticker(engine: &Engine) -> Result<(), RuntimeError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(EPOCH_TICK);
            }
        })
        .map(drop)
        .map_err(RuntimeError::EpochThread)
}
