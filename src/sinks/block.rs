//! Blocks: how rows travel, in memory and on disk.
//!
//! ```text
//! row │ length of the text u32 │ time_ns u64 │ seq u64 │ text │        little endian, no padding
//! ```
//!
//! A worker leaves `seq` open, the spooler sets it with the final time. Pure data; it must not know where
//! blocks go.

use crate::sinks::Row;

/// Bytes before a row's text.
pub(crate) const HEAD_BYTES: usize = 4 + 8 + 8;

/// Rows, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The rows as laid out above.
    pub bytes: Vec<u8>,
    /// How many.
    pub rows: u32,
}

impl Block {
    /// Appends a row, whose text `write` appends.
    pub fn push(&mut self, time_ns: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&time_ns.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        write(&mut self.bytes);
        // A text has the length of a message, give or take its labels: far from 4 GiB.
        let len = u32::try_from(self.bytes.len() - start - HEAD_BYTES).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
        self.rows += 1;
    }

    /// Appends a row that has its time and number.
    pub fn push_row(&mut self, row: &Row<'_>) {
        let start = self.bytes.len();
        self.push(row.time_ns, |bytes| bytes.extend_from_slice(row.text.as_bytes()));
        self.bytes[start + 12..start + HEAD_BYTES].copy_from_slice(&row.seq.to_le_bytes());
    }

    /// The rows, as far as the bytes can be read as such.
    pub fn iter(&self) -> Rows<'_> {
        Rows { rest: &self.bytes }
    }

    /// The rows behind the first `offset` bytes, which are rows as well.
    pub fn iter_from(&self, offset: usize) -> Rows<'_> {
        Rows { rest: self.bytes.get(offset..).unwrap_or_default() }
    }

    /// Gives each row its number, and its final time: that of its coming, or if a row with this time or
    /// a later one went before, the next nanosecond.
    pub fn stamp(&mut self, stamps: &mut Stamps) {
        let mut at = 0;
        while let Some(head) = self.bytes.get_mut(at..at + HEAD_BYTES) {
            let (len, stamp) = head.split_at_mut(4);
            let (time, seq) = stamp.split_at_mut(8);
            let (time_ns, number) = stamps.next(u64::from_le_bytes(array(time)));
            time.copy_from_slice(&time_ns.to_le_bytes());
            seq.copy_from_slice(&number.to_le_bytes());
            at += HEAD_BYTES + u32::from_le_bytes(array(len)) as usize;
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

/// Times and numbers of one sink's rows.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    /// The last row's time.
    pub last_ns: u64,
    /// The next row's number.
    pub next_seq: u64,
}

impl Stamps {
    fn next(&mut self, came_ns: u64) -> (u64, u64) {
        self.last_ns = came_ns.max(self.last_ns + 1);
        self.next_seq = self.next_seq.wrapping_add(1);
        (self.last_ns, self.next_seq)
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
        let (head, rest) = self.rest.split_at_checked(HEAD_BYTES)?;
        let len = u32::from_le_bytes(array(&head[..4])) as usize;
        let (text, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Row {
            time_ns: u64::from_le_bytes(array(&head[4..12])),
            seq: u64::from_le_bytes(array(&head[12..])),
            text: std::str::from_utf8(text).ok()?,
        })
    }
}

/// The first `N` bytes, which the caller has checked to be there.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(rows: &[(u64, &str)]) -> Block {
        let mut block = Block::default();
        for (time_ns, text) in rows {
            block.push(*time_ns, |bytes| bytes.extend_from_slice(text.as_bytes()));
        }
        block
    }

    #[test]
    fn rows_come_back_with_rising_times_and_their_own_numbers() {
        let mut stamps = Stamps { last_ns: 10, next_seq: u64::MAX };
        let mut block = block(&[(5, "a"), (5, ""), (40, "ccc"), (12, "é")]);
        block.stamp(&mut stamps);
        let rows: Vec<_> = block.iter().map(|row| (row.time_ns, row.seq, row.text)).collect();
        assert_eq!(rows, [(11, 0, "a"), (12, 1, ""), (40, 2, "ccc"), (41, 3, "é")]);
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
