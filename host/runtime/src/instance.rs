//! [`Instance`]: a component instance, and how long it lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spindrift_values::Range;
use wasmtime::component::ResourceTable;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::handler::Proxy;

use super::host_objects;
use super::host_state::HostState;
use super::key_value::MAX_OPEN_STORES;

/// Handles that a guest may keep from request to request in each of the two
/// tables of its instance: that of the host's resources, and that of streams,
/// futures and tasks. Some must be kept, such as a static store or standard
/// output. More of them leak, as with a garbage collector that sees no reason
/// to run, and they hold memory and sockets.
pub(crate) const MAX_KEPT: usize = 1_000;

/// What handles for swaps may hold between requests, in bytes: old values, that nobody else needs.
const MAX_KEPT_SWAP_BYTES: usize = 1 << 20;

/// What resources may take between requests, in bytes, with what they own.
const MAX_KEPT_RESOURCE_BYTES: usize = 1 << 20;

/// An instance for which more than this is charged is large, in bytes: it has grown by far more than most requests need.
const LARGE_BYTES: usize = 1 << 20;

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

/// A component instance and what belongs to it.
pub struct Instance {
    pub store: Store<HostState>,
    pub proxy: Arc<Proxy>,
    /// Requests that it may still serve, the one under way included.
    pub uses_left: usize,
    /// When it last became idle.
    pub idle_since: Instant,
    /// How long it may be idle.
    pub idle_timeout: Duration,
}

impl Instance {
    /// Whether it holds far more memory than most.
    pub(crate) fn is_large(&self) -> bool {
        self.store.data().memory.charged_bytes() > LARGE_BYTES
    }

    /// Whether the guest keeps so many handles that a later request might miss
    /// them, or so much behind them that others might.
    pub(crate) fn keeps_too_much(&mut self) -> bool {
        if host_objects::charge(self.store.as_context_mut()).is_err() {
            return true;
        }
        let state = self.store.data_mut();
        state.memory.object_bytes() > MAX_KEPT_RESOURCE_BYTES
            || state.open_stores >= MAX_OPEN_STORES
            || state.swap_bytes > MAX_KEPT_SWAP_BYTES
            || holds_too_much(&mut state.table)
            || self
                .store
                .concurrent_resource_table()
                .is_some_and(holds_too_much)
    }
}

fn holds_too_much(table: &mut ResourceTable) -> bool {
    let entries = table.iter_mut();
    // Counting takes a look at each context. The upper bound takes none, and
    // grows only where an instance has had that many entries at once.
    let may = entries.size_hint().1.is_none_or(|most| most > MAX_KEPT);
    may && entries.count() > MAX_KEPT
}
