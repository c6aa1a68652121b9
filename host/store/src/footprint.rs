//! What a transaction holds in memory: counted towards its own limit, and charged to the budget of all clients.

use spindrift_memory::{Charge, Purpose};

use crate::{ReadError, Stores};

/// What a transaction may hold without a charge, in bytes. Nearly every one stays below it, and so touches nothing that
/// it shares with other threads.
const FREE_BYTES: usize = 4 << 10;

/// A charge grows by so many bytes at a time, so that one for each key is not needed.
const STEP_BYTES: usize = 16 << 10;

/// Bytes that a transaction holds.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    counted_bytes: usize,
    /// Those that are in memory now.
    resident_bytes: usize,
    charge: Option<Charge>,
}

impl Footprint {
    /// For something that counts on top of `bytes`, which others hold.
    pub(crate) fn beside(bytes: usize) -> Self {
        Self {
            counted_bytes: bytes,
            ..Self::default()
        }
    }

    /// What counts towards the limit, in bytes.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// Holds `bytes` more instead of `less`.
    ///
    /// # Errors
    ///
    /// It would be more than a transaction may hold, or than the budget has left. Nothing is changed then.
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

    /// Holds `bytes` less. The charge stays as it is, for what comes next.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.counted_bytes -= bytes;
        self.resident_bytes -= bytes;
    }

    /// Counts `bytes` that something else holds.
    ///
    /// # Errors
    ///
    /// It would be more than a transaction may hold. Nothing is changed then.
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

    /// The charge, for what is held on elsewhere.
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
