//! How much memory an instance may have, its charge to the budget of all clients, and the record of a breach.

use std::sync::Arc;

use spindrift_memory::{Budget, Charge, Purpose, Spent};
use wasmtime::ResourceLimiter;

/// What is charged for an instance as such, in bytes: what a small guest touches of the memory that it begins with, its
/// stack, and what the host keeps beside it.
const INSTANCE_BYTES: usize = 128 << 10;

/// How much linear memory [`INSTANCE_BYTES`] stands for. What an instance begins with is mapped from the component and
/// copied when it is written to. Of the 17 pages that a small guest in Rust begins with, 16 are a stack that is hardly used;
/// with all of it charged, a pod of 1 GiB could run no more than 200 of them. A guest with a large memory from the beginning,
/// as Python's, touches most of it, and is charged for all that it has beyond this.
const UNCHARGED_BYTES: usize = 20 * (64 << 10);

/// How much of what the host keeps for a guest [`INSTANCE_BYTES`] stands for.
const UNCHARGED_OBJECT_BYTES: usize = 32 << 10;

/// The share of the budget that the host keeps things for guests with: a half. They may hold them for as long as their requests
/// take, and leave the rest to others.
const OBJECTS_SHARE: usize = 2;

/// Beyond that the charge is a multiple of this, in bytes, so that it changes a few times.
const OBJECT_STEP_BYTES: usize = 64 << 10;

/// What an element of a table takes, in bytes.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Limits one instance.
///
/// A guest that asks for more than an instance may have is told no, as on any machine that is out of memory; most toolchains
/// then abort, and the record here tells the operator why. A guest for which the budget has no room traps: its request is
/// refused as it is, whatever the guest would make of it.
pub struct MemoryLimit {
    max_bytes: usize,
    /// What all memories of the instance have together.
    total_bytes: usize,
    refused_bytes: Option<usize>,
    charge: Charge,
    /// For what the host keeps for the guest.
    objects: Charge,
}

impl MemoryLimit {
    /// A limit of `max_bytes` for an instance to be made.
    ///
    /// # Errors
    ///
    /// The budget has no room for an instance.
    pub fn new(max_bytes: usize, budget: &Arc<Budget>) -> Result<Self, Spent> {
        Ok(MemoryLimit {
            max_bytes,
            total_bytes: 0,
            refused_bytes: None,
            charge: budget.charge(Purpose::Guests, INSTANCE_BYTES)?,
            objects: budget.open(Purpose::Resources),
        })
    }

    /// The budget that it is charged to.
    pub fn budget(&self) -> Budget {
        self.charge.budget()
    }

    /// Has so many bytes charged for what the host keeps for the guest.
    ///
    /// # Errors
    ///
    /// The budget has no room for them, or that part of it has none. What was charged stays.
    pub(crate) fn hold_objects(&mut self, bytes: usize) -> Result<(), Spent> {
        let charged = match bytes > UNCHARGED_OBJECT_BYTES {
            true => bytes.next_multiple_of(OBJECT_STEP_BYTES),
            false => 0,
        };
        let before = self.objects.bytes();
        match charged.checked_sub(before) {
            Some(0) => {}
            Some(more) => {
                let most = self.budget().limit_bytes() / OBJECTS_SHARE;
                self.objects.grow_within(more, most)?;
            }
            None => self.objects.shrink(before - charged),
        }
        Ok(())
    }

    /// What is charged for what the host keeps for the guest, in bytes.
    pub(crate) fn object_bytes(&self) -> usize {
        self.objects.bytes()
    }

    /// The size that the guest last asked for and did not get, in bytes.
    pub(crate) fn refused_bytes(&self) -> Option<usize> {
        self.refused_bytes
    }

    /// Forgets a refusal that the guest coped with.
    pub(crate) fn forget_refusal(&mut self) {
        self.refused_bytes = None;
    }

