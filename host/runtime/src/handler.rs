//! A handler: a compiled component with its idle instances, ready to run
//! requests.

mod run;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use spindrift_app::AllowedHosts;
use spindrift_memory::Budget;
use spindrift_net::event_loop::ring_now;
use tokio_util::task::TaskTracker;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, UpdateDeadline};
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtxBuilder};
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{WasiHttpCtx, p2, p3};

use super::guest_output::GuestOutput;
use super::host_objects;
use super::host_state::{Grants, HostState};
use super::instance::{Instance, InstanceOptions, MAX_KEPT};
use super::memory_limit::MemoryLimit;
use super::outbound::Outbound;
use super::pool::InstancePool;
use super::self_requests::HandlerCell;
use super::{RuntimeError, unsupported_imports};
use crate::guest_log::{GuestLog, Stream};

/// What a guest may hand to the host in one call beside what a transaction may hold, in bytes: keys, labels, headers.
const CALL_SLACK_BYTES: usize = 64 << 10;

/// What a component is granted, beside what [`Grants`] says.
pub struct Environment {
    pub variables: Vec<(String, String)>,
    pub allowed_hosts: Arc<AllowedHosts>,
    /// A folder that its guests see, read-only, as `/`.
    pub files: Option<PathBuf>,
    /// Where what they print goes.
    pub log: Arc<GuestLog>,
}

/// What a handler shares with the other handlers of its application.
pub struct HandlerContext {
    /// The idle instances of all components.
    pub pools: Arc<[InstancePool]>,
    /// Which of them are this one's.
    pub index: usize,
    /// Where guests go on after their response head.
    pub tasks: TaskTracker,
    /// The memory that all of them may take.
    pub budget: Arc<Budget>,
    /// What one request may read and write in the stores, in bytes.
    pub max_transaction_bytes: usize,
    /// What answers requests of the application to itself.
    pub self_handler: HandlerCell,
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
    /// The idle instances of all components, and this one's context there.
    pools: Arc<[InstancePool]>,
    index: usize,
    tasks: TaskTracker,
    budget: Arc<Budget>,
    self_handler: HandlerCell,
    /// What a guest may hand to the host in one call, in bytes.
    max_call_bytes: usize,
    /// Whether its last run read from a store.
    reads: AtomicBool,
}

impl Handler {
    /// Whether a run is likely to read from a store: the last one did.
    pub fn is_likely_to_read(&self) -> bool {
        self.reads.load(Ordering::Relaxed)
    }

    /// Takes in whether a run has read from a store.
    pub fn note_reads(&self, reads: bool) {
        // Handlers hardly ever change their ways, and all threads share this.
        if self.is_likely_to_read() != reads {
            self.reads.store(reads, Ordering::Relaxed);
        }
    }

    /// Links a compiled component.
    ///
    /// # Errors
    ///
    /// Fails if the component imports what neither the host nor Spin offers, naming
    /// it, or if it exports no HTTP handler that the host calls.
    pub fn new(
        linker: &Linker<HostState>,
        component: &Component,
        grants: Grants,
        environment: Environment,
        options: InstanceOptions,
        context: HandlerContext,
    ) -> Result<Self, RuntimeError> {
        let id = grants.component.clone();
        let (pre, unsupported) =
            unsupported_imports::link(linker, component).map_err(|reason| RuntimeError::Link {
                component: id.to_string(),
                reason,
            })?;
        let pre = proxy_pre(pre).ok_or_else(|| no_handler(&id, component))?;
        if !unsupported.is_empty() {
            tracing::info!(
                "component '{id}' imports interfaces that this host does not offer; it starts, and a call to them fails: {}",
                unsupported.join(", ")
            );
        }
        Ok(Handler {
            reusable: matches!(pre, ProxyPre::P3(_)),
            pre,
            engine: linker.engine().clone(),
            grants: Arc::new(grants),
            environment,
            options,
            pools: context.pools,
            index: context.index,
            tasks: context.tasks,
            budget: context.budget,
            self_handler: context.self_handler,
            max_call_bytes: context.max_transaction_bytes + CALL_SLACK_BYTES,
            reads: AtomicBool::new(false),
        })
    }

    /// The component's id in the manifest.
    pub fn component(&self) -> &Arc<str> {
        &self.grants.component
    }

    /// Whether the component is allowed by name to call its own application.
    pub(crate) fn may_call_itself(&self) -> bool {
        self.environment.allowed_hosts.names_itself()
    }

