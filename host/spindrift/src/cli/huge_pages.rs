//! Which pages of memory a node takes from the system.

/// Has this process, and what it executes later, take no transparent huge pages, as `redis-server` does.
///
/// The allocator asks for them, and the system clears two megabytes then while whoever touched the first byte waits: several
/// milliseconds on a virtual machine, again and again while a node takes in a snapshot. For keys and values that are far
/// smaller than a page they gain nothing that was measured, and leave more memory unused.
pub fn avoid_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!("transparent huge pages cannot be turned off: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_no_huge_pages() {
        avoid_huge_pages();
        assert_eq!(nix::sys::prctl::get_thp_disable(), Ok(true));
    }
}
