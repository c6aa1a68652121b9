//! The keys that a listing selects during its pass over all keys of a store.
//!
//! A listing visits every key once, whether it is of all keys or of a page. For a page it keeps the first keys after
//! the cursor and skips the others. For a page that is not the first it also keeps some pages that follow. The same
//! transaction can then list those without another pass.

use std::collections::{BinaryHeap, VecDeque};

use spindrift_memory::Charge;

use crate::footprint::Footprint;
use crate::{ReadError, Stores};

/// The size of a listed key besides its length, in bytes: its place in the list, and the rounding of the allocator.
const LISTED_KEY_OVERHEAD_BYTES: usize = 32;

/// At most this many pages are read ahead.
const PAGES_AHEAD: usize = 15;

/// Pages are read ahead only while all selected keys together stay below this size, in bytes.
const AHEAD_BYTES: usize = 1 << 20;

/// A part of a listing: the first keys after a cursor, in the order of their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The cursor: the last key of the page before, or `None` for the first page.
    pub after: Option<&'a str>,
    /// The most keys to return.
    pub most: usize,
}

/// Keys that were listed. They are charged to the budget while this value lives.
#[derive(Debug, Default)]
pub struct ListedKeys {
    /// The keys. Those of a page are in the order of their bytes; others are in no particular order.
    pub keys: Vec<String>,
    /// Whether others follow.
    pub more: bool,
    /// Their charge.
    pub charge: Option<Charge>,
}

/// Selects from the keys of a store.
#[derive(Debug)]
pub(crate) struct Selection {
    stores: Stores,
    after: Option<Box<str>>,
    selected: Selected,
    held: Footprint,
    /// The footprint of the transaction without this selection, in bytes.
    beside_bytes: usize,
    /// Whether the store has keys after the selected ones.
    passed_over: bool,
}

#[derive(Debug)]
enum Selected {
    All(Vec<String>),
    /// The first keys. The heap has the greatest of them on top.
    First {
        /// The number that the page needs, and the number to keep if the keys are small.
        least: usize,
        most: usize,
        keys: BinaryHeap<String>,
    },
}

impl Selection {
    /// Selects all keys, or the keys of a page and `spare` others after it. The transaction holds `beside_bytes`
    /// already.
    pub(crate) fn new(
        stores: &Stores,
        page: Option<Page<'_>>,
        spare: usize,
        beside_bytes: usize,
    ) -> Self {
        let selected = match page {
            None => Selected::All(Vec::new()),
            Some(page) => {
                let least = page.most.saturating_add(spare);
                let room = stores.max_transaction_bytes().saturating_sub(beside_bytes);
                // Often only the first page is asked for.
                let ahead = page.after.is_some() && room > 2 * AHEAD_BYTES;
                let more = if ahead { PAGES_AHEAD } else { 0 };
                Selected::First {
                    least,
                    most: least.saturating_add(page.most.saturating_mul(more)),
                    keys: BinaryHeap::new(),
                }
            }
        };
        Self {
            stores: stores.clone(),
            after: page.and_then(|page| page.after).map(Into::into),
            selected,
            held: Footprint::beside(beside_bytes),
            beside_bytes,
            passed_over: false,
        }
    }

    /// Drops the selected keys.
    pub(crate) fn begin_anew(&mut self) {
        match &mut self.selected {
            Selected::All(keys) => *keys = Vec::new(),
            Selected::First { keys, .. } => *keys = BinaryHeap::new(),
        }
        self.held = Footprint::beside(self.beside_bytes);
        self.passed_over = false;
    }