    /// Where guests go on after their response head.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// An idle instance, or a new one.
    ///
    /// # Errors
    ///
    /// Fails if there is no room for one more, or if the component's own
    /// initialisation traps.
    pub async fn acquire(&self) -> wasmtime::Result<Instance> {
        if let Some(mut instance) = self.idle().take() {
            // The first tick may be due; it is no reason to interrupt.
            instance.store.set_epoch_deadline(2);
            return Ok(instance);
        }
        match self.instantiate().await {
            // The idle instances of other components may be what fills it.
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                self.pools.iter().for_each(InstancePool::drop_all);
                self.instantiate().await
            }
            instance => instance,
        }
    }

    /// Takes an instance back that has nothing left to do. One whose guest
    /// keeps so much that a later request might fail over it is dropped.
    pub(crate) fn release(&self, mut instance: Instance) {
        instance.uses_left = instance.uses_left.saturating_sub(1);
        if instance.uses_left == 0 || instance.keeps_too_much() {
            return;
        }
        // Others may need the memory soon, and have to wait for nobody then.
        if instance.is_large() && self.budget.used_bytes() > self.budget.limit_bytes() / 2 {
            return;
        }
        let state = instance.store.data_mut();
        state.request = None;
        state.outbound.end_request();
        state.response = None;
        state.memory.forget_refusal();
        self.idle().put(instance);
    }

    /// This component's idle instances.
    fn idle(&self) -> &InstancePool {
        &self.pools[self.index]
    }

    async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let mut store = Store::new(&self.engine, self.host_state()?);
        store.limiter(|state| &mut state.memory);
        // What the guest keeps comes on top of what a request may have.
        store.set_max_component_handles(store.max_component_handles() + 2 * MAX_KEPT);
        // The host copies what a guest hands to it before it looks at it.
        store.set_hostcall_fuel(self.max_call_bytes);
        store.set_epoch_deadline(1);
        // An interrupted guest lets the thread's other tasks run, and the
        // thread look at its sockets: that is what Tokio's way of yielding
        // does beyond waking the task again. Whether the guest has had its
        // time, the request's timer decides.
        store.epoch_deadline_callback(|store| {
            host_objects::charge(store)?;
            // The next task that is ready may be another such guest.
            ring_now();
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
            idle_timeout: self.options.idle_timeout.sample(&mut rand::rng()),
        })
    }

    fn host_state(&self) -> wasmtime::Result<HostState> {
        let id = &self.grants.component;
        let log = &self.environment.log;
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(GuestOutput::new(log.clone(), Stream::Stdout))
            .stderr(GuestOutput::new(log.clone(), Stream::Stderr))
            .envs(&self.environment.variables);
        let outbound = Outbound::new(
            id.clone(),
            self.environment.allowed_hosts.clone(),
            self.budget.clone(),
            self.self_handler.clone(),
        );
        outbound.allow_sockets(&mut wasi);
        if let Some(files) = &self.environment.files {
            wasi.preopened_dir(files, "/", FsPerms::ReadOnly)?;
        }
        Ok(HostState {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound,
            memory: MemoryLimit::new(self.options.max_memory_bytes, &self.budget)?,
            grants: self.grants.clone(),
            request: None,
            run: 0,
            open_stores: 0,
            kept_stores: 0,
            swap_bytes: 0,
            response: None,
        })
    }
}

/// Why a component is no handler of a version that the host calls.
fn no_handler(id: &str, component: &Component) -> RuntimeError {
    let ty = component.component_type();
    let mut exports = ty.exports(component.engine());
    let handler = exports.find(|(name, _)| {
        let (interface, _) = name.split_once('@').unwrap_or((name, ""));
        matches!(
            interface,
            "wasi:http/handler" | "wasi:http/incoming-handler"
        )
    });
    let component = id.to_owned();
    match handler {
        Some((export, _)) => RuntimeError::HandlerVersion {
            component,
            export: export.to_owned(),
        },
        None => RuntimeError::NoHandler { component },
    }
}

/// Finds which version of `wasi:http`'s handler the component exports.
fn proxy_pre(pre: InstancePre<HostState>) -> Option<ProxyPre<HostState>> {
    if let Ok(pre) = p3::bindings::ServicePre::new(pre.clone()) {
        return Some(ProxyPre::P3(pre));
    }
    p2::bindings::ProxyPre::new(pre).ok().map(ProxyPre::P2)
}
