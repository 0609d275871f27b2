//! A hash table in segments, so that no insertion or removal stalls its thread for long.
//!
//! A hash table of a million entries takes tens of milliseconds to grow, and its thread does nothing else
//! meanwhile. Here there are 64 tables; each grows when it is full itself, and moves a 64th of the entries.
//! An entry carries its own hash, so that growing reads nothing but the table.
//!
//! Runs on whichever thread owns the table; it knows nothing of what the entries stand for.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

use crate::capacity;

/// The number of segments is 2 to the power of this.
const SEGMENTS_LOG2: u32 = 6;

/// An entry that knows the hash which it is stored under.
pub(crate) trait Hashed {
    /// That hash.
    fn hash(&self) -> u64;
}

/// The table.
#[derive(Debug)]
pub(crate) struct SegmentedTable<T> {
    segments: Box<[HashTable<T>]>,
    len: usize,
    /// Bytes that the segments have allocated.
    bytes: usize,
}

impl<T: Hashed> Default for SegmentedTable<T> {
    fn default() -> Self {
        Self {
            segments: (0..1 << SEGMENTS_LOG2).map(|_| HashTable::new()).collect(),
            len: 0,
            bytes: 0,
        }
    }
}

/// The segment of a hash: its bits 51 to 56. hashbrown tags entries with the seven bits above them, and
/// chooses the bucket by the lowest bits, so these six are free.
fn segment(hash: u64) -> usize {
    ((hash >> (57 - SEGMENTS_LOG2)) & ((1 << SEGMENTS_LOG2) - 1)) as usize
}

impl<T: Hashed> SegmentedTable<T> {
    /// The first entry with this hash that `is_wanted` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_wanted: impl FnMut(&T) -> bool) -> Option<&T> {
        self.segments[segment(hash)].find(hash, is_wanted)
    }

    /// Makes room for one more entry with this hash, so that the next [`Self::insert`] cannot fail.
    pub(crate) fn reserve(&mut self, hash: u64) {
        self.change(hash, |segment| segment.reserve(1, Hashed::hash));
    }

    /// Changes the segment of a hash, and counts what that allocates or frees.
    fn change<R>(&mut self, hash: u64, change: impl FnOnce(&mut HashTable<T>) -> R) -> R {
        let segment = &mut self.segments[segment(hash)];
        let before = segment.allocation_size();
        let result = change(segment);
        self.bytes = self.bytes + segment.allocation_size() - before;
        result
    }

    /// Adds an entry. The caller knows that it is not in the table yet.
    pub(crate) fn insert(&mut self, entry: T) {
        let hash = entry.hash();
        self.change(hash, |segment| {
            segment.insert_unique(hash, entry, Hashed::hash);
        });
        self.len += 1;
    }

    /// Takes out the first entry with this hash that `is_wanted` accepts.
    pub(crate) fn remove(&mut self, hash: u64, is_wanted: impl FnMut(&T) -> bool) -> Option<T> {
        let entry = self.change(hash, |segment| {
            let found = segment.find_entry(hash, is_wanted);
            let (entry, _) = found.ok().map(OccupiedEntry::remove)?;
            if let Some(capacity) = capacity::to_shrink_to(segment.capacity(), segment.len()) {
                segment.shrink_to(capacity, Hashed::hash);
            }
            Some(entry)
        })?;
        self.len -= 1;
        Some(entry)
    }

    /// Bytes that its entries take, with room for more.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestEntry(u64);

    impl Hashed for TestEntry {
        fn hash(&self) -> u64 {
            self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
    }

    #[test]
    fn entries_are_found_and_removed_in_all_segments() {
        let mut table = SegmentedTable::default();
        (0..10_000).for_each(|n| table.insert(TestEntry(n)));
        assert_eq!(table.len(), 10_000);
        assert!(table.segments.iter().all(|segment| segment.len() > 50), "segments are uneven");
        for n in 0..10_000 {
            let hash = TestEntry(n).hash();
            assert!(table.find(hash, |other| other.0 == n).is_some());
            assert_eq!(table.remove(hash, |other| other.0 == n).map(|other| other.0), Some(n));
            assert!(table.remove(hash, |other| other.0 == n).is_none());
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn bytes_are_those_of_all_segments() {
        let mut table = SegmentedTable::default();
        let most = |table: &SegmentedTable<TestEntry>| {
            assert_eq!(
                table.bytes(),
                table.segments.iter().map(HashTable::allocation_size).sum::<usize>()
            );
            table.bytes()
        };
        assert_eq!(most(&table), 0);
        (0..50_000).for_each(|n| table.insert(TestEntry(n)));
        assert!(most(&table) > 50_000 * size_of::<TestEntry>());
        for n in 0..50_000 {
            assert!(table.remove(TestEntry(n).hash(), |other| other.0 == n).is_some());
        }
        assert!(most(&table) < 64 * 1024, "an empty table has given its memory back");
    }
}
