//! A handler: a compiled component with its idle instances, ready to run
//! requests.

use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;
use tokio_util::task::TaskTracker;
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, UpdateDeadline};
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtxBuilder};
use wasmtime_wasi_http::handler::{Proxy, ProxyPre};
use wasmtime_wasi_http::{WasiHttpCtx, p2, p3};

use super::guest_output::GuestOutput;
use super::host_state::{Grants, HostState};
use super::memory_limit::MemoryLimit;
use super::outbound::Outbound;
use super::pool::InstancePool;
use super::{InstanceOptions, RuntimeError};
use crate::app::AllowedHosts;
use crate::logging::Stream;

/// A component instance and what belongs to it.
pub struct Instance {
    pub store: Store<HostState>,
    pub proxy: Arc<Proxy>,
    /// Requests that it may still serve, the one under way included.
    pub uses_left: usize,
    /// When it last became idle.
    pub idle_since: Instant,
}

/// A component's folder as its guests see it, mounted read-only at `/`.
pub struct StagedFiles(pub TempDir);

/// What a component is granted, beside what [`Grants`] says.
pub struct Environment {
    pub variables: Vec<(String, String)>,
    pub allowed_hosts: Arc<AllowedHosts>,
    pub files: Option<StagedFiles>,
}

/// A component that serves requests.
pub struct Handler {
    pre: ProxyPre<HostState>,
    engine: Engine,
    grants: Arc<Grants>,
    environment: Environment,
    options: InstanceOptions,
    /// Instances of a WASI 0.2 handler are written for one request.
    reusable: bool,
    pub(super) idle: InstancePool,
    tasks: TaskTracker,
}

impl Handler {
    /// Links a compiled component.
    ///
    /// # Errors
    ///
    /// Fails if the component imports what the host does not offer, naming it,
    /// or if it exports no HTTP handler.
    pub fn new(
        linker: &Linker<HostState>,
        component: &wasmtime::component::Component,
        grants: Grants,
        environment: Environment,
        options: InstanceOptions,
        tasks: TaskTracker,
    ) -> Result<Self, RuntimeError> {
        let id = grants.component.clone();
        let pre = linker
            .instantiate_pre(component)
            .map_err(|source| RuntimeError::Link {
                component: id.to_string(),
                source,
            })?;
        let pre = proxy_pre(pre).ok_or_else(|| RuntimeError::NoHandler {
            component: id.to_string(),
        })?;
        Ok(Handler {
            reusable: matches!(pre, ProxyPre::P3(_)),
            pre,
            engine: linker.engine().clone(),
            grants: Arc::new(grants),
            environment,
            options,
            idle: InstancePool::default(),
            tasks,
        })
    }

    /// The component's id in the manifest.
    pub fn component(&self) -> &Arc<str> {
        &self.grants.component
    }

    /// Where guests go on after their response head.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// An idle instance, or a new one.
    ///
    /// # Errors
    ///
    /// Fails if there is no room for one more, or if the component's own
    /// initialisation traps.
    pub async fn acquire(&self) -> wasmtime::Result<Instance> {
        if let Some(instance) = self.idle.take() {
            return Ok(instance);
        }
        match self.instantiate().await {
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                self.idle.take_from_any().ok_or(error)
            }
            instance => instance,
        }
    }

    /// Takes an instance back that has nothing left to do.
    pub fn release(&self, mut instance: Instance) {
        instance.uses_left = instance.uses_left.saturating_sub(1);
        if instance.uses_left == 0 {
            return;
        }
        let state = instance.store.data_mut();
        state.request = None;
        state.response = None;
        self.idle.put(instance);
    }

    async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let mut store = Store::new(&self.engine, self.host_state()?);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        // An interrupted guest lets the thread's other tasks run, and the
        // thread look at its sockets: that is what Tokio's way of yielding
        // does beyond waking the task again. Whether the guest has had its
        // time, the request's timer decides.
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            ))
        });
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Arc::new(proxy),
            uses_left: if self.reusable {
                self.options.max_reuse_count.sample(&mut rand::rng()).max(1)
            } else {
                1
            },
            idle_since: Instant::now(),
        })
    }

    fn host_state(&self) -> wasmtime::Result<HostState> {
        let id = &self.grants.component;
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(GuestOutput::new(id.clone(), Stream::Stdout))
            .stderr(GuestOutput::new(id.clone(), Stream::Stderr))
            .envs(&self.environment.variables);
        let outbound = Outbound::new(id.clone(), self.environment.allowed_hosts.clone());
        outbound.allow_sockets(&mut wasi);
        if let Some(StagedFiles(dir)) = &self.environment.files {
            wasi.preopened_dir(dir.path(), "/", FsPerms::ReadOnly)?;
        }
        Ok(HostState {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound,
            memory: MemoryLimit::new(self.options.max_memory_bytes),
            grants: self.grants.clone(),
            request: None,
            open_stores: 0,
            response: None,
        })
    }
}

/// Finds which version of `wasi:http`'s handler the component exports.
fn proxy_pre(pre: InstancePre<HostState>) -> Option<ProxyPre<HostState>> {
    if let Ok(pre) = p3::bindings::ServicePre::new(pre.clone()) {
        return Some(ProxyPre::P3(pre));
    }
    p2::bindings::ProxyPre::new(pre).ok().map(ProxyPre::P2)
}
