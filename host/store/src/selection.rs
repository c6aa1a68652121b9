//! The keys that a listing selects, as it passes over all keys of a store.
//!
//! A listing is one pass, whether it is of all keys or of a page: a page keeps the first keys after its cursor, and
//! passes over the others without copying them. One that is not the first keeps the keys of some pages after it too,
//! for the same transaction, so that listing a store page by page is not a pass for each of them.

use std::collections::{BinaryHeap, VecDeque};

use spindrift_memory::Charge;

use crate::footprint::Footprint;
use crate::{ReadError, Stores};

/// What a listed key counts beside its own length, in bytes: its place in the list, and what the allocator rounds up.
const LISTED_KEY_OVERHEAD_BYTES: usize = 32;

/// How many pages after a page are selected with it, at most.
const PAGES_AHEAD: usize = 15;

/// What the keys of a page and those after it may count, in bytes, for any to be selected after it.
const AHEAD_BYTES: usize = 1 << 20;

/// A part of a listing: the first keys after another one, in the order of their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The last key of the page before, where there is one.
    pub after: Option<&'a str>,
    /// How many keys, at most.
    pub most: usize,
}

/// Keys that were listed. As long as it lives, they are charged to the budget.
#[derive(Debug, Default)]
pub struct ListedKeys {
    /// The keys: of a page in the order of their bytes, else in no particular order.
    pub keys: Vec<String>,
    /// Whether there are more after these.
    pub more: bool,
    /// What they hold of the budget.
    pub charge: Option<Charge>,
}

/// Selects keys from all those of a store.
#[derive(Debug)]
pub(crate) struct Selection {
    stores: Stores,
    after: Option<Box<str>>,
    selected: Selected,
    held: Footprint,
    /// What the transaction holds beside it, in bytes.
    beside_bytes: usize,
    /// Whether there are keys after those that are selected.
    passed_over: bool,
}

#[derive(Debug)]
enum Selected {
    All(Vec<String>),
    /// The least ones, the greatest of them on top.
    First {
        /// How many are wanted in any case, and how many if they are small.
        least: usize,
        most: usize,
        keys: BinaryHeap<String>,
    },
}

impl Selection {
    /// Selects all keys, or those of a page and `spare` more, for a transaction that holds `beside_bytes`.
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
                // A first page may be all that is asked for.
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

    /// Forgets what was selected.
    pub(crate) fn begin_anew(&mut self) {
        match &mut self.selected {
            Selected::All(keys) => *keys = Vec::new(),
            Selected::First { keys, .. } => *keys = BinaryHeap::new(),
        }
        self.held = Footprint::beside(self.beside_bytes);
        self.passed_over = false;
    }

    /// Takes a key in, where it belongs to the selection. It must be UTF-8, and is no key that was looked at before.
    ///
    /// # Errors
    ///
    /// The transaction would hold more than it may, or the budget is spent.
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

    /// The key up to which all keys are selected, where there are others after it.
    pub(crate) fn end(&self) -> Option<String> {
        match &self.selected {
            Selected::First { keys, .. } if self.passed_over => keys.peek().cloned(),
            Selected::First { .. } | Selected::All(_) => None,
        }
    }

    /// Takes those keys out that do not belong there after all.
    pub(crate) fn retain(&mut self, belongs: impl Fn(&str) -> bool) {
        match &mut self.selected {
            Selected::All(keys) => keys.retain(|key| belongs(key)),
            Selected::First { keys, .. } => keys.retain(|key| belongs(key)),
        }
    }

    /// The keys of the page, or all. With an `end`, those after it are not to be relied on.
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

/// Keys that come after a page that was listed, in their order.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    keys: VecDeque<String>,
    /// Whether there are others after them.
    more: bool,
    charge: Option<Charge>,
}

impl Ahead {
    /// Whether it has the next page of so many keys.
    pub(crate) fn has(&self, most: usize) -> bool {
        self.keys.len() > most || !self.more
    }

    /// The next page.
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
    /// What they count towards the transaction's limit, in bytes.
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
