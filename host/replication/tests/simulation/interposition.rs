//! Functions of the C library, replaced in this binary: what a thread asks its machine for, so that a run can say it.
//!
//! - `getrandom`: the standard library's hash maps draw their keys from it, and Tokio draws from such keys what it leaves to
//!   chance: which of several ready branches of a `select!` is polled first, and in which order those are woken who wait
//!   for a `watch` channel. Tokio can also be told a seed, but only where all crates are built with `tokio_unstable`: a
//!   second build of everything, or nodes that run with what Tokio promises nothing about.
//! - `clock_gettime`: h2 forgets a stream that was reset after a second of the machine's clock, which Tokio's virtual time
//!   knows nothing of.
//!
//! A thread that has asked for nothing gets the kernel's answers.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use nix::libc::{self, c_int, c_long, clockid_t, timespec};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What the clocks of a thread begin at: after everything else that may have been measured.
const BEGIN: Duration = Duration::from_secs(2_000_000_000);

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
    static ELAPSED: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Has this thread get its entropy from `seed` from now on, and stops its clocks. Hash maps made before keep their keys, and
/// so does a thread that has made one: this is for threads that have done nothing yet.
pub fn take_over(seed: u64) {
    SEEDED.set(Some(StdRng::seed_from_u64(seed)));
    set_elapsed(Duration::ZERO);
}

/// Sets the clocks of this thread, to so long after they were stopped.
pub fn set_elapsed(elapsed: Duration) {
    ELAPSED.set(Some(elapsed));
}

/// Fills `buffer` from the thread's seed, or else as the kernel does.
fn fill(buffer: &mut [u8]) -> std::io::Result<()> {
    let seeded = SEEDED.try_with(|seeded| {
        let mut seeded = seeded.try_borrow_mut().ok()?;
        seeded.as_mut().map(|random| random.fill_bytes(buffer))
    });
    match seeded {
        Ok(Some(())) => Ok(()),
        _ => File::open("/dev/urandom")?.read_exact(buffer),
    }
}

/// `getrandom(2)`: every caller in this process gets here.
#[expect(
    unsafe_code,
    reason = "a C function is replaced: its name is the linker's, and its caller hands in a pointer"
)]
#[unsafe(no_mangle)]
extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    if length == 0 {
        return 0;
    }
    if buffer.is_null() {
        return -1;
    }
    // SAFETY: by the contract of `getrandom`, which the caller means to call, `buffer` points to `length` bytes that it may
    // write to, and nobody else has them meanwhile. Zeroes make them bytes that may be read.
    let buffer = unsafe {
        buffer.write_bytes(0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    match fill(buffer) {
        Ok(()) => isize::try_from(length).unwrap_or(isize::MAX),
        Err(_) => -1,
    }
}

/// `clock_gettime(2)`: every caller in this process gets here.
#[expect(
    unsafe_code,
    reason = "a C function is replaced: its name is the linker's, and its caller hands in a pointer"
)]
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let elapsed = ELAPSED.try_with(Cell::get).ok().flatten();
    let Some(elapsed) = elapsed.filter(|_| !time.is_null()) else {
        // SAFETY: the arguments are those of this system call, and it judges them itself.
        let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return c_int::try_from(answer).unwrap_or(-1);
    };
    let now = BEGIN + elapsed;
    let told = timespec {
        tv_sec: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: c_long::from(now.subsec_nanos()),
    };
    // SAFETY: by the contract of `clock_gettime`, which the caller means to call, `time` points to a place for one that it
    // may write to.
    unsafe { time.write(told) };
    0
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// What a thread's first hash map makes of a key.
    fn first_hash(seed: Option<u64>) -> u64 {
        let hash = move || {
            if let Some(seed) = seed {
                take_over(seed);
            }
            RandomState::new().hash_one("key")
        };
        thread::spawn(hash).join().expect("nothing panics")
    }

    #[test]
    fn hash_maps_of_a_thread_follow_from_its_seed() {
        assert_eq!(first_hash(Some(7)), first_hash(Some(7)));
        assert_ne!(first_hash(Some(7)), first_hash(Some(8)));
        assert_ne!(first_hash(None), first_hash(None), "nobody has to seed it");
    }

    #[test]
    fn the_clocks_of_a_thread_are_set() {
        let set = || {
            take_over(7);
            let began = Instant::now();
            thread::sleep(Duration::from_millis(5));
            assert_eq!(began.elapsed(), Duration::ZERO);
            set_elapsed(Duration::from_secs(60));
            assert_eq!(began.elapsed(), Duration::from_secs(60));
        };
        thread::spawn(set).join().expect("the clocks are as set");
        let began = Instant::now();
        thread::sleep(Duration::from_millis(5));
        assert!(
            began.elapsed() >= Duration::from_millis(5),
            "others are not"
        );
    }
}
