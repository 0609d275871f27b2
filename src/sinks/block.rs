//! Blocks: how rows travel, in memory and on disk. A block is rows, one after another.
//!
//! A worker fills blocks, the spooler gives their rows final times and numbers. Pure data; it must not know
//! where blocks go.

use crate::metric::Sample;
use crate::sinks::row::{self, Row};
use crate::text::labels::ConstantLabel;

/// Rows, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The rows, each as [`Row`] lays it out.
    pub bytes: Vec<u8>,
    /// How many.
    pub rows: u32,
}

impl Block {
    /// Appends the row of a message that came at this time; `constants` override its labels.
    pub fn push(&mut self, time_ns: u64, sample: &Sample<'_>, constants: &[ConstantLabel]) {
        row::encode(&mut self.bytes, time_ns, sample, constants);
        self.rows += 1;
    }

    /// Appends a row of another block.
    pub fn push_row(&mut self, row: &Row<'_>) {
        self.bytes.extend_from_slice(row.encoded());
        self.rows += 1;
    }

    /// The rows, as far as the bytes can be read as such.
    pub fn iter(&self) -> Rows<'_> {
        self.iter_from(0)
    }

    /// The rows behind the first `offset` bytes, which are rows as well.
    pub fn iter_from(&self, offset: usize) -> Rows<'_> {
        Rows { rest: &self.bytes[offset..] }
    }

    /// Gives each row its number, and its final time: that of its coming, or if a row with this time or
    /// a later one went before, the next nanosecond.
    pub fn stamp(&mut self, stamps: &mut Stamps) {
        let mut at = 0;
        let mut stamp = |came_ns| stamps.next(came_ns);
        while let Some(bytes) = self.bytes.get_mut(at..)
            && let Some(length) = row::restamp(bytes, &mut stamp)
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

/// Allots times and numbers to one sink's rows.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    last_ns: u64,
    last_seq: u64,
}

impl Stamps {
    /// The next row gets a time after `last_ns` and the number after `last_seq`.
    pub fn new(last_ns: u64, last_seq: u64) -> Self {
        Self { last_ns, last_seq }
    }

    /// The time and the number of a row that came at `came_ns`.
    fn next(&mut self, came_ns: u64) -> (u64, u64) {
        self.last_ns = came_ns.max(self.last_ns + 1);
        self.last_seq = self.last_seq.wrapping_add(1);
        (self.last_ns, self.last_seq)
    }
}

/// Iterates over rows.
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
pub(crate) mod tests {
    use super::*;
    use crate::metric::{BucketParams, Label, Op};

    /// A message with this op, name and labels, and else nothing.
    pub(crate) fn sample<'a>(op: Op, name: &'a str, labels: &'a [Label<'a>]) -> Sample<'a> {
        Sample {
            op,
            name,
            labels,
            help: "",
            value: 1.0,
            buckets: BucketParams::default(),
            timestamp: None,
            index: "",
        }
    }

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
            let cut = Block { bytes: whole.bytes[..len].to_vec(), rows: 2 };
            assert_eq!(cut.iter().count(), usize::from(len >= whole.bytes.len() / 2), "{len}");
        }
    }
}
