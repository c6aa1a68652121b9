//! The idle instances of one component.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::instance::Instance;

/// Shares of the pool. A thread keeps to its own, so that an instance, its
/// memory and its tables stay in the caches of one core.
const SHARES: usize = 64;

/// How long an instance stays idle that is more than is needed: a large one, or one of more than [`WARM`].
const SURPLUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Small instances that each share keeps for as long as they may be idle. A thread that has had more requests at a time, in
/// a burst, gives the memory of the others back soon.
const WARM: usize = 32;

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
    pub(crate) fn drop_expired(&self) {
        let now = Instant::now();
        self.drop_where(|instance, beyond_warm| {
            let surplus = beyond_warm || instance.is_large();
            let timeout = if surplus {
                instance.idle_timeout.min(SURPLUS_TIMEOUT)
            } else {
                instance.idle_timeout
            };
            now.saturating_duration_since(instance.idle_since) >= timeout
        });
    }

    /// Drops all instances.
    pub(crate) fn drop_all(&self) {
        self.drop_where(|_, _| true);
    }

    /// Drops those for which `expired` holds, which is told whether [`WARM`] others of the share were used later.
    fn drop_where(&self, expired: impl Fn(&Instance, bool) -> bool) {
        for share in &self.shares {
            let mut instances = share.lock();
            let mut used_later = instances.len();
            let old: Vec<Instance> = instances
                .extract_if(.., |instance| {
                    used_later -= 1;
                    expired(instance, used_later >= WARM)
                })
                .collect();
            drop(instances);
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
