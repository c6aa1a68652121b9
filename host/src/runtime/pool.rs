//! The idle instances of one component.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::handler::Instance;

/// Idle instances, the last used on top: the fewer stay in use, the warmer
/// they are, and the rest age until they are dropped.
#[derive(Default)]
pub struct InstancePool {
    idle: Mutex<Vec<Instance>>,
}

impl InstancePool {
    /// The instance that was used last.
    pub fn take(&self) -> Option<Instance> {
        self.idle.lock().pop()
    }

    /// Keeps an instance for a later request.
    pub fn put(&self, mut instance: Instance) {
        instance.idle_since = Instant::now();
        self.idle.lock().push(instance);
    }

    /// Drops the instances that have been idle for `age` or longer.
    pub fn drop_older_than(&self, age: Duration) {
        let now = Instant::now();
        let old: Vec<Instance> = {
            let mut idle = self.idle.lock();
            // The oldest lie at the bottom.
            let old = idle.partition_point(|instance| {
                now.saturating_duration_since(instance.idle_since) >= age
            });
            idle.drain(..old).collect()
        };
        // Dropping an instance returns memory to the system; not under the lock.
        drop(old);
    }
}
