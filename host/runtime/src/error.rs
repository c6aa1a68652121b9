//! What can go wrong with components, at the start and in a request.

use std::path::PathBuf;
use std::time::Duration;

use spindrift_app::NotComponentized;
use spindrift_memory::Spent;
use thiserror::Error;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use super::host_state::HostState;

/// Why the application could not be made ready to run.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// Wasmtime could not be set up.
    #[error("the WebAssembly engine could not be started: {0:#}")]
    Engine(wasmtime::Error),
    /// The address space is too small for an instance.
    #[error(
        "this process may have {limit_bytes} bytes of address space (ulimit -v), of which {left_bytes} are left, and needs \
         {needed_bytes} of them to run one instance of a component; raise the limit, or lower --max-instance-memory"
    )]
    AddressSpace {
        /// The limit.
        limit_bytes: u64,
        /// What the process does not use of it.
        left_bytes: u64,
        /// What would have to be left.
        needed_bytes: u64,
    },
    /// The system does not give what the pool of instances reserves.
    #[error(
        "{needed_bytes} bytes of address space could not be reserved for instances of components: {reason:#}; lower \
         --max-concurrent-requests or --max-instance-memory"
    )]
    Pool {
        /// What was asked for.
        needed_bytes: u64,
        /// Why it was not given.
        reason: wasmtime::Error,
    },
    /// The folder for compiled components cannot be used.
    #[error(
        "the cache folder {dir:?} cannot be used: {reason:#}; name another one, or turn the cache off"
    )]
    CacheDir {
        /// The folder.
        dir: PathBuf,
        /// What was wrong with it.
        reason: wasmtime::Error,
    },
    /// No thread could be started to interrupt guests.
    #[error("no thread could be started to interrupt components with: {0}")]
    EpochThread(std::io::Error),
    /// A component's file cannot be read.
    #[error(
        "component '{component}': {path:?} cannot be read: {reason}; is the application built? 'spindrift up --build' builds it"
    )]
    Source {
        /// The component's id.
        component: String,
        /// Its file.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// A component's file is no WebAssembly.
    #[error(
        "component '{component}': {path:?} is no WebAssembly; name the file that the component's build makes, which is a `.wasm`"
    )]
    NoWasm {
        /// The component's id.
        component: String,
        /// Its file.
        path: PathBuf,
    },
    /// A component's file is a core module of which no component can be made.
    #[error("component '{component}': {path:?} {reason}")]
    Module {
        /// The component's id.
        component: String,
        /// Its file.
        path: PathBuf,
        /// Why not, as a clause.
        reason: NotComponentized,
    },
    /// A component's file is no component.
    #[error(
        "component '{component}': {path:?} is no WebAssembly component that can be run here: {reason:#}{}",
        more_memory(reason)
    )]
    Compile {
        /// The component's id.
        component: String,
        /// Its file.
        path: PathBuf,
        /// Why not.
        reason: wasmtime::Error,
    },
    /// A component imports what the host does not have.
    #[error(
        "component '{component}' imports what this host does not offer: {reason:#}; build it without that import, or for \
         the versions of WASI and of Spin's interfaces that the host has"
    )]
    Link {
        /// The component's id.
        component: String,
        /// Which import.
        reason: wasmtime::Error,
    },
    /// A component has no HTTP handler.
    #[error(
        "component '{component}' exports no HTTP handler: neither wasi:http/handler@0.3.0 nor \
         wasi:http/incoming-handler@0.2; build it with an SDK for HTTP components of Spin 2 or newer"
    )]
    NoHandler {
        /// The component's id.
        component: String,
    },
    /// A component has the HTTP handler of Spin 1.
    #[error(
        "component '{component}' exports the HTTP handler of Spin 1, fermyon:spin/inbound-http, which this host does not \
         call; build it with a newer SDK, whose handler is one of wasi:http"
    )]
    OldHandler {
        /// The component's id.
        component: String,
    },
    /// A component has an HTTP handler, but of a version that the host does not call.
    #[error(
        "component '{component}' has its HTTP handler as {export}, which this host does not call; build it with an SDK that \
         exports wasi:http/handler@0.3.0 or wasi:http/incoming-handler@0.2"
    )]
    HandlerVersion {
        /// The component's id.
        component: String,
        /// Its export.
        export: String,
    },
    /// One of the above, with where the application names the component's file.
    #[error("{place}: {error}")]
    At {
        /// The manifest and its line, or the reference to a registry.
        place: String,
        /// What is wrong.
        error: Box<RuntimeError>,
    },
    /// The application names a store that the runtime configuration lacks.
    #[error(
        "component '{component}' uses the key-value store '{label}', which the runtime configuration \
         does not have; add [key_value_store.{label}] with type = \"local\" to it"
    )]
    UnknownStore {
        /// The component's id.
        component: String,
        /// The store's label.
        label: String,
    },
    /// A component's files could not be laid out.
    #[error("the files of component '{component}' could not be laid out: {reason:#}")]
    Files {
        /// The component's id.
        component: String,
        /// Why not.
        reason: anyhow::Error,
    },
}

