//! How many instances the pool has places for, and how much of the address space each reserves.
//!
//! By default a linear memory reserves 4 GiB and a guard of 32 MiB after it, so that compiled code need not check its
//! addresses, and the pool reserves that for every instance that may live: 8.4 TiB for 1,064 of them. It takes no memory, but
//! some systems do not give that much: `ulimit -v` limits it, and so do small page tables.

use std::fs;

use rlimit::Resource;

use super::RuntimeError;

/// What a 32-bit memory and its guard reserve by default, in bytes. See `wasmtime::Config::memory_reservation`.
const DEFAULT_MEMORY_BYTES: u64 = (4 << 30) + (32 << 20);

/// The guard of a memory that reserves no more than it may grow to, in bytes.
pub(crate) const SMALL_GUARD_BYTES: u64 = 64 << 10;

/// Linear memories for each instance. Nearly all components have one.
pub(crate) const MEMORIES_PER_INSTANCE: u32 = 2;

/// Stacks for each instance: a call runs on one of its own, and a guest that waits for the host may have others.
pub(crate) const STACKS_PER_INSTANCE: u32 = 2;

/// What an instance reserves beside its memories, in bytes: two stacks of 2 MiB, ten tables of 20,000 elements.
const OTHER_BYTES: u64 = STACKS_PER_INSTANCE as u64 * (2 << 20) + 10 * 20_000 * 8;

/// Which part of the address space that is left the pool may take. The rest is for the heap, threads and compiled code.
const SHARE: u64 = 2;

/// The places of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// How many instances may live at once.
    pub instances: u32,
    /// What a linear memory reserves, in bytes, if not what Wasmtime takes by default.
    pub memory_bytes: Option<u64>,
}

impl Places {
    /// What is asked for, if the system gives as much as one likes.
    pub(crate) fn unlimited(instances: u32) -> Self {
        Places {
            instances,
            memory_bytes: None,
        }
    }

    /// The same for memories that reserve no more than the `max_memory_bytes` that they may grow to.
    pub(crate) fn small(self, max_memory_bytes: usize) -> Self {
        let page = 64 << 10;
        Places {
            memory_bytes: Some((max_memory_bytes as u64).next_multiple_of(page)),
            ..self
        }
    }

    /// What all of it reserves, in bytes.
    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.instances).saturating_mul(self.instance_bytes())
    }

    fn instance_bytes(self) -> u64 {
        let memory = self.memory_bytes.map_or(DEFAULT_MEMORY_BYTES, |bytes| {
            bytes.saturating_add(SMALL_GUARD_BYTES)
        });
        memory
            .saturating_mul(u64::from(MEMORIES_PER_INSTANCE))
            .saturating_add(OTHER_BYTES)
    }

    /// As many of `instances` as fit into what the process may have of the address space, and into what it has left of
    /// that. First the memories become small, then there are fewer.
    ///
    /// # Errors
    ///
    /// Not one fits.
    fn within(
        instances: u32,
        max_memory_bytes: usize,
        limit: AddressSpace,
    ) -> Result<Self, RuntimeError> {
        let wanted = Self::unlimited(instances);
        let room = limit.left_bytes / SHARE;
        if wanted.bytes() <= room {
            return Ok(wanted);
        }
        let small = wanted.small(max_memory_bytes);
        let fit = room / small.instance_bytes();
        let instances = instances.min(u32::try_from(fit).unwrap_or(u32::MAX));
        if instances == 0 {
            return Err(RuntimeError::AddressSpace {
                limit_bytes: limit.limit_bytes,
                left_bytes: limit.left_bytes,
                needed_bytes: small.instance_bytes().saturating_mul(SHARE),
            });
        }
        Ok(Places { instances, ..small })
    }

    /// As many of `instances` as this process has address space for, with a line in the log if that is less than
    /// one would take.
    ///
    /// # Errors
    ///
    /// There is not enough for one.
    pub(crate) fn for_this_process(
        instances: u32,
        max_memory_bytes: usize,
    ) -> Result<Self, RuntimeError> {
        let Some(limit) = AddressSpace::of_this_process() else {
            return Ok(Self::unlimited(instances));
        };
        let places = Self::within(instances, max_memory_bytes, limit)?;
        if places.memory_bytes.is_some() {
            let AddressSpace {
                limit_bytes,
                left_bytes,
            } = limit;
            let Places { instances: fit, .. } = places;
            tracing::warn!(
                "this process may have {limit_bytes} bytes of address space (ulimit -v), of which {left_bytes} are left: \
                 {fit} instances of components may live at once, of {instances} that would be needed for \
                 --max-concurrent-requests, and compiled code checks its addresses; with a lower --max-instance-memory, \
                 now {max_memory_bytes} bytes, there is room for more of them"
            );
        }
        Ok(places)
    }
}

/// A limit of the address space.
#[derive(Clone, Copy, Debug)]
struct AddressSpace {
    limit_bytes: u64,
    /// What the process does not use of it yet.
    left_bytes: u64,
}

impl AddressSpace {
    /// That of this process, if it has one.
    fn of_this_process() -> Option<Self> {
        let limit_bytes = Resource::AS.get_soft().ok()?;
        if limit_bytes == rlimit::INFINITY {
            return None;
        }
        Some(AddressSpace {
            limit_bytes,
            left_bytes: limit_bytes.saturating_sub(used_bytes().unwrap_or(0)),
        })
    }
}

/// What this process has of the address space, where the system says it.
fn used_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let size = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(left_bytes: u64) -> Result<Places, RuntimeError> {
        let limit = AddressSpace {
            limit_bytes: left_bytes + (1 << 30),
            left_bytes,
        };
        Places::within(1_064, 64 << 20, limit)
    }

    #[test]
    fn places_become_small_before_they_become_few() {
        let all = Places::unlimited(1_064);
        assert_eq!(within(32 << 40).expect("room"), all);
        let small = all.small(64 << 20);
        assert_eq!(within(1 << 40).expect("room"), small);
        let few = within(7 << 30).expect("room");
        assert_eq!(few.memory_bytes, small.memory_bytes);
        assert!((20..60).contains(&few.instances), "{few:?}");
        assert!(few.bytes() <= (7 << 30) / SHARE);
        let none = within(200 << 20).expect_err("no room").to_string();
        assert!(
            none.contains("--max-instance-memory") && none.contains("ulimit -v"),
            "{none}"
        );
    }

    #[test]
    fn this_process_knows_what_it_uses() {
        assert!(used_bytes().expect("/proc") > 1 << 20);
    }
}
