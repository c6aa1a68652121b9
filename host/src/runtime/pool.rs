//! The idle instances of one component.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::handler::Instance;

/// Shares of the pool. A thread keeps to its own, so that an instance, its
/// memory and its tables stay in the caches of one core.
const SHARES: usize = 64;

/// Idle instances, in each share the last used on top: the fewer stay in use,
/// the warmer they are, and the rest expire.
pub struct InstancePool {
    shares: Box<[Mutex<Vec<Instance>>]>,
}

impl Default for InstancePool {
    fn default() -> Self {
        InstancePool {
            shares: (0..SHARES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl InstancePool {
    /// The instance that this thread used last.
    pub fn take(&self) -> Option<Instance> {
        self.shares[share()].lock().pop()
    }

    /// Keeps an instance for a later request.
    pub fn put(&self, mut instance: Instance) {
        instance.idle_since = Instant::now();
        self.shares[share()].lock().push(instance);
    }

    /// How many instances there are.
    pub fn len(&self) -> usize {
        self.shares.iter().map(|share| share.lock().len()).sum()
    }

    /// Drops the instances that have been idle for as long as they may.
    pub fn drop_expired(&self) {
        let now = Instant::now();
        self.drop_where(|instance| {
            now.saturating_duration_since(instance.idle_since) >= instance.idle_timeout
        });
    }

    /// Drops all instances.
    pub fn drop_all(&self) {
        self.drop_where(|_| true);
    }

    fn drop_where(&self, mut expired: impl FnMut(&Instance) -> bool) {
        for share in &self.shares {
            let old: Vec<Instance> = share
                .lock()
                .extract_if(.., |instance| expired(instance))
                .collect();
            // Dropping an instance returns memory to the system; not under the
            // lock.
            drop(old);
        }
    }
}

/// This thread's share.
fn share() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARES);
    }
    SHARE.get()
}
