//! A series on the page: its cells, and what is folded of those given up.
//!
//! Runs on the exporter's threads, behind the directory's lock.

use std::sync::Arc;

use crate::metric::Kind;
use crate::registry::birth::{Family, Series};
use crate::registry::cell::{self, ExactSum, Total};
use crate::registry::slab::CellRef;
use crate::sync as atomic;

/// A series' cells: nearly always one or a few.
#[derive(Debug)]
enum Cells {
    None,
    One(CellRef),
    /// In memory of their exact size: there may be a million such.
    Many(Box<[CellRef]>),
}

impl Cells {
    fn as_slice(&self) -> &[CellRef] {
        match self {
            Self::None => &[],
            Self::One(cell) => std::slice::from_ref(cell),
            Self::Many(cells) => cells,
        }
    }

    /// Adds a cell, keeping the order of workers: of gauges with one stamp the lower worker's wins.
    fn push(&mut self, cell: CellRef) {
        let mut cells = self.take();
        cells.reserve_exact(1);
        cells.push(cell);
        cells.sort_by_key(CellRef::worker);
        self.set(cells);
    }

    fn remove(&mut self, cell: &CellRef) {
        let mut cells = self.take();
        cells.retain(|other| !other.same(cell));
        self.set(cells);
    }

    fn take(&mut self) -> Vec<CellRef> {
        match std::mem::replace(self, Self::None) {
            Self::None => Vec::new(),
            Self::One(cell) => {
                let mut cells = Vec::with_capacity(2); // another comes as a rule
                cells.push(cell);
                cells
            }
            Self::Many(cells) => cells.into_vec(),
        }
    }

    fn set(&mut self, mut cells: Vec<CellRef>) {
        *self = match cells.len() {
            0 => Self::None,
            1 => cells.pop().map_or(Self::None, Self::One),
            _ => Self::Many(cells.into_boxed_slice()),
        };
    }
}

/// Cells asked for of a series that has died: more than there can be.
const DEAD: u32 = u32::MAX;

/// What given-up cells have left behind.
#[derive(Debug)]
struct Base {
    total: Total,
    /// Time of the last sample in any of them.
    stamp_ns: u64,
}

/// A counter's or gauge's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// One that is known to be whole; it is shown as the float nearest to it.
    Whole(u64),
    /// Any.
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
    /// One of a series with its first cell.
    pub(super) fn new(series: Arc<Series>, cell: CellRef) -> Self {
        Self { series, cells: Cells::One(cell), base: None }
    }

    /// A further worker's cell.
    pub(super) fn adopt(&mut self, cell: CellRef) {
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
        total
    }

    /// The number of a counter or gauge, now.
    #[inline]
    pub fn number(&self) -> Number {
        match (&self.cells, self.series.family.kind) {
            // The same as the sum of one, without its care.
            (Cells::One(cell), Kind::Counter) if self.base.is_none() => {
                let (whole, fraction) = cell::read_counter(cell.words());
                if fraction.to_bits() == 0 {
                    Number::Whole(whole)
                } else {
                    Number::Float(whole as f64 + fraction)
                }
            }
            _ => Number::Float(self.total().value()),
        }
    }

    /// A histogram's counts per bucket, put in place of what is there, and the sum of observations, now.
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
        cells.chain(self.base.iter().map(|base| base.stamp_ns)).max().unwrap_or(0)
    }

    /// Marks the entry of a series that has died, to be taken out with others.
    pub(in crate::registry) fn bury(&self) {
        self.series.asked.store(DEAD, atomic::Ordering::Relaxed);
    }

    /// Whether it is marked so.
    pub(in crate::registry) fn is_dead(&self) -> bool {
        self.series.asked.load(atomic::Ordering::Relaxed) == DEAD
    }

    pub(in crate::registry) fn cells(&self) -> &[CellRef] {
        self.cells.as_slice()
    }

    /// Adds a final cell to the base and forgets it.
    pub(in crate::registry) fn fold(&mut self, cell: &CellRef) {
        let family = &self.series.family;
        let base = self.base.get_or_insert_with(|| {
            Box::new(Base { total: Total::new(family.kind, family.bounds.len()), stamp_ns: 0 })
        });
        base.total.add_cell(cell.words());
        base.stamp_ns = base.stamp_ns.max(cell::stamp_ns(cell.words()));
        self.cells.remove(cell);
    }
}