    /// The most an instance may have, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// What is charged for the instance, in bytes.
    pub(crate) fn charged_bytes(&self) -> usize {
        self.charge.bytes() + self.objects.bytes()
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = (self.total_bytes - current.min(self.total_bytes)).saturating_add(desired);
        let allowed = total <= self.max_bytes && maximum.is_none_or(|maximum| desired <= maximum);
        if !allowed {
            self.refused_bytes = Some(total);
            return Ok(false);
        }
        let beyond = |bytes: usize| bytes.saturating_sub(UNCHARGED_BYTES);
        self.charge
            .grow(beyond(total).saturating_sub(beyond(self.total_bytes)))?;
        self.total_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The pool has places for so many elements of a table, and that is the maximum here. What a table begins with is in
        // the charge for the instance.
        let allowed = maximum.is_none_or(|maximum| desired <= maximum);
        if allowed && current > 0 {
            let more = desired.saturating_sub(current);
            self.charge.grow(more.saturating_mul(TABLE_ELEMENT_BYTES))?;
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    fn limit(budget: usize) -> (Arc<Budget>, MemoryLimit) {
        let budget = Budget::new(budget);
        let limit = MemoryLimit::new(64 << 20, &budget).expect("room for an instance");
        (budget, limit)
    }

    #[test]
    fn what_an_instance_begins_with_counts_only_where_it_is_large() {
        let (budget, mut limit) = limit(1 << 30);
        assert!(limit.memory_growing(0, 17 * PAGE, None).expect("room"));
        assert_eq!(budget.used_bytes(), INSTANCE_BYTES);
        assert!(
            limit
                .memory_growing(17 * PAGE, 21 * PAGE, None)
                .expect("room")
        );
        assert_eq!(budget.used_bytes(), INSTANCE_BYTES + PAGE);
        // Another memory of the same instance.
        assert!(limit.memory_growing(0, 300 * PAGE, None).expect("room"));
        assert_eq!(limit.charged_bytes(), INSTANCE_BYTES + 301 * PAGE);
        drop(limit);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn what_the_host_keeps_for_a_guest_is_charged_where_it_is_much() {
        // Two steps are a half of it.
        let (budget, mut limit) = limit(4 * OBJECT_STEP_BYTES);
        limit.hold_objects(UNCHARGED_OBJECT_BYTES).expect("room");
        assert_eq!(budget.used_bytes(), INSTANCE_BYTES);
        limit.hold_objects(OBJECT_STEP_BYTES + 1).expect("room");
        assert_eq!(limit.object_bytes(), 2 * OBJECT_STEP_BYTES);
        assert!(limit.hold_objects(2 * OBJECT_STEP_BYTES + 1).is_err());
        assert_eq!(budget.used_bytes(), INSTANCE_BYTES + 2 * OBJECT_STEP_BYTES);
        limit.hold_objects(0).expect("less");
        assert_eq!(budget.used_bytes(), INSTANCE_BYTES);
    }

    #[test]
    fn a_breach_of_its_own_limit_is_told_apart_from_a_spent_budget() {
        let (budget, mut limit) = limit(INSTANCE_BYTES + PAGE);
        let own = limit.memory_growing(0, (64 << 20) + PAGE, None);
        assert!(!own.expect("no trap"));
        assert_eq!(limit.refused_bytes(), Some((64 << 20) + PAGE));
        let spent = limit.memory_growing(0, UNCHARGED_BYTES + 2 * PAGE, None);
        let spent = spent.expect_err("no room");
        assert!(spent.downcast_ref::<Spent>().is_some(), "{spent}");
        assert_eq!(budget.refusals_for(Purpose::Guests), 1);
        assert!(
            limit
                .memory_growing(0, UNCHARGED_BYTES + PAGE, None)
                .expect("room")
        );
        assert!(limit.table_growing(0, 1_000, Some(1_000)).expect("room"));
        assert!(limit.table_growing(1_000, 1_001, Some(2_000)).is_err());
        assert!(
            !limit
                .table_growing(1_000, 1_001, Some(1_000))
                .expect("no trap")
        );
    }
}
