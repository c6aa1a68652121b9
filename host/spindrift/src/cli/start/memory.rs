//! [`Memory`]: how the memory that the process may use is divided between its stores, its clients and itself.
//!
//! A node that installs a snapshot holds what it had and what it receives, until the one takes the place of the other: requests
//! go on reading what was there. So memory for a replicated store is needed twice.

use spindrift_memory::Available;
use spindrift_values::ByteSize;

use super::options::store_bytes;
use crate::runtime_config::RuntimeConfig;

/// What the process takes beside its stores, its log and what it holds for clients, in bytes: the program, compiled components,
/// connections. It had 49 to 76 MiB in the benchmarks.
const PROCESS_BYTES: u64 = 96 << 20;

/// A store takes up to so much more than it counts, as a fraction: the allocator rounds a size up by an eighth at most, and as
/// much again may be left over between what is deleted and what is written. With keys of 16 bytes, values of 0 bytes to 1 MiB
/// took 0.9 to 1.2 times of what they count; in the benchmarks entries that count 180 took 201.
const ALLOCATED: (u64, u64) = (5, 4);

/// How many times its bound the log may take, see `--max-log-bytes`.
const LOG_OVERRUN: u64 = 2;

/// The most that a store may hold unless it is said otherwise.
const MOST: ByteSize = ByteSize::gib(1);

/// What a store may hold at least unless it is said otherwise, also where there is no memory for it.
const LEAST: ByteSize = ByteSize::mib(16);

/// The memory that there is, and what is not for stores.
pub(super) struct Memory {
    /// What the process may use; nothing where the system does not say.
    pub available: Option<Available>,
    /// What may be held for clients, in bytes.
    pub budget_bytes: u64,
    /// The bound of the log in bytes, where the stores are replicated.
    pub max_log_bytes: Option<u64>,
}

impl Memory {
    /// How often a store may be in memory.
    fn copies(&self) -> u64 {
        1 + u64::from(self.max_log_bytes.is_some())
    }

    /// What is needed for all but the stores, in bytes.
    fn beside_stores(&self) -> u64 {
        let log = self.max_log_bytes.unwrap_or(0).saturating_mul(LOG_OVERRUN);
        PROCESS_BYTES
            .saturating_add(log)
            .saturating_add(self.budget_bytes)
    }

    /// What each of so many stores may hold in all of which it is not said, in bytes: up to 1 GiB, as far as there is memory
    /// for all of it.
    pub fn default_total(&self, stores: usize) -> u64 {
        let Some(available) = &self.available else {
            return MOST.0;
        };
        let room = available.bytes.saturating_sub(self.beside_stores());
        let (allocated, counted) = ALLOCATED;
        let total = u128::from(room) * u128::from(counted) / u128::from(allocated * self.copies());
        let each = total / (stores.max(1) as u128);
        u64::try_from(each)
            .unwrap_or(u64::MAX)
            .clamp(LEAST.0, MOST.0)
    }

    /// What is wrong where the stores as they are configured may come to need more than there is, for people.
    pub fn shortage(&self, config: &RuntimeConfig) -> Option<String> {
        let available = self.available.as_ref()?;
        let totals = config.key_value_stores.values();
        let totals = totals.map(|store| u128::from(store_bytes(store, self, config)));
        let totals: u128 = totals.sum();
        let (allocated, counted) = ALLOCATED;
        let stores =
            totals * u128::from(self.copies()) * u128::from(allocated) / u128::from(counted);
        let needed = stores + u128::from(self.beside_stores());
        if needed <= u128::from(available.bytes) {
            return None;
        }
        let budget = self.budget_bytes;
        let (twice, log) = match self.max_log_bytes {
            Some(log) => (
                " twice, while a snapshot is installed,",
                format!("{LOG_OVERRUN} times --max-log-bytes ({log}), "),
            ),
            None => ("", String::new()),
        };
        Some(format!(
            "this process may come to need {needed} bytes, and may use {available}: once its stores are full, it may be killed; \
             it needs the total of its stores (--max-total-size or max_total_size, {totals} in all){twice} and a quarter more for \
             the allocator, --memory-budget ({budget}), {log}and {PROCESS_BYTES} for itself; lower one of these, or give it more \
             memory"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::runtime_config::{ReadConsistency, StoreConfig, StoreKind};

    fn memory(available: u64, replicated: bool) -> Memory {
        Memory {
            available: Some(Available {
                bytes: available,
                source: "/sys/fs/cgroup/memory.max".into(),
            }),
            budget_bytes: available / 4,
            max_log_bytes: replicated.then_some(16 << 20),
        }
    }

    fn config(total: Option<u64>) -> RuntimeConfig {
        let defaults = StoreConfig {
            kind: StoreKind::Replicated,
            max_key_bytes: 1 << 10,
            max_value_bytes: 1 << 20,
            max_total_bytes: total,
            read_consistency: ReadConsistency::Linearizable,
        };
        RuntimeConfig::load(None::<&Path>, &defaults).unwrap()
    }

    #[test]
    fn the_default_leaves_room_for_a_second_map_the_clients_and_the_process() {
        let pod = memory(1 << 30, true);
        assert_eq!(pod.default_total(1), 256 << 20);
        assert_eq!(pod.default_total(2), 128 << 20);
        assert_eq!(pod.shortage(&config(None)), None);
        assert_eq!(pod.shortage(&config(Some(256 << 20))), None);
        // A store of this process alone is there once.
        assert!(memory(1 << 30, false).default_total(1) > 500 << 20);
    }

    #[test]
    fn the_default_is_what_it_was_where_there_is_much_memory_or_nobody_knows() {
        assert_eq!(memory(64 << 30, true).default_total(1), 1 << 30);
        let unknown = Memory {
            available: None,
            ..memory(0, true)
        };
        assert_eq!(unknown.default_total(1), 1 << 30);
        assert_eq!(unknown.shortage(&config(Some(u64::MAX))), None);
    }

    #[test]
    fn a_small_machine_has_stores_all_the_same_and_hears_of_it() {
        let small = memory(128 << 20, true);
        assert_eq!(small.default_total(1), 16 << 20);
        assert!(small.shortage(&config(None)).is_some());
    }

    #[test]
    fn what_cannot_fit_is_said_with_its_numbers_and_flags() {
        let pod = memory(1 << 30, true);
        let text = pod.shortage(&config(Some(512 << 20))).unwrap();
        for part in [
            "1744830464 bytes",
            "1073741824 bytes (/sys/fs/cgroup/memory.max)",
            "--max-total-size",
            "536870912 in all",
            "twice",
            "--memory-budget (268435456)",
            "--max-log-bytes (16777216)",
        ] {
            assert!(text.contains(part), "no {part:?} in: {text}");
        }
        let text = memory(1 << 30, false)
            .shortage(&config(Some(1 << 30)))
            .unwrap();
        assert!(!text.contains("twice") && !text.contains("log"), "{text}");
        assert!(pod.shortage(&config(Some(u64::MAX))).is_some());
    }
}
