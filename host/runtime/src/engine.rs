//! The Wasmtime engine: how components are compiled, how instances are
//! allocated, and the clock that interrupts them.
//!
//! What an instance may import is `linker`'s concern, how long it lives is
//! `pool`'s.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::time::Duration;

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, ModuleVersionStrategy,
    PoolingAllocationConfig,
};

use super::RuntimeError;
use super::address_space::{MEMORIES_PER_INSTANCE, Places, SMALL_GUARD_BYTES, STACKS_PER_INSTANCE};

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
/// What all idle slots keep together, at most: a slot that was used once keeps
/// its part from then on.
const KEEP_RESIDENT_IN_ALL: usize = 32 * 1024 * 1024;

/// What the engine is built from.
#[derive(Clone, Debug)]
pub(crate) struct EngineOptions {
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
/// address space that the instances' pool reserves, small as it may be.
pub(crate) fn build(options: &EngineOptions) -> Result<Engine, RuntimeError> {
    let places = Places::for_this_process(options.max_instances, options.max_memory_bytes)?;
    let engine = build_with(options, places).or_else(|error| {
        // Not every limit is known before it is met.
        let small = places.small(options.max_memory_bytes);
        let engine = (places != small).then(|| build_with(options, small));
        let engine = engine.and_then(Result::ok).ok_or(error)?;
        tracing::warn!(
            "the system does not give {} bytes of address space, so compiled code checks its addresses",
            places.bytes()
        );
        Ok(engine)
    })?;
    start_epoch_ticker(&engine)?;
    Ok(engine)
}

fn build_with(options: &EngineOptions, places: Places) -> Result<Engine, RuntimeError> {
    let mut config = config()?;
    if let Some(bytes) = places.memory_bytes {
        config.memory_reservation(bytes);
        config.memory_guard_size(SMALL_GUARD_BYTES);
    }
    let pool = pool(places.instances, options.max_memory_bytes);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    if let Some(dir) = &options.cache_dir {
        config.cache(Some(open_cache(dir.clone())?));
    }
    Engine::new(&config).map_err(|reason| RuntimeError::Pool {
        needed_bytes: places.bytes(),
        reason,
    })
}

/// Builds an engine that runs nothing, and compiles what every engine of
/// [`build`] takes on every CPU of this one's architecture: naming the target
/// keeps Wasmtime from using what only this machine's CPU has. It has no pool,
/// which would reserve address space for instances that never live.
///
/// # Errors
///
/// Fails if Wasmtime compiles nothing for this architecture.
pub(crate) fn for_any_cpu() -> Result<Engine, RuntimeError> {
    let mut config = config()?;
    config
        .target(env!("HOST_TARGET"))
        .map_err(RuntimeError::Engine)?;
    Engine::new(&config).map_err(RuntimeError::Engine)
}

/// Builds an engine that runs nothing and keeps nothing, for what components
/// import and export.
///
/// # Errors
///
/// Fails if Wasmtime compiles nothing for this machine.
pub(crate) fn for_interfaces() -> Result<Engine, RuntimeError> {
    Engine::new(&features()).map_err(RuntimeError::Engine)
}

/// What a component may have in it.
fn features() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config
}

/// What compiled code depends on. It is the same whatever the options say, but
/// for memories that reserve less than Wasmtime has them reserve by default.
fn config() -> Result<Config, RuntimeError> {
    let mut config = features();
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    config.parallel_compilation(true);
    // What a call has left on its stack goes back to the system with the
    // instance. The instance itself uses one stack again and again.
    config.async_stack_zeroing(true);
    config
        .module_version(version())
        .map_err(RuntimeError::Engine)?;
    Ok(config)
}

/// What compiled code is marked with. By itself Wasmtime takes code of all
/// versions with its major number, among them those whose compiler had the
/// faults that it has mended since.
fn version() -> ModuleVersionStrategy {
    let mut exact = DefaultHasher::new();
    ModuleVersionStrategy::WasmtimeVersion.hash(&mut exact);
    let (own, exact) = (env!("CARGO_PKG_VERSION"), exact.finish());
    ModuleVersionStrategy::Custom(format!("spindrift {own}, wasmtime {exact:016x}"))
}

fn pool(instances: u32, max_memory_bytes: usize) -> PoolingAllocationConfig {
    let keep_resident = KEEP_RESIDENT_IN_ALL / (instances as usize).max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances.saturating_mul(MEMORIES_PER_INSTANCE))
        .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT))
        .total_stacks(instances.saturating_mul(STACKS_PER_INSTANCE))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memory_size(max_memory_bytes)
        .max_unused_warm_slots(instances.min(64))
        .linear_memory_keep_resident(keep_resident.min(KEEP_RESIDENT))
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
    Cache::new(cache).map_err(|reason| RuntimeError::CacheDir { dir, reason })
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

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// An empty component.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    /// The CPU features that compiled code says it needs, by how Wasmtime
    /// writes them down: the name, that it is true or false, and which.
    fn needed(compiled: &[u8]) -> Vec<String> {
        const TRUE: &[u8] = &[2, 1];
        let mut needed = Vec::new();
        for (at, part) in compiled.windows(4).enumerate() {
            if part == b"has_" {
                let rest = &compiled[at..];
                let end = rest.iter().position(|byte| !byte.is_ascii_graphic());
                let (name, value) = rest.split_at(end.expect("an end"));
                if value.starts_with(TRUE) {
                    needed.push(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        needed
    }

    #[test]
    fn what_is_compiled_for_any_cpu_needs_no_features_of_this_one() {
        let compile = |engine: Engine| engine.precompile_component(COMPONENT).expect("code");
        let for_this = build(&EngineOptions {
            max_instances: 1,
            max_memory_bytes: 1 << 20,
            cache_dir: None,
        });
        let for_this = needed(&compile(for_this.expect("an engine")));
        assert!(for_this.contains(&"has_sse3".to_owned()), "{for_this:?}");
        let for_any = needed(&compile(for_any_cpu().expect("an engine")));
        assert_eq!(for_any, [""; 0]);
    }
}
