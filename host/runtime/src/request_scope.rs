//! The request that a guest acts for: its transaction, and whether a second run of it would repeat something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spindrift_memory::Budget;
use spindrift_store::Transaction;

/// What a run of a request carries into the guest.
#[derive(Clone)]
pub struct RequestScope {
    /// The request's transaction.
    pub transaction: Transaction,
    /// Set once the guest did something that a second run would repeat.
    pub side_effects: SideEffects,
    /// How many requests of the application to itself have led to this one.
    pub depth: usize,
}

impl RequestScope {
    /// The budget for what the guest answers.
    pub(crate) fn memory(&self) -> &Arc<Budget> {
        self.transaction.backend().stores().memory()
    }
}

/// Whether a request has had an effect outside its transaction.
#[derive(Clone, Default)]
pub struct SideEffects(Arc<AtomicBool>);

impl SideEffects {
    /// Notes an effect.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether there has been one.
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