    /// Adds a key if it belongs to the selection. The key must be UTF-8, and must not have been added before.
    ///
    /// # Errors
    ///
    /// The transaction would exceed its size limit or the budget.
    pub(crate) fn add(&mut self, key: &[u8]) -> Result<(), ReadError> {
        if let Some(after) = &self.after
            && key <= after.as_bytes()
        {
            return Ok(());
        }
        let full = match &self.selected {
            Selected::First { most, keys, .. } if keys.len() >= *most => keys.peek(),
            Selected::First { .. } | Selected::All(_) => None,
        };
        self.passed_over |= full.is_some();
        if full.is_some_and(|greatest| key >= greatest.as_bytes()) {
            return Ok(());
        }
        let freed = full.map_or(0, |greatest| listed_bytes(greatest.as_bytes()));
        self.held.replace(freed, listed_bytes(key), &self.stores)?;
        let replaces = full.is_some();
        // The bytes come from a `&str`.
        let key = std::str::from_utf8(key).unwrap_or_default().to_owned();
        match &mut self.selected {
            Selected::All(keys) => keys.push(key),
            Selected::First { least, most, keys } => {
                if replaces {
                    keys.pop();
                }
                keys.push(key);
                while keys.len() > *least
                    && self.held.counted_bytes() - self.beside_bytes > AHEAD_BYTES
                    && let Some(greatest) = keys.pop()
                {
                    self.held.give_back(listed_bytes(greatest.as_bytes()));
                    self.passed_over = true;
                    *most = keys.len();
                }
            }
        }
        Ok(())
    }

    /// The last selected key if the store has others after it. The selection is complete up to this key.
    pub(crate) fn end(&self) -> Option<String> {
        match &self.selected {
            Selected::First { keys, .. } if self.passed_over => keys.peek().cloned(),
            Selected::First { .. } | Selected::All(_) => None,
        }
    }

    /// Removes the keys that do not belong to the selection.
    pub(crate) fn retain(&mut self, belongs: impl Fn(&str) -> bool) {
        match &mut self.selected {
            Selected::All(keys) => keys.retain(|key| belongs(key)),
            Selected::First { keys, .. } => keys.retain(|key| belongs(key)),
        }
    }

    /// The keys of the page, or all keys. Keys after `end` are left out.
    pub(crate) fn into_keys(
        self,
        page: Option<Page<'_>>,
        end: Option<&str>,
    ) -> (ListedKeys, Ahead) {
        let mut keys = match self.selected {
            Selected::All(keys) => keys,
            Selected::First { keys, .. } => keys.into_sorted_vec(),
        };
        if let Some(end) = end {
            keys.retain(|key| key.as_str() <= end);
        }
        let mut ahead = Ahead {
            keys: keys.into(),
            more: end.is_some(),
            charge: self.held.into_charge(),
        };
        let Some(page) = page else {
            let Ahead { keys, charge, .. } = std::mem::take(&mut ahead);
            let listed = ListedKeys {
                keys: keys.into(),
                more: false,
                charge,
            };
            return (listed, ahead);
        };
        let first = ahead.take(page.most);
        (first, ahead)
    }
}

/// The keys after a page, in their order.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    keys: VecDeque<String>,
    /// Whether the store has others after them.
    more: bool,
    charge: Option<Charge>,
}

impl Ahead {
    /// Whether it has the whole next page of `most` keys.
    pub(crate) fn has(&self, most: usize) -> bool {
        self.keys.len() > most || !self.more
    }

    /// Takes out the next page.
    pub(crate) fn take(&mut self, most: usize) -> ListedKeys {
        let most = most.min(self.keys.len());
        let keys: Vec<String> = self.keys.drain(..most).collect();
        let more = self.more || !self.keys.is_empty();
        let charge = if self.keys.is_empty() {
            self.charge.take()
        } else {
            None
        };
        ListedKeys { keys, more, charge }
    }
}

impl ListedKeys {
    /// The size that counts towards the transaction's limit, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.keys
            .iter()
            .map(|key| listed_bytes(key.as_bytes()))
            .sum()
    }
}

fn listed_bytes(key: &[u8]) -> usize {
    key.len() + LISTED_KEY_OVERHEAD_BYTES
}
