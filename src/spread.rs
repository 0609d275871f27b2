//! A hash table in parts, so that growing it never stalls for long.
//!
//! A table of a million entries takes tens of milliseconds to grow, during which its thread does nothing
//! else. In 64 parts each grows at its own time and takes a 64th of that. Entries carry enough of
//! their hash to be placed again: growing visits nothing behind them.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

/// Parts, chosen by high bits of the hash; the tables themselves go by the others.
const PARTS_LOG2: u32 = 6;

/// An entry that can be placed again.
pub(crate) trait Hashed {
    /// The hash that it was inserted with.
    fn hash(&self) -> u64;
}

/// The table.
#[derive(Debug)]
pub(crate) struct Spread<T> {
    parts: Box<[HashTable<T>]>,
    len: usize,
}

impl<T: Hashed> Default for Spread<T> {
    fn default() -> Self {
        Self { parts: (0..1 << PARTS_LOG2).map(|_| HashTable::new()).collect(), len: 0 }
    }
}

/// Bits 51 to 56: below the seven that a table tags its entries with, above those that place them.
fn part(hash: u64) -> usize {
    ((hash >> (57 - PARTS_LOG2)) & ((1 << PARTS_LOG2) - 1)) as usize
}

impl<T: Hashed> Spread<T> {
    /// The entry with this hash that `is` wanted.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[part(hash)].find(hash, is)
    }

    /// Makes room for one more with this hash: [`Self::insert`] does not fail then.
    pub(crate) fn reserve(&mut self, hash: u64) {
        self.parts[part(hash)].reserve(1, Hashed::hash);
    }

    /// Adds an entry that is not there yet.
    pub(crate) fn insert(&mut self, entry: T) {
        let hash = entry.hash();
        self.parts[part(hash)].insert_unique(hash, entry, Hashed::hash);
        self.len += 1;
    }

    /// Takes out the entry with this hash that `is` wanted.
    pub(crate) fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<T> {
        let found = self.parts[part(hash)].find_entry(hash, is).ok().map(OccupiedEntry::remove);
        let (entry, _) = found?;
        self.len -= 1;
        Some(entry)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(u64);

    impl Hashed for Number {
        fn hash(&self) -> u64 {
            self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
    }

    #[test]
    fn entries_are_found_and_removed_in_all_parts() {
        let mut table = Spread::default();
        (0..10_000).for_each(|n| table.insert(Number(n)));
        assert_eq!(table.len(), 10_000);
        assert!(table.parts.iter().all(|part| part.len() > 50), "parts are uneven");
        for n in 0..10_000 {
            let hash = Number(n).hash();
            assert!(table.find(hash, |other| other.0 == n).is_some());
            assert_eq!(table.remove(hash, |other| other.0 == n).map(|other| other.0), Some(n));
            assert!(table.remove(hash, |other| other.0 == n).is_none());
        }
        assert!(table.is_empty());
    }
}
