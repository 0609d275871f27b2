//! What is known of a segment without looking at its file. Pure data.

use super::segment_file::{HEAD_BYTES, SegmentContents};

/// A place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentPosition {
    /// The number of the segment.
    pub(crate) number: u64,
    /// Bytes from the beginning of its file.
    pub(crate) offset: u64,
}

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    number: u64,
    /// Where undelivered rows begin.
    position: u64,
    end: u64,
    undelivered_rows: u64,
}

impl Segment {
    /// A new segment, into which so many rows were written; its frames end at `end`.
    pub(crate) fn new(number: u64, end: u64, rows: u64) -> Self {
        Self { number, position: HEAD_BYTES, end, undelivered_rows: rows }
    }

    /// A segment whose file was found at start with these contents.
    pub(super) fn found(number: u64, contents: &SegmentContents) -> Self {
        let SegmentContents { position, end, rows, .. } = *contents;
        Self { number, position, end, undelivered_rows: rows }
    }

    /// The number, which names the file.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Where undelivered rows begin.
    pub(crate) fn position(&self) -> SegmentPosition {
        SegmentPosition { number: self.number, offset: self.position }
    }

    /// Where the last whole frame ends.
    pub(crate) fn end(&self) -> SegmentPosition {
        SegmentPosition { number: self.number, offset: self.end }
    }

    /// The size of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Rows that are not delivered.
    pub fn undelivered_rows(&self) -> u64 {
        self.undelivered_rows
    }

    /// Whether all frames lie before the position.
    pub(crate) fn is_done(&self) -> bool {
        self.position >= self.end
    }

    /// Notes that so many rows were appended, up to `end`. Returns by how many bytes the segment grew.
    pub(crate) fn grow(&mut self, end: u64, rows: u64) -> u64 {
        self.undelivered_rows += rows;
        end - std::mem::replace(&mut self.end, end)
    }

    /// Notes that so many more rows are settled, and that undelivered ones begin at `position`.
    pub(crate) fn settle(&mut self, position: u64, rows: u64) {
        self.undelivered_rows = self.undelivered_rows.saturating_sub(rows);
        self.position = position;
    }
}
