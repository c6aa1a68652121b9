//! The keys that a listing selects, as it passes over all keys of a store.
//!
//! A listing is one pass, whether it is of all keys or of a page: a page keeps the first keys after its cursor, and passes
//! over the others without copying them.

use std::collections::BinaryHeap;

use super::held::Held;
use super::shard::Table;
use super::{ReadError, Stores};
use crate::memory::Charge;

/// What a listed key counts beside its own length, in bytes: its place in the list, and what the allocator rounds up.
const LISTED_KEY_OVERHEAD_BYTES: usize = 32;

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
pub struct Selection {
    stores: Stores,
    after: Option<Box<str>>,
    selected: Selected,
    held: Held,
    /// What the transaction holds beside it, in bytes.
    beside_bytes: usize,
}

#[derive(Debug)]
enum Selected {
    All(Vec<String>),
    /// The least ones, the greatest of them on top.
    First {
        most: usize,
        keys: BinaryHeap<String>,
    },
}

impl Selected {
    /// Keeps none of them.
    fn clear(&mut self) {
        match self {
            Self::All(keys) => *keys = Vec::new(),
            Self::First { keys, .. } => *keys = BinaryHeap::new(),
        }
    }
}

impl Selection {
    /// Selects all keys, or those of a page and `spare` more, for a transaction that holds `beside_bytes`.
    pub(super) fn new(
        stores: &Stores,
        page: Option<Page<'_>>,
        spare: usize,
        beside_bytes: usize,
    ) -> Self {
        let selected = match page {
            None => Selected::All(Vec::new()),
            Some(page) => Selected::First {
                most: page.most.saturating_add(spare),
                keys: BinaryHeap::new(),
            },
        };
        let mut selection = Self {
            stores: stores.clone(),
            after: page.and_then(|page| page.after).map(Into::into),
            selected,
            held: Held::default(),
            beside_bytes,
        };
        selection.begin_anew();
        selection
    }

    /// Forgets what was selected.
    pub(super) fn begin_anew(&mut self) {
        self.selected.clear();
        self.held = Held::beside(self.beside_bytes);
    }

    /// Looks at all keys of a slice, and says how many there were.
    ///
    /// # Errors
    ///
    /// As [`look_at`](Self::look_at).
    pub(super) fn look_at_all(&mut self, table: &Table) -> Result<usize, ReadError> {
        for entry in table.iter() {
            self.look_at(entry.key_bytes())?;
        }
        Ok(table.len())
    }

    /// Takes a key in, where it belongs to the selection. It must be UTF-8, and is no key that was looked at before.
    ///
    /// # Errors
    ///
    /// The transaction would hold more than it may, or the budget is spent.
    pub(super) fn look_at(&mut self, key: &[u8]) -> Result<(), ReadError> {
        if let Some(after) = &self.after
            && key <= after.as_bytes()
        {
            return Ok(());
        }
        let full = match &self.selected {
            Selected::First { most, keys } if keys.len() >= *most => keys.peek(),
            Selected::First { .. } | Selected::All(_) => None,
        };
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
            Selected::First { keys, .. } => {
                if replaces {
                    keys.pop();
                }
                keys.push(key);
            }
        }
        Ok(())
    }

    /// What is selected, in bytes, as it counts towards the transaction's limit.
    pub(super) fn bytes(&self) -> usize {
        self.held.counted_bytes() - self.beside_bytes
    }

    /// Takes those keys out that do not belong there after all.
    pub(super) fn retain(&mut self, belongs: impl Fn(&str) -> bool) {
        match &mut self.selected {
            Selected::All(keys) => keys.retain(|key| belongs(key)),
            Selected::First { keys, .. } => keys.retain(|key| belongs(key)),
        }
    }

    /// The keys of the page, or all.
    pub(super) fn into_keys(self, page: Option<Page<'_>>) -> ListedKeys {
        let mut keys = match self.selected {
            Selected::All(keys) => keys,
            Selected::First { keys, .. } => keys.into_sorted_vec(),
        };
        let most = page.map_or(usize::MAX, |page| page.most);
        let more = keys.len() > most;
        keys.truncate(most);
        ListedKeys {
            keys,
            more,
            charge: self.held.into_charge(),
        }
    }
}

fn listed_bytes(key: &[u8]) -> usize {
    key.len() + LISTED_KEY_OVERHEAD_BYTES
}
