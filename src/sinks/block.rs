//! Blocks: how rows travel, in memory and on disk.
//!
//! A block is a run of encoded rows, one after another, and their number. An ingest worker fills blocks; the
//! spooler sets the final times and numbers of their rows. Pure data; a block must not know where it goes.

use crate::metric::Sample;
use crate::planted::{self, Fault};
use crate::sinks::row::Row;
use crate::sinks::row::encode::{self, Stamp};
use crate::text::labels::ConstantLabel;

/// Rows, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The rows, each as [`Row`] lays it out.
    bytes: Vec<u8>,
    /// How many rows were put in. The bytes may hold fewer if they were damaged.
    row_count: u32,
}

impl Block {
    /// A block that was written before, as its bytes and their number of rows. Whether the bytes can be read as
    /// rows is for [`Self::is_readable`] to say.
    pub fn from_encoded(bytes: Vec<u8>, row_count: u32) -> Self {
        Self { bytes, row_count }
    }

    /// No rows yet, with memory for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), row_count: 0 }
    }

    /// Whether so many bytes more need no more memory.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= self.bytes.capacity()
    }

    /// Gives memory back that no row takes.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Appends the row of a message that was received at this time; `constants` override its labels.
    pub fn push(&mut self, time_ns: u64, sample: &Sample<'_>, constants: &[ConstantLabel]) {
        encode::encode(&mut self.bytes, time_ns, sample, constants);
        self.row_count += 1;
    }

    /// Appends a row of another block.
    pub fn push_row(&mut self, row: &Row<'_>) {
        self.push_encoded(row.encoded(), 1);
    }

    /// Appends rows of another block as they stand there.
    pub fn push_encoded(&mut self, bytes: &[u8], row_count: u32) {
        self.bytes.extend_from_slice(bytes);
        self.row_count += row_count;
    }

    /// The encoded rows.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many rows were put in.
    pub fn row_count(&self) -> u32 {
        self.row_count
    }

    /// Whether no row was put in.
    pub fn is_empty(&self) -> bool {
        self.row_count == 0
    }

    /// Whether all rows that were put in can be read.
    pub fn is_readable(&self) -> bool {
        self.iter().count() == self.row_count as usize
    }

    /// The rows, up to the first that cannot be read.
    pub fn iter(&self) -> Rows<'_> {
        self.iter_from(0)
    }

    /// The rows behind the first `offset` bytes, which must end with a row.
    pub fn iter_from(&self, offset: usize) -> Rows<'_> {
        Rows { rest: &self.bytes[offset..] }
    }

    /// Sets the final time and the number of each row.
    pub fn stamp(&mut self, stamps: &mut Stamps) {
        let mut at = 0;
        let mut stamp = |received_ns| stamps.next(received_ns);
        while let Some(bytes) = self.bytes.get_mut(at..)
            && let Some(length) = encode::restamp(bytes, &mut stamp)
        {
            at += length;
        }
    }
}

impl<'a> IntoIterator for &'a Block {
    type Item = Row<'a>;
    type IntoIter = Rows<'a>;

    fn into_iter(self) -> Rows<'a> {
        self.iter()
    }
}

/// Allots times and numbers to the rows of one sink.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    last_ns: u64,
    last_seq: u64,
}

impl Stamps {
    /// The next row gets a time after `last_ns`, and the number after `last_seq`.
    pub fn new(last_ns: u64, last_seq: u64) -> Self {
        Self { last_ns, last_seq }
    }

    /// The stamp of a row that was received at this time. Its time is that one; but if an earlier row has that
    /// time or a later one, it is the nanosecond after the earlier row's, so that times rise from row to row.
    fn next(&mut self, received_ns: u64) -> Stamp {
        self.last_ns = received_ns.max(self.last_ns + 1);
        if planted::is(Fault::StampsFollowClock) {
            self.last_ns = received_ns;
        }
        if !planted::is(Fault::SeqStandsStill) {
            self.last_seq = self.last_seq.wrapping_add(1);
        }
        Stamp { time_ns: self.last_ns, seq: self.last_seq }
    }
}

/// Iterates over the rows of a block, up to the first that cannot be read.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let (row, rest) = Row::decode(self.rest)?;
        self.rest = rest;
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::sinks::row::tests::sample;

    fn block(rows: &[(u64, &str)]) -> Block {
        let mut block = Block::default();
        for (time_ns, name) in rows {
            block.push(*time_ns, &sample(Op::Raw, name, &[]), &[]);
        }
        block
    }

    #[test]
    fn rows_come_back_with_rising_times_and_their_own_numbers() {
        let mut stamps = Stamps::new(10, u64::MAX - 1);
        let mut block = block(&[(5, "a"), (5, ""), (40, "ccc"), (12, "é")]);
        block.stamp(&mut stamps);
        let rows: Vec<_> = block.iter().map(|row| (row.time_ns, row.seq, row.name)).collect();
        assert_eq!(rows, [(11, u64::MAX, "a"), (12, 0, ""), (40, 1, "ccc"), (41, 2, "é")]);
        assert_eq!(stamps.last_ns, 41);
        let mut copy = Block::default();
        block.iter().for_each(|row| copy.push_row(&row));
        assert_eq!(copy, block);
    }

    #[test]
    fn a_cut_block_ends_at_its_last_whole_row() {
        let whole = block(&[(1, "abc"), (2, "def")]);
        for len in 0..whole.bytes.len() {
            let cut = Block::from_encoded(whole.bytes[..len].to_vec(), 2);
            assert_eq!(cut.iter().count(), usize::from(len >= whole.bytes.len() / 2), "{len}");
            assert!(!cut.is_readable());
        }
        assert!(whole.is_readable());
    }
}
