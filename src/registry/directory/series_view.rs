//! A series on the page: its cells, and the sum of those that were given up and folded (see `expiry`).
//!
//! Runs on the exporter's threads, behind the directory's lock.

use std::sync::Arc;

use crate::metric::Kind;
use crate::planted::{self, Fault};
use crate::registry::cell::{self, CounterReading};
use crate::registry::cells::Cells;
use crate::registry::exact_sum::ExactSum;
use crate::registry::series::{Family, Series};
use crate::registry::slab::CellRef;
use crate::registry::total::Total;
use crate::sync as atomic;

/// The sum of all folded cells of a series.
#[derive(Debug)]
struct Base {
    total: Total,
    /// Time of the last sample in any of them.
    stamp_ns: u64,
}

/// The number of a counter or gauge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A number known to be whole. It is shown as the float nearest to it.
    Whole(u64),
    /// Any other number.
    Float(f64),
}

/// A series on the page.
#[derive(Debug)]
pub struct SeriesView {
    pub(in crate::registry) series: Arc<Series>,
    cells: Cells,
    base: Option<Box<Base>>,
}

impl SeriesView {
    /// A series with its first cell.
    pub(super) fn new(series: Arc<Series>, cell: CellRef) -> Self {
        Self { series, cells: Cells::One(cell), base: None }
    }

    /// One that only fills a place until another takes it.
    pub(super) fn placeholder(series: Arc<Series>) -> Self {
        Self { series, cells: Cells::None, base: None }
    }

    /// Adds the cell of a further worker.
    pub(super) fn add_cell(&mut self, cell: CellRef) {
        self.cells.push(cell);
    }

    /// The label text.
    pub fn text(&self) -> &[u8] {
        &self.series.text
    }

    /// The series.
    pub fn series(&self) -> &Arc<Series> {
        &self.series
    }

    /// The family.
    pub fn family(&self) -> &Family {
        &self.series.family
    }

    /// The sum of base and cells, now.
    pub fn total(&self) -> Total {
        let family = &self.series.family;
        let mut total = match &self.base {
            Some(base) => base.total.clone(),
            None => Total::new(family.kind, family.bounds.len()),
        };
        for cell in self.cells.as_slice() {
            total.add_cell(cell.words());
        }
        if total.lacks_a_set() {
            // A worker has set the gauge for the first time, and its cell is not merged into the directory yet.
            self.series.set_cells().add_to(&mut total);
        }
        total
    }

    /// The number of a counter or gauge, now.
    #[inline]
    pub fn number(&self) -> Number {
        match (&self.cells, self.series.family.kind) {
            // The most frequent case: what `total` computes is one cell's number.
            (Cells::One(cell), Kind::Counter) if self.base.is_none() => {
                let CounterReading { whole, fraction } = cell::read_counter(cell.words());
                if fraction.to_bits() == 0 {
                    Number::Whole(whole)
                } else {
                    Number::Float(whole as f64 + fraction)
                }
            }
            _ => Number::Float(self.total().value()),
        }
    }

    /// Writes the counts per bucket of a histogram, and the sum of its observations, over what is there.
    pub fn histogram(&self, counts: &mut Vec<u64>, sum: &mut f64) {
        let mut total =
            Total::Histogram { counts: std::mem::take(counts), sum: ExactSum::default() };
        if let Total::Histogram { counts, sum } = &mut total {
            counts.clear();
            match self.base.as_deref().map(|base| &base.total) {
                Some(Total::Histogram { counts: folded, sum: folded_sum }) => {
                    counts.extend_from_slice(folded);
                    *sum = *folded_sum;
                }
                _ => counts.resize(self.series.family.bounds.len() + 1, 0),
            }
        }
        self.cells.as_slice().iter().for_each(|cell| total.add_cell(cell.words()));
        if let Total::Histogram { counts: read, sum: exact } = total {
            (*counts, *sum) = (read, exact.value());
        }
    }

    /// Time of the last sample in ns of the monotonic clock.
    pub(in crate::registry) fn stamp_ns(&self) -> u64 {
        let cells = self.cells.as_slice().iter().map(|cell| cell::stamp_ns(cell.words()));
        let base = self.base.iter().map(|base| base.stamp_ns);
        cells
            .chain(base)
            .max()
            .expect("a series has a cell, or a base once its last cell is folded")
    }

    /// When it was born, if it had no sample since, as far as owners and the time of samples tell.
    pub(in crate::registry) fn singleton_since_ns(&self) -> Option<u64> {
        self.series.born_ns().filter(|&born_ns| born_ns == self.stamp_ns())
    }

    /// Whether cells of it are requested.
    pub(in crate::registry) fn is_requested(&self) -> bool {
        self.series.requested.load(atomic::Ordering::Relaxed) > 0
    }

    /// The cells that are not folded.
    pub(in crate::registry) fn cells(&self) -> &[CellRef] {
        self.cells.as_slice()
    }

    /// Adds a given-up cell to the base and forgets it.
    pub(in crate::registry) fn fold(&mut self, cell: &CellRef) {
        let family = &self.series.family;
        let base = self.base.get_or_insert_with(|| {
            Box::new(Base { total: Total::new(family.kind, family.bounds.len()), stamp_ns: 0 })
        });
        if !planted::is(Fault::SharesExpire) {
            base.total.add_cell(cell.words());
        }
        base.stamp_ns = base.stamp_ns.max(cell::stamp_ns(cell.words()));
        self.series.retire(cell);
        self.cells.remove(cell);
    }
}
