//! The key-value stores of a backend, and their limits.
//!
//! This file does not know which components may open a store. `key_value_stores` in `spin.toml` says that.

use std::collections::BTreeMap;
use std::sync::Arc;

use spindrift_memory::Budget;

/// The size of a read or a write in [`Stores::max_transaction_bytes`] besides its key and its value, in bytes.
pub(crate) const KEY_OVERHEAD_BYTES: usize = 64;

/// A key-value store of a backend: its index in [`Stores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(u32);

impl StoreId {
    /// The store at `index`, whether or not it exists. A store that does not exist is empty and refuses writes.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The index in [`Stores`].
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// The limits of one store, as this process is configured.
///
/// The limits of keys and values are checked only when a guest writes, so they may differ between the nodes of a
/// replicated store.
///
/// The total is checked when a commit is applied, and this must end the same on every node. That check uses the limit
/// in force, [`Map::max_total_bytes`](crate::Map::max_total_bytes), which is replicated like the entries. The leader
/// sets it to the least limit that a member is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// The longest key, in bytes of UTF-8.
    pub max_key_bytes: usize,
    /// The longest value, in bytes.
    pub max_value_bytes: usize,
    /// The size of all keys and values, and [`ENTRY_OVERHEAD_BYTES`](crate::ENTRY_OVERHEAD_BYTES) for each entry, in
    /// bytes. A replicated store does not grow beyond it while this node is a member.
    pub max_total_bytes: u64,
}

impl Default for StoreLimits {
    /// Keys of 1 KiB, values of 1 MiB, 4 GiB in all.
    fn default() -> Self {
        Self {
            max_key_bytes: 1 << 10,
            max_value_bytes: 1 << 20,
            max_total_bytes: 4 << 30,
        }
    }
}

/// The stores of a backend, in the order of their labels.
///
/// Nodes with the same configuration give each store the same [`StoreId`], since its index follows from the order of
/// the labels.
#[derive(Clone, Debug)]
pub struct Stores {
    stores: Vec<(String, StoreLimits)>,
    max_transaction_bytes: usize,
    memory: Arc<Budget>,
}

impl Stores {
    /// The default of [`with_max_transaction_bytes`]: 16 MiB.
    ///
    /// [`with_max_transaction_bytes`]: Self::with_max_transaction_bytes
    pub const DEFAULT_MAX_TRANSACTION_BYTES: usize = 16 << 20;

    /// The stores with these labels and limits.
    #[must_use]
    pub fn new(stores: BTreeMap<String, StoreLimits>) -> Self {
        let stores = Self {
            stores: stores.into_iter().collect(),
            max_transaction_bytes: 0,
            memory: Budget::unlimited(),
        };
        stores.with_max_transaction_bytes(Self::DEFAULT_MAX_TRANSACTION_BYTES)
    }

    /// Sets the memory budget. It limits the memory that is held for clients: transactions, commits, and the guests
    /// that use the stores.
    #[must_use]
    pub fn with_memory(mut self, memory: Arc<Budget>) -> Self {
        self.memory = memory;
        self
    }

    /// The memory budget. It has no limit unless [`with_memory`] sets one.
    ///
    /// [`with_memory`]: Self::with_memory
    #[must_use]
    pub fn memory(&self) -> &Arc<Budget> {
        &self.memory
    }

    /// Sets the size limit of a transaction's reads and writes, in bytes. A lower limit than reading and replacing the
    /// largest value needs is raised to that.
    #[must_use]
    pub fn with_max_transaction_bytes(mut self, bytes: usize) -> Self {
        let largest = self.stores.iter().map(|(_, limits)| {
            let overhead = KEY_OVERHEAD_BYTES;
            limits
                .max_key_bytes
                .saturating_add(limits.max_value_bytes)
                .saturating_add(overhead)
                .saturating_mul(2)
        });
        self.max_transaction_bytes = largest.fold(bytes, usize::max);
        self
    }

    /// The store with this label.
    #[must_use]
    pub fn id(&self, label: &str) -> Option<StoreId> {
        let index = self
            .stores
            .binary_search_by(|(known, _)| known.as_str().cmp(label))
            .ok()?;
        u32::try_from(index).ok().map(StoreId)
    }

    /// The label of a store, or `"?"` if it does not exist.
    #[must_use]
    pub fn label(&self, store: StoreId) -> &str {
        self.stores
            .get(store.0 as usize)
            .map_or("?", |(label, _)| label)
    }

    /// The configured limits of a store, or `None` if it does not exist.
    #[must_use]
    pub fn limits(&self, store: StoreId) -> Option<&StoreLimits> {
        self.stores.get(store.0 as usize).map(|(_, limits)| limits)
    }

    /// The size limit of a transaction's reads and writes, in bytes.
    #[must_use]
    pub fn max_transaction_bytes(&self) -> usize {
        self.max_transaction_bytes
    }

    /// The size of the largest write, in bytes: the longest key, once as a read and once as a write, and the largest
    /// value.
    #[must_use]
    pub fn largest_write_bytes(&self) -> usize {
        let largest = self.stores.iter().map(|(_, limits)| {
            limits
                .max_key_bytes
                .saturating_mul(2)
                .saturating_add(limits.max_value_bytes)
                .saturating_add(2 * KEY_OVERHEAD_BYTES)
        });
        largest.max().unwrap_or(0)
    }

    /// How many stores there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stores.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stores.is_empty()
    }

    /// All stores, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (StoreId, &str, &StoreLimits)> {
        (0u32..)
            .zip(&self.stores)
            .map(|(index, (label, limits))| (StoreId(index), label.as_str(), limits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_labels_and_not_the_order_of_configuration() {
        let stores = Stores::new(
            ["b", "a", "c"]
                .map(|label| (label.to_owned(), StoreLimits::default()))
                .into(),
        );
        assert_eq!(stores.id("a"), Some(StoreId(0)));
        assert_eq!(stores.id("c"), Some(StoreId(2)));
        assert_eq!(stores.id("d"), None);
        assert_eq!(stores.label(StoreId(1)), "b");
        assert_eq!(stores.limits(StoreId(3)), None);
    }

    #[test]
    fn a_transaction_always_has_room_for_the_largest_value() {
        let limits = StoreLimits {
            max_value_bytes: 1 << 30,
            ..StoreLimits::default()
        };
        let stores = Stores::new([("default".to_owned(), limits)].into());
        assert!(stores.max_transaction_bytes() > 1 << 30);
    }
}