impl RuntimeError {
    /// Has it begin with the place where the application names the component's file.
    pub(crate) fn at(self, place: &str) -> Self {
        Self::At {
            place: place.to_owned(),
            error: Box::new(self),
        }
    }
}

/// What Wasmtime says of a call that hands over too much. It has no type for that which others can see.
const CALL_TOO_LARGE: &str = "fuel allocated for hostcalls has been exhausted";

/// Why a run of a handler gave no answer.
#[derive(Debug, Error)]
pub enum RunError {
    /// No instance could be had.
    #[error("no instance of the component could be created: {0:#}")]
    Instantiate(wasmtime::Error),
    /// As many instances live as may.
    #[error("no room for another instance of the component: {0:#}")]
    NoRoom(wasmtime::Error),
    /// The guest trapped.
    #[error("the component trapped: {}", .0.root_cause())]
    Trap(wasmtime::Error),
    /// The guest asked for more memory than it may have, and gave up.
    #[error(
        "the component ran out of memory: it asked for {asked_bytes} bytes, at most {limit_bytes} \
         bytes are allowed"
    )]
    OutOfMemory {
        /// What it asked for, in bytes.
        asked_bytes: usize,
        /// What it may have, in bytes.
        limit_bytes: usize,
    },
    /// The guest handed the host more than it takes in one call.
    #[error(
        "the component handed the host more than {limit_bytes} bytes in one call, which is what a request may hold of the \
         stores and 64 KiB"
    )]
    CallTooLarge {
        /// What it may hand over, in bytes.
        limit_bytes: usize,
    },
    /// There is no memory for the instance, or for what it asked for.
    #[error("there is no memory for the component, and nothing was written: {0}")]
    NoMemory(Spent),
    /// There was no memory to hold what the guest answered.
    #[error(transparent)]
    AnswerMemory(Spent),
    /// The guest took too long.
    #[error("the component gave no answer within {0:?}")]
    Timeout(Duration),
    /// The guest went on after its response head for too long.
    #[error("the component did not end within the time that a request may take")]
    StillRunning,
    /// The guest answered with an error instead of a response.
    #[error("the component failed: {0}")]
    Guest(String),
    /// The guest ended without a response.
    #[error("the component ended without a response")]
    NoResponse,
}

impl RunError {
    /// Tells a full pool and a spent budget from a component that cannot be started.
    pub(crate) fn instantiate(error: wasmtime::Error) -> Self {
        if let Some(spent) = error.downcast_ref::<Spent>() {
            RunError::NoMemory(*spent)
        } else if error.is::<PoolConcurrencyLimitError>() {
            RunError::NoRoom(error)
        } else {
            RunError::Instantiate(error)
        }
    }

    /// Names the cause of a trap as the operator would.
    pub(crate) fn trap(store: &Store<HostState>, error: wasmtime::Error) -> Self {
        if let Some(spent) = error.downcast_ref::<Spent>() {
            return RunError::NoMemory(*spent);
        }
        let memory = &store.data().memory;
        // A guest that is refused memory aborts, and so traps.
        if let Some(asked_bytes) = memory.refused_bytes()
            && error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached)
        {
            return RunError::OutOfMemory {
                asked_bytes,
                limit_bytes: memory.max_bytes(),
            };
        }
        if error.root_cause().to_string().contains(CALL_TOO_LARGE) {
            return RunError::CallTooLarge {
                limit_bytes: store.hostcall_fuel(),
            };
        }
        tracing::debug!("{error:?}");
        RunError::Trap(error)
    }
}

/// What to do where an instance does not have what the component begins with, as the end of a sentence. Wasmtime has no type for that.
fn more_memory(reason: &wasmtime::Error) -> &'static str {
    if format!("{reason:#}").contains("memory does not fit in pooling allocator") {
        "; allow its instances more with --max-instance-memory"
    } else {
        ""
    }
}
