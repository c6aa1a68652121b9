//! [`Runtime`]: an application's components, compiled, linked and ready.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiled::{self, CompiledComponents};
use super::engine::{self, EngineOptions};
use super::handler::{Environment, Handler, Place};
use super::host_state::Grants;
use super::pool::InstancePool;
use super::{RuntimeError, linker};
use crate::app::{self, Application, ResolvedVariables};
use crate::cli::Range;
use crate::logging::GuestLog;
use crate::store::{StoreId, Stores};

/// How often idle instances are looked at.
const SWEEP: Duration = Duration::from_millis(250);

/// How instances live.
#[derive(Clone, Debug)]
pub struct InstanceOptions {
    /// Requests that an instance serves before it is dropped.
    pub max_reuse_count: Range<usize>,
    /// How long an instance waits for its next request before it is dropped.
    pub idle_timeout: Range<Duration>,
    /// The most memory an instance may have, in bytes.
    pub max_memory_bytes: usize,
}

/// What the runtime is built from, beside the application.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// How many instances may live at once.
    pub max_instances: u32,
    /// How they live.
    pub instances: InstanceOptions,
    /// Where compiled components are kept between starts, if anywhere.
    pub cache_dir: Option<PathBuf>,
    /// Where components are that were compiled ahead of time, if anywhere.
    pub compiled_dir: Option<PathBuf>,
    /// Environment variables for every component, beside its own.
    pub environment: Vec<(String, String)>,
    /// Lines that each component may log a second.
    pub guest_log_rate: NonZeroU32,
}

/// The components of an application.
pub struct Runtime {
    handlers: Vec<Arc<Handler>>,
    pools: Arc<[InstancePool]>,
    /// What components see of the disk, copied aside.
    staged_files: Mutex<Vec<TempDir>>,
}

