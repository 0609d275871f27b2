//! A segmented table of indices: it finds the places in a vector where something with a given hash stands.
//!
//! An entry is 8 bytes: the index, and 32 bits of the hash. The vector holds what is compared; it is read
//! only where those 32 bits are equal, and never when the table grows.

use crate::segmented_table::{Hashed, SegmentedTable};

/// The upper half of a 64-bit hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShortHash(u32);

impl From<u64> for ShortHash {
    #[inline]
    fn from(hash: u64) -> Self {
        Self((hash >> 32) as u32)
    }
}

impl ShortHash {
    /// The 64-bit hash that the table goes by: the product with 2^64 divided by the golden ratio spreads
    /// 32 bits over all 64.
    #[inline]
    fn widened(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

#[derive(Clone, Copy, Debug)]
struct IndexEntry {
    hash: ShortHash,
    index: u32,
}

impl Hashed for IndexEntry {
    #[inline]
    fn hash(&self) -> u64 {
        self.hash.widened()
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct IndexTable(SegmentedTable<IndexEntry>);

impl IndexTable {
    /// Bytes of memory that one entry takes at most: a table that has just grown is half empty.
    pub(crate) const ENTRY_BYTES: usize = 2 * size_of::<IndexEntry>();

    /// The first index stored under this hash that `is_wanted` accepts.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: ShortHash,
        mut is_wanted: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let found =
            self.0.find(hash.widened(), |entry| entry.hash == hash && is_wanted(entry.index));
        found.map(|entry| entry.index)
    }

    /// Adds an index. The caller knows that it is not in the table yet.
    pub(crate) fn insert(&mut self, hash: ShortHash, index: u32) {
        self.0.insert(IndexEntry { hash, index });
    }

    /// Takes out the first index stored under this hash that `is_wanted` accepts.
    pub(crate) fn remove(
        &mut self,
        hash: ShortHash,
        mut is_wanted: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let wanted = |entry: &IndexEntry| entry.hash == hash && is_wanted(entry.index);
        self.0.remove(hash.widened(), wanted).map(|entry| entry.index)
    }

    /// Bytes that it takes, with room for more.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// How many indices there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_of_one_hash_are_told_apart() {
        let mut table = IndexTable::default();
        let hash = ShortHash::from(7 << 32);
        (0..3).for_each(|index| table.insert(hash, index));
        table.insert(ShortHash::from(8 << 32), 9);
        let mut seen = Vec::new();
        assert_eq!(
            table.find(hash, |index| {
                seen.push(index);
                false
            }),
            None
        );
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "all of this hash and no other");
        assert_eq!(table.remove(hash, |index| index == 1), Some(1));
        assert_eq!(table.find(hash, |index| index == 1), None);
        assert_eq!((table.find(hash, |index| index == 2), table.len()), (Some(2), 3));
    }
}
