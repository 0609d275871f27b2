//! Rows that go in one request, and the parts that a batch is cut into. Pure data.

use crate::sinks::block::Block;

/// Into how many pieces a part without a verdict is cut. Each of them may cost a time-out, but only the one with the
/// culprit does: with eight, a row of 5,000 is alone after five of them, with two after thirteen.
const PIECES: u32 = 8;

/// Rows that go in one request.
#[derive(Debug)]
pub(super) struct Part {
    /// In order.
    pub(super) rows: Block,
    /// How many requests with these rows, one after another, got no verdict.
    pub(super) no_verdicts: u32,
    /// How many requests, one after another, were answered with "later" for all of these rows.
    pub(super) later: u32,
    /// Whether it is a piece of rows that got no verdict together.
    pub(super) is_piece: bool,
    /// Whether others that were sent together with it were taken or refused.
    pub(super) is_rest: bool,
}

impl Part {
    /// Rows of which nothing is known yet.
    pub(super) fn new(rows: Block) -> Self {
        Self { rows, no_verdicts: 0, later: 0, is_piece: false, is_rest: false }
    }

    /// Rows that are left of this part, since they are to come later; `progress` tells whether others of it are settled.
    pub(super) fn rest(&self, rows: Block, progress: bool) -> Self {
        let later = if progress { 0 } else { self.later + 1 };
        Self { later, is_rest: self.is_rest || progress, ..Self::new(rows) }
    }

    /// One part of these runs of rows, which were cut out of one that got no verdict.
    pub(super) fn joined(runs: impl IntoIterator<Item = Block>) -> Self {
        let mut rows = Block::default();
        for run in runs {
            rows.push_encoded(run.bytes(), run.row_count());
        }
        Self { no_verdicts: 1, ..Self::new(rows) }
    }

    /// Both halves, the first one first.
    pub(super) fn halves(self) -> impl DoubleEndedIterator<Item = Self> {
        cut(&self.rows, 2).into_iter().map(Self::new)
    }

    /// Its pieces, in order.
    pub(super) fn pieces(self) -> impl DoubleEndedIterator<Item = Self> {
        let pieces = cut(&self.rows, PIECES).into_iter();
        pieces.map(|rows| Self { no_verdicts: 1, is_piece: true, ..Self::new(rows) })
    }
}

/// The rows in so many runs of nearly one length, without the empty ones.
fn cut(rows: &Block, runs: u32) -> Vec<Block> {
    let length = rows.row_count().div_ceil(runs);
    let mut cut = Vec::new();
    for (row, index) in rows.iter().zip(0..) {
        if index % length == 0 {
            cut.push(Block::default());
        }
        cut.last_mut().expect("the first row begins a run").push_row(&row);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::sinks::row::tests::sample;

    fn rows(count: u64) -> Block {
        let mut rows = Block::default();
        (0..count).for_each(|time_ns| rows.push(time_ns, &sample(Op::Raw, "r", &[]), &[]));
        rows
    }

    fn times(part: &Part) -> Vec<u64> {
        part.rows.iter().map(|row| row.time_ns).collect()
    }

    #[test]
    fn parts_are_cut_in_order_and_lose_no_row() {
        for count in 1..40 {
            for parts in [
                Part::new(rows(count)).halves().collect::<Vec<_>>(),
                Part::new(rows(count)).pieces().collect(),
            ] {
                assert!(parts.iter().all(|part| !part.rows.is_empty()));
                assert!(count == 1 || parts.len() > 1);
                let all: Vec<_> = parts.iter().flat_map(times).collect();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
                let joined = Part::joined(parts.into_iter().map(|part| part.rows));
                assert_eq!(joined.rows, rows(count));
            }
        }
    }
}
