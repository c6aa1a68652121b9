//! How much linear memory an instance may have, and the record of a breach.

use wasmtime::ResourceLimiter;

/// Limits one instance. A guest that asks for more is told no, as on any
/// machine that is out of memory; most toolchains then abort, and the record
/// here tells the operator why.
pub struct MemoryLimit {
    max_bytes: usize,
    /// What all memories of the instance have together.
    total_bytes: usize,
    refused_bytes: Option<usize>,
}

impl MemoryLimit {
    pub fn new(max_bytes: usize) -> Self {
        MemoryLimit {
            max_bytes,
            total_bytes: 0,
            refused_bytes: None,
        }
    }

    /// The size that the guest last asked for and did not get, in bytes.
    pub fn refused_bytes(&self) -> Option<usize> {
        self.refused_bytes
    }

    /// Forgets a refusal that the guest coped with.
    pub fn forget_refusal(&mut self) {
        self.refused_bytes = None;
    }

    /// The most an instance may have, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
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
        if allowed {
            self.total_bytes = total;
        } else {
            self.refused_bytes = Some(total);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| _desired <= maximum))
    }
}
