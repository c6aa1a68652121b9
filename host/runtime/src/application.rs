//! [`Runtime`]: an application's components, compiled, linked and ready.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use spindrift_app::{Application, ResolvedVariables};
use spindrift_store::{StoreId, Stores};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::compiled::CompiledComponents;
use super::compiling::compile;
use super::engine::{self, EngineOptions};
use super::handler::{Environment, Handler, HandlerContext};
use super::host_state::Grants;
use super::instance::InstanceOptions;
use super::pool::InstancePool;
use super::self_requests::{HandlerCell, SelfRequestHandler};
use super::{RuntimeError, linker};
use crate::guest_log::GuestLog;

/// How often idle instances are looked at.
const SWEEP: Duration = Duration::from_millis(250);

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
    self_handler: HandlerCell,
    /// What components see of the disk, copied aside.
    staged_files: Mutex<Vec<TempDir>>,
}

impl Runtime {
    /// Compiles and links every component, and tells how far that is, as a
    /// clause. Guests that go on after their answer will be in `tasks`.
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
        tell: &(dyn Fn(String) + Sync),
    ) -> Result<Self, RuntimeError> {
        let engine = engine::build(&EngineOptions {
            max_instances: options.max_instances,
            max_memory_bytes: options.instances.max_memory_bytes,
            cache_dir: options.cache_dir.clone(),
        })?;
        let linker = linker::build(&engine).map_err(RuntimeError::Engine)?;
        let ahead_of_time = options.compiled_dir.clone();
        let ahead_of_time = ahead_of_time.map(CompiledComponents::new);
        let compiled = compile(&engine, application, ahead_of_time.as_ref(), tell)?;
        let known_stores: BTreeMap<&str, StoreId> =
            stores.iter().map(|(id, label, _)| (label, id)).collect();

        let self_handler = HandlerCell::default();
        let staged_files = Mutex::default();
        let pools: Arc<[InstancePool]> = (0..application.components.len())
            .map(|_| InstancePool::default())
            .collect();
        let handlers = application.components.iter().zip(&compiled).enumerate();
        let handlers = handlers.map(|(index, (component, compiled))| {
            let place = HandlerContext {
                pools: pools.clone(),
                index,
                tasks: tasks.clone(),
                budget: stores.memory().clone(),
                max_transaction_bytes: stores.max_transaction_bytes(),
                self_handler: self_handler.clone(),
            };
            let grants = grants(component, variables, index, &known_stores)?;
            let environment = environment(component, variables, index, options, &staged_files)?;
            let instances = options.instances.clone();
            let handler = Handler::new(&linker, compiled, grants, environment, instances, place);
            let handler = handler.map_err(|error| error.at(&application.place_of(component)))?;
            Ok(Arc::new(handler))
        });
        let handlers = handlers.collect::<Result<Vec<_>, RuntimeError>>()?;
        // The pools have charges on the budget, so it must not keep them.
        let idle = Arc::downgrade(&pools);
        stores.memory().reclaim_with(move || {
            let pools = idle.upgrade();
            pools
                .iter()
                .flat_map(|pools| &**pools)
                .for_each(InstancePool::drop_all);
        });
        Ok(Runtime {
            handlers,
            pools,
            self_handler,
            staged_files,
        })
    }

    /// The handler of the component at `index` in the application.
    pub fn handler(&self, index: usize) -> Option<&Arc<Handler>> {
        self.handlers.get(index)
    }

    /// Has `answers` answer what components ask of their own application, from now on. The first one stays. Until there is one,
    /// such requests fail.
    pub fn answer_self_requests(&self, answers: Weak<dyn SelfRequestHandler>) {
        self.self_handler.set(answers);
    }

    /// Whether a component is allowed by name to call its own application.
    pub fn may_call_itself(&self) -> bool {
        self.handlers
            .iter()
            .any(|handler| handler.may_call_itself())
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

fn grants(
    component: &spindrift_app::Component,
    variables: &ResolvedVariables,
    index: usize,
    known_stores: &BTreeMap<&str, StoreId>,
) -> Result<Grants, RuntimeError> {
    let mut stores = BTreeMap::new();
    for label in &component.key_value_stores {
        let id = known_stores
            .get(label.as_str())
            .ok_or_else(|| RuntimeError::UnknownStore {
                component: component.id.clone(),
                label: label.clone(),
            })?;
        stores.insert(label.clone(), *id);
    }
    Ok(Grants {
        component: component.id.as_str().into(),
        stores,
        variables: variables.variables(index).clone(),
    })
}

fn environment(
    component: &spindrift_app::Component,
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

fn stage_files(component: &spindrift_app::Component) -> Result<Option<TempDir>, RuntimeError> {
    if component.files.is_empty() {
        return Ok(None);
    }
    let failed = |reason: anyhow::Error| RuntimeError::Files {
        component: component.id.clone(),
        reason,
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
