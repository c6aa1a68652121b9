//! The idle instances of one component.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::handler::Instance;

/// Shares of the pool. A thread keeps to its own, so that an instance, its
/// memory and its tables stay in the caches of one core.
const SHARES: usize = 64;

/// Idle instances, in each share the last used on top: the fewer stay in use,
/// the warmer they are, and the rest age until they are dropped.
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

    /// An instance of any thread's, for when there is no room for another.
    pub fn take_from_any(&self) -> Option<Instance> {
        self.shares.iter().find_map(|share| share.lock().pop())
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

    /// Drops the instances that have been idle for `age` or longer.
    pub fn drop_older_than(&self, age: Duration) {
        let now = Instant::now();
        for share in &self.shares {
            let old: Vec<Instance> = {
                let mut idle = share.lock();
                // The oldest lie at the bottom.
                let old = idle.partition_point(|instance| {
                    now.saturating_duration_since(instance.idle_since) >= age
                });
                idle.drain(..old).collect()
            };
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