impl Runtime {
    /// Compiles and links every component, in parallel. Guests that go on
    /// after their answer will be in `tasks`.
    ///
    /// # Errors
    ///
    /// See [`RuntimeError`]; the first component that fails is named.
    pub fn new(
        application: &Application,
        variables: &ResolvedVariables,
        stores: &Stores,
        tasks: TaskTracker,
        options: &RuntimeOptions,
    ) -> Result<Self, RuntimeError> {
        let engine = engine::build(&EngineOptions {
            max_instances: options.max_instances,
            max_memory_bytes: options.instances.max_memory_bytes,
            cache_dir: options.cache_dir.clone(),
        })?;
        let linker = linker::build(&engine).map_err(RuntimeError::Engine)?;
        let ahead_of_time = options.compiled_dir.clone();
        let ahead_of_time = ahead_of_time.map(CompiledComponents::new);
        let known_stores: Arc<BTreeMap<String, StoreId>> = Arc::new(
            stores
                .iter()
                .map(|(id, label, _)| (label.to_owned(), id))
                .collect(),
        );

        let staged_files = Mutex::default();
        let pools: Arc<[InstancePool]> = (0..application.components.len())
            .map(|_| InstancePool::default())
            .collect();
        let progress = Progress::start(application.components.len());
        let results: Vec<Result<Handler, RuntimeError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = application
                .components
                .iter()
                .enumerate()
                .map(|(index, component)| {
                    let (engine, linker, known_stores) = (&engine, &linker, known_stores.clone());
                    let (progress, staged_files) = (&progress, &staged_files);
                    let ahead_of_time = ahead_of_time.as_ref();
                    let place = Place {
                        pools: pools.clone(),
                        index,
                        tasks: tasks.clone(),
                        budget: stores.memory().clone(),
                        max_transaction_bytes: stores.max_transaction_bytes(),
                    };
                    scope.spawn(move || {
                        let compiled = compile(engine, component, ahead_of_time)?;
                        let grants = grants(component, variables, index, known_stores)?;
                        let environment =
                            environment(component, variables, index, options, staged_files)?;
                        let instances = options.instances.clone();
                        let handler =
                            Handler::new(linker, &compiled, grants, environment, instances, place)?;
                        progress.ready(&component.id);
                        Ok(handler)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        // The pools have charges on the budget, so it must not keep them.
        let idle = Arc::downgrade(&pools);
        stores.memory().reclaim_with(move || {
            let pools = idle.upgrade();
            pools
                .iter()
                .flat_map(|pools| &**pools)
                .for_each(InstancePool::drop_all);
        });
        let handlers = results
            .into_iter()
            .map(|handler| handler.map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Runtime {
            handlers,
            pools,
            staged_files,
        })
    }

    /// The handler of the component at `index` in the application.
    pub fn handler(&self, index: usize) -> Option<&Arc<Handler>> {
        self.handlers.get(index)
    }

    /// How many instances wait for a request.
    pub fn idle_instances(&self) -> usize {
        self.pools.iter().map(InstancePool::len).sum()
    }

    /// Drops instances that have been idle for too long, for ever.
    pub async fn drop_idle_instances(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.pools.iter().for_each(InstancePool::drop_expired);
        }
    }

    /// Removes the copies of files that components saw. Requests that come
    /// later do not see them any more.
    pub fn remove_staged_files(&self) {
        self.staged_files.lock().clear();
    }
}

/// Says how far the start is, on a line for each component, if it takes long
/// enough for somebody to wonder. From the cache it does not.
struct Progress {
    started: Instant,
    ready: AtomicUsize,
    components: usize,
}

/// A start that takes less needs no explanation.
const WORTH_A_WORD: Duration = Duration::from_millis(200);

impl Progress {
    fn start(components: usize) -> Self {
        Progress {
            started: Instant::now(),
            ready: AtomicUsize::new(0),
            components,
        }
    }

    fn ready(&self, component: &str) {
        let ready = self.ready.fetch_add(1, Ordering::Relaxed) + 1;
        let elapsed = self.started.elapsed();
        let (all, ms) = (self.components, elapsed.as_millis());
        if elapsed >= WORTH_A_WORD {
            tracing::info!("compiled {ready} of {all} components in {ms} ms: {component}");
        } else {
            tracing::debug!("{ready} of {all} components ready in {ms} ms: {component}");
        }
    }
}

/// The component as it was compiled ahead of time, or compiled now.
fn compile(
    engine: &Engine,
    component: &app::Component,
    ahead_of_time: Option<&CompiledComponents>,
) -> Result<Component, RuntimeError> {
    let bytes = compiled::source(component)?;
    if let Some(compiled) = ahead_of_time {
        match compiled.load(engine, &bytes) {
            Ok(component) => return Ok(component),
            Err(reason) if reason.is_missing() => {
                tracing::info!("component '{}' is compiled now: {reason}", component.id);
            }
            Err(reason) => {
                tracing::warn!("component '{}' is compiled now: {reason}", component.id);
            }
        }
    }
    Component::new(engine, bytes).map_err(|source| RuntimeError::Compile {
        component: component.id.clone(),
        path: component.source.clone(),
        source,
    })
}

fn grants(
    component: &app::Component,
    variables: &ResolvedVariables,
    index: usize,
    known_stores: Arc<BTreeMap<String, StoreId>>,
) -> Result<Grants, RuntimeError> {
    let mut stores = BTreeMap::new();
    for label in &component.key_value_stores {
        let id = known_stores
            .get(label)
            .ok_or_else(|| RuntimeError::UnknownStore {
                component: component.id.clone(),
                label: label.clone(),
            })?;
        stores.insert(label.clone(), *id);
    }
    Ok(Grants {
        component: component.id.as_str().into(),
        stores,
        known_stores,
        variables: variables.variables(index).clone(),
    })
}

fn environment(
    component: &app::Component,
    variables: &ResolvedVariables,
    index: usize,
    options: &RuntimeOptions,
    staged_files: &Mutex<Vec<TempDir>>,
) -> Result<Environment, RuntimeError> {
    // What the user says at the start goes before what the manifest says.
    let mut environment: BTreeMap<String, String> = component.environment.clone();
    environment.extend(options.environment.iter().cloned());
    let files = stage_files(component)?;
    let path = files.as_ref().map(|dir| dir.path().to_owned());
    staged_files.lock().extend(files);
    Ok(Environment {
        variables: environment.into_iter().collect(),
        allowed_hosts: Arc::new(variables.allowed_hosts(index).clone()),
        files: path,
        log: Arc::new(GuestLog::new(
            component.id.as_str().into(),
            options.guest_log_rate,
        )),
    })
}

fn stage_files(component: &app::Component) -> Result<Option<TempDir>, RuntimeError> {
    if component.files.is_empty() {
        return Ok(None);
    }
    let failed = |source: anyhow::Error| RuntimeError::Files {
        component: component.id.clone(),
        source,
    };
    let dir = tempfile::Builder::new()
        .prefix("spindrift-")
        .tempdir()
        .map_err(|error| failed(error.into()))?;
    component
        .files
        .stage(dir.path())
        .map_err(|error| failed(error.into()))?;
    Ok(Some(dir))
}
