//! One entry of a store: its key, its value and the revision that wrote it, in a single shared allocation.

use std::fmt;

use triomphe::{Arc, ThinArc};

/// Numbers the commits that were applied. Each entry has the revision of the commit that wrote it. Revision 0 stands
/// for an absent entry.
///
/// Each commit has its own revision. A later commit has a greater one.
pub type Revision = u64;

/// An entry. Its clones share one allocation.
///
/// Key and value are behind one thin pointer. An entry with a key of 16 bytes and a value of 100 bytes takes one
/// allocation of 148 bytes, and 9 bytes in the slots of its hash table.
#[derive(Clone)]
pub struct Entry(ThinArc<Header, u8>);

struct Header {
    revision: Revision,
    key_bytes: usize,
}

impl Entry {
    /// Copies `key` and `value` into a new entry.
    #[must_use]
    pub fn new(key: &str, value: &[u8], revision: Revision) -> Self {
        // The allocation is zeroed first and filled then. To fill it at once would take an iterator over single bytes.
        let zeroes = (0..key.len() + value.len()).map(|_| 0);
        let mut record = ThinArc::from_header_and_iter(
            Header {
                revision,
                key_bytes: key.len(),
            },
            zeroes,
        );
        record.with_arc_mut(|record| {
            if let Some(record) = Arc::get_mut(record) {
                let (key_part, value_part) = record.slice_mut().split_at_mut(key.len());
                key_part.copy_from_slice(key.as_bytes());
                value_part.copy_from_slice(value);
            }
        });
        Self(record)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        // The bytes come from a `&str`.
        std::str::from_utf8(self.key_bytes()).unwrap_or_default()
    }

    /// The key as bytes. This skips the check for UTF-8.
    #[must_use]
    pub fn key_bytes(&self) -> &[u8] {
        &self.0.slice[..self.0.header.header.key_bytes]
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.0.slice[self.0.header.header.key_bytes..]
    }

    /// The revision that wrote this entry, or 0 if the write is not committed yet.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.header.header.revision
    }

    /// Length of key and value, in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.0.slice.len()
    }

    /// Changes the revision: in place if nothing else shares the entry, else in a copy.
    pub(crate) fn set_revision(&mut self, revision: Revision) {
        let in_place = self.0.with_arc_mut(|record| {
            Arc::get_mut(record)
                .map(|record| record.header_mut().revision = revision)
                .is_some()
        });
        if !in_place {
            *self = Self::new(self.key(), self.value(), revision);
        }
    }
}

impl fmt::Debug for Entry {
    /// Prints only the length of the value. Values may be secrets of the application, and this output may reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key())
            .field("value_bytes", &self.value().len())
            .field("revision", &self.revision())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_gives_back_what_it_was_made_of() {
        for (key, value) in [
            ("", &b""[..]),
            ("k", b""),
            ("", b"v"),
            ("schlüssel", &[0, 255, 1]),
        ] {
            let entry = Entry::new(key, value, 7);
            assert_eq!(
                (entry.key(), entry.value(), entry.revision()),
                (key, value, 7)
            );
            assert_eq!(entry.len_bytes(), key.len() + value.len());
        }
    }

    #[test]
    fn a_shared_entry_keeps_its_revision_when_a_copy_gets_another() {
        let mut entry = Entry::new("k", b"v", 0);
        let shared = entry.clone();
        entry.set_revision(9);
        assert_eq!((shared.revision(), entry.revision()), (0, 9));
        assert_eq!((entry.key(), entry.value()), ("k", &b"v"[..]));
        entry.set_revision(10);
        assert_eq!(entry.revision(), 10);
    }
}
