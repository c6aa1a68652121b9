//! Giving memory back to the system.
//!
//! The allocator keeps what is freed for the next request, each thread for itself: a page of memory that one thread has
//! allocated from and another has freed in is found out to be empty by the first one alone, the next time that it allocates.
//! A thread that has become idle never does, and so a node that has been busy once held that memory until it was
//! busy again. Here, a thread looks through its pages itself once it has become idle.

use std::time::Duration;

use tokio::runtime::Handle;

/// How often a thread looks whether it is idle.
const INTERVAL: Duration = Duration::from_secs(2);

/// A thread that was busy for less than this part of the time is idle: probes may come, and replication ticks.
const IDLE_SHARE: u32 = 20;

/// How often an idle thread gives memory back after it was busy. What others free of its memory comes a little later, as idle
/// instances do.
const TIMES: u32 = 6;

/// Gives this thread's unused memory back to the system whenever the thread has become idle, and does not end. To be spawned
/// on an event loop that is the only one of its thread, and whose thread is its only one.
///
/// Within 4 s of the last work it is done for the first time, and the last time 12 s later.
pub async fn while_idle() {
    let event_loop = Handle::current().metrics();
    let mut busy_before = Duration::ZERO;
    let mut times_left = TIMES;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let busy = event_loop.worker_total_busy_duration(0);
        if busy.saturating_sub(busy_before) > INTERVAL / IDLE_SHARE {
            times_left = TIMES;
        } else if times_left > 0 {
            times_left -= 1;
            give_back();
        }
        // What giving back took is no work.
        busy_before = event_loop.worker_total_busy_duration(0);
    }
}

/// Has the allocator give back what this thread does not use.
#[expect(
    unsafe_code,
    reason = "the allocator offers it to C only; it takes no pointer, may be called from any thread at any time, and does \
              nothing in a process that allocates otherwise"
)]
fn give_back() {
    // SAFETY: see the reason above.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
