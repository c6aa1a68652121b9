//! The memory of a transaction. It counts towards the transaction's size limit, and is charged to the budget of all
//! clients.

use spindrift_memory::{Charge, Purpose};

use crate::{ReadError, Stores};

/// A transaction may hold this many bytes without a charge. Nearly every one stays below, and so touches no state that
/// it shares with other threads.
const FREE_BYTES: usize = 4 << 10;

/// A charge grows in steps of this many bytes, so not every key changes it.
const STEP_BYTES: usize = 16 << 10;

/// The bytes that a transaction holds.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    counted_bytes: usize,
    /// Those of them that are held here, and charged if they are many.
    resident_bytes: usize,
    charge: Option<Charge>,
}

impl Footprint {
    /// A footprint that begins at `bytes`, which another footprint is charged for.
    pub(crate) fn beside(bytes: usize) -> Self {
        Self {
            counted_bytes: bytes,
            ..Self::default()
        }
    }

    /// The bytes that count towards the limit.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// Adds `bytes` and takes off `less`.
    ///
    /// # Errors
    ///
    /// The transaction would exceed its size limit or the budget. Nothing has changed then.
    pub(crate) fn replace(
        &mut self,
        less: usize,
        bytes: usize,
        stores: &Stores,
    ) -> Result<(), ReadError> {
        let counted = within(self.counted_bytes - less + bytes, stores)?;
        let resident = self.resident_bytes - less + bytes;
        self.charge_for(resident, stores)?;
        self.counted_bytes = counted;
        self.resident_bytes = resident;
        Ok(())
    }

    /// Takes off `bytes`. The charge keeps its size for the next bytes.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.counted_bytes -= bytes;
        self.resident_bytes -= bytes;
    }

    /// Counts `bytes` towards the limit without charging them.
    ///
    /// # Errors
    ///
    /// The transaction would exceed its size limit. Nothing has changed then.
    pub(crate) fn count(&mut self, bytes: usize, stores: &Stores) -> Result<(), ReadError> {
        self.counted_bytes = within(self.counted_bytes + bytes, stores)?;
        Ok(())
    }

    fn charge_for(&mut self, resident: usize, stores: &Stores) -> Result<(), ReadError> {
        let charged = self.charge.as_ref().map_or(0, Charge::bytes);
        if resident <= charged.max(FREE_BYTES) {
            return Ok(());
        }
        let open = || stores.memory().open(Purpose::Transactions);
        let charge = self.charge.get_or_insert_with(open);
        charge.grow(resident.next_multiple_of(STEP_BYTES) - charged)?;
        Ok(())
    }

    /// The charge, for a caller that holds the memory from now on.
    pub(crate) fn into_charge(self) -> Option<Charge> {
        self.charge
    }
}

fn within(bytes: usize, stores: &Stores) -> Result<usize, ReadError> {
    let limit_bytes = stores.max_transaction_bytes();
    if bytes > limit_bytes {
        return Err(ReadError::TransactionTooLarge { limit_bytes });
    }
    Ok(bytes)
}
