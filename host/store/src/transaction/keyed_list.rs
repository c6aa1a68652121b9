//! A list with one item for each key, in the order of insertion, that finds an item by its key.
//!
//! A transaction has two of these lists, and most of them hold one or two items. So a short list has no index: this is
//! faster than a set that hashes every key.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::StoreId;

/// Up to this many items a search without an index is as fast as hashing.
const UNINDEXED: usize = 8;

/// An item of a list: it belongs to one key of one store.
pub(crate) trait Keyed {
    fn store(&self) -> StoreId;
    fn key_bytes(&self) -> &[u8];

    fn is(&self, store: StoreId, key: &[u8]) -> bool {
        self.store() == store && self.key_bytes() == key
    }
}

/// The items, and their index once there are many.
#[derive(Debug)]
pub(crate) struct KeyedList<T> {
    items: Vec<T>,
    index: Option<Box<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    places: HashTable<usize>,
    hasher: RandomState,
}

impl<T> Default for KeyedList<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            index: None,
        }
    }
}

impl<T: Keyed> KeyedList<T> {
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn into_items(self) -> Vec<T> {
        self.items
    }

    pub(crate) fn get(&self, store: StoreId, key: &[u8]) -> Option<&T> {
        self.place(store, key).map(|place| &self.items[place])
    }

    /// Inserts an item and returns the one that it replaced: the one with the same key.
    pub(crate) fn insert(&mut self, item: T) -> Option<T> {
        if let Some(place) = self.place(item.store(), item.key_bytes()) {
            return Some(std::mem::replace(&mut self.items[place], item));
        }
        self.items.push(item);
        let place = self.items.len() - 1;
        match &mut self.index {
            Some(index) => index.add(&self.items, place),
            None if place == UNINDEXED => {
                let index = self.index.insert(Box::default());
                (0..=place).for_each(|place| index.add(&self.items, place));
            }
            None => {}
        }
        None
    }

    fn place(&self, store: StoreId, key: &[u8]) -> Option<usize> {
        match &self.index {
            None => self.items.iter().position(|item| item.is(store, key)),
            Some(index) => {
                let hash = index.hash(store, key);
                index
                    .places
                    .find(hash, |place| self.items[*place].is(store, key))
                    .copied()
            }
        }
    }
}

impl Index {
    fn hash(&self, store: StoreId, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(store.index());
        hasher.write(key);
        hasher.finish()
    }

    fn add<T: Keyed>(&mut self, items: &[T], place: usize) {
        let Self { places, hasher } = self;
        let hash = |place: &usize| {
            let item = &items[*place];
            let mut hasher = hasher.build_hasher();
            hasher.write_u32(item.store().index());
            hasher.write(item.key_bytes());
            hasher.finish()
        };
        places.insert_unique(hash(&place), place, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Write;

    #[test]
    fn items_are_found_and_replaced_below_and_above_the_size_that_needs_an_index() {
        let mut list = KeyedList::default();
        let key = |number: u32| (StoreId::new(number % 2), format!("key-{}", number / 2));
        for count in 0..50 {
            for number in 0..count {
                let (store, name) = key(number);
                let found = list
                    .get(store, name.as_bytes())
                    .map(|write: &Write| write.value().map(<[u8]>::to_vec));
                assert_eq!(
                    found,
                    Some(Some(number.to_be_bytes().to_vec())),
                    "of {count}"
                );
            }
            let (store, name) = key(count);
            assert!(list.get(store, name.as_bytes()).is_none());
            assert!(list.insert(Write::set(store, &name, b"first")).is_none());
            assert_eq!(
                list.insert(Write::set(store, &name, &count.to_be_bytes()))
                    .unwrap()
                    .value(),
                Some(&b"first"[..])
            );
        }
        assert_eq!(list.items().len(), 50);
    }
}
