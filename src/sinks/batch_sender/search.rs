//! A batch while it is sent: the parts that are left of it, and the rows that got no verdict even alone.
//!
//! Pure data. A row without a verdict is not held against it as long as no other row of its time was judged: then it
//! is the far end that does not work. So after some such rows, one after another, the search begins anew.

use std::collections::{HashSet, VecDeque};

use super::part::Part;
use crate::sinks::block::Block;

/// After how many rows without a verdict, one after another, the search begins anew; twice as many each time, up to
/// the second number. That many rows that stand together can be found.
const ALONE_FIRST: usize = 4;
const ALONE_MAX: usize = 64;

/// What is left of a batch.
#[derive(Debug)]
pub(super) struct Search {
    /// In order.
    parts: VecDeque<Part>,
    /// Single rows that got no verdict, in order.
    alone: Vec<Block>,
    /// How many of those had come when the last other row was judged.
    alone_before_verdict: usize,
    alone_max: usize,
    /// The kin of rows that were taken since the batch was cut.
    taken: HashSet<u64, ahash::RandomState>,
}

/// A single row without a verdict, at the end of the search.
#[derive(Debug)]
pub(super) struct RowAlone {
    pub(super) row: Block,
    /// What was taken of the same batch.
    pub(super) taken: Taken,
}

/// Which other rows the far end took, while one got no verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taken {
    /// None.
    #[default]
    None,
    /// Some of other kin: those of the row's own may be treated differently.
    Others,
    /// Some of the row's kin.
    Kin,
}

impl Taken {
    /// What this set of kin means for a row of this kin.
    pub(super) fn of(taken: &HashSet<u64, ahash::RandomState>, kin: u64) -> Self {
        if taken.contains(&kin) {
            Self::Kin
        } else if taken.is_empty() {
            Self::None
        } else {
            Self::Others
        }
    }
}

impl Search {
    /// A batch that was not sent yet.
    pub(super) fn new(rows: Block) -> Self {
        Self {
            parts: VecDeque::from([Part::new(rows)]),
            alone: Vec::new(),
            alone_before_verdict: 0,
            alone_max: ALONE_FIRST,
            taken: HashSet::default(),
        }
    }

    /// The part that is to be sent next.
    pub(super) fn next(&mut self) -> Option<Part> {
        self.parts.pop_front()
    }

    /// Puts a part back to its place at the front; an empty one is dropped.
    pub(super) fn put_back(&mut self, part: Part) {
        if !part.rows.is_empty() {
            self.parts.push_front(part);
        }
    }

    /// Puts parts, which are in order, to the front.
    pub(super) fn put_all_back(&mut self, parts: impl DoubleEndedIterator<Item = Part>) {
        parts.rev().for_each(|part| self.parts.push_front(part));
    }

    /// Notes that the far end judged rows, and took those of this kin.
    pub(super) fn judged(&mut self, taken: impl IntoIterator<Item = u64>) {
        self.alone_before_verdict = self.alone.len();
        self.alone_max = ALONE_FIRST;
        self.taken.extend(taken);
    }

    /// Puts a single row without a verdict aside. Returns whether the search goes on; if not, the rows that were put
    /// aside since the last verdict are back in their place.
    pub(super) fn put_aside(&mut self, row: Block) -> bool {
        self.alone.push(row);
        let in_a_row = self.alone.len() - self.alone_before_verdict;
        if in_a_row < self.alone_max || self.alone_max >= ALONE_MAX {
            return true;
        }
        self.alone_max *= 2;
        let unjudged = self.alone.drain(self.alone_before_verdict..);
        self.parts.push_front(Part::joined(unjudged));
        false
    }

    /// Bytes of the rows that are put aside.
    pub(super) fn aside_bytes(&self) -> usize {
        self.alone.iter().map(|row| row.bytes().len()).sum()
    }

    /// All rows that are left, in order as far as they have one.
    pub(super) fn into_left(self) -> Vec<Block> {
        self.alone.into_iter().chain(self.parts.into_iter().map(|part| part.rows)).collect()
    }

    /// The rows that were put aside, once no part is left. `kin` tells the kin of a row.
    pub(super) fn into_alone(self, kin: impl Fn(&Block) -> u64) -> Vec<RowAlone> {
        let Self { alone, taken, .. } = self;
        let with_taken = alone.into_iter().map(|row| {
            let taken = Taken::of(&taken, kin(&row));
            RowAlone { row, taken }
        });
        with_taken.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::sinks::row::tests::sample;

    fn row(time_ns: u64) -> Block {
        let mut row = Block::default();
        row.push(time_ns, &sample(Op::Raw, "r", &[]), &[]);
        row
    }

    #[test]
    fn a_far_end_that_judges_nothing_convicts_nobody_and_the_order_stays() {
        let mut search = Search::new(row(9));
        for patience in [4, 8, 16, 32] {
            for time_ns in 1..patience {
                assert!(search.put_aside(row(time_ns)), "{patience}");
            }
            assert!(!search.put_aside(row(patience)));
            let back = search.next().unwrap();
            let times: Vec<_> = back.rows.iter().map(|row| row.time_ns).collect();
            assert_eq!(times, (1..=patience).collect::<Vec<_>>());
        }
        // From here on rows that stand together are taken to be of one kind.
        assert!((0..100).all(|time_ns| search.put_aside(row(time_ns))));
    }

    #[test]
    fn a_verdict_for_others_confirms_what_was_put_aside() {
        let mut search = Search::new(row(9));
        assert!(search.put_aside(row(1)) && search.put_aside(row(2)));
        search.judged([7]);
        assert!((3..6).all(|time_ns| search.put_aside(row(time_ns))));
        assert!(!search.put_aside(row(6)));
        assert_eq!(search.next().unwrap().rows.row_count(), 4);
        let alone = search.into_alone(|row| row.iter().next().unwrap().time_ns + 5);
        let taken: Vec<_> = alone.iter().map(|alone| alone.taken).collect();
        assert_eq!(taken, [Taken::Others, Taken::Kin]);
    }
}
