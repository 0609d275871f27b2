//! The exporter's half of the registry: all series in the order of the page, with their cells.
//!
//! Families stand in the order of their names, series in that of their unescaped label values, as the
//! original has them; newcomers are merged in when the page is made. Runs on the exporter's threads
//! behind one lock of theirs, which workers never take: reading the cells of a page and folding
//! given-up cells exclude each other, so that nothing is shown twice or not at all.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::metric::Kind;
use crate::registry::birth::{Births, Family, Newcomer, Series};
use crate::registry::cell::{self, ExactSum, Total};
use crate::registry::slab::CellRef;
use crate::sync as atomic;
use crate::text::escape;

/// A series' cells: nearly always one or a few.
#[derive(Debug)]
enum Cells {
    None,
    One(CellRef),
    #[expect(clippy::box_collection, reason = "keeps the common cases within 24 bytes")]
    Many(Box<Vec<CellRef>>),
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
            Self::One(cell) => vec![cell],
            Self::Many(cells) => *cells,
        }
    }

    fn set(&mut self, mut cells: Vec<CellRef>) {
        *self = match cells.len() {
            0 => Self::None,
            1 => cells.pop().map_or(Self::None, Self::One),
            _ => Self::Many(Box::new(cells)),
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
pub struct Entry {
    pub(super) series: Arc<Series>,
    cells: Cells,
    base: Option<Box<Base>>,
}

impl Entry {
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
    pub(super) fn stamp_ns(&self) -> u64 {
        let cells = self.cells.as_slice().iter().map(|cell| cell::stamp_ns(cell.words()));
        cells.chain(self.base.iter().map(|base| base.stamp_ns)).max().unwrap_or(0)
    }

    /// Marks the entry of a series that has died, to be taken out with others.
    pub(super) fn bury(&self) {
        self.series.asked.store(DEAD, atomic::Ordering::Relaxed);
    }

    /// Whether it is marked so.
    pub(super) fn is_dead(&self) -> bool {
        self.series.asked.load(atomic::Ordering::Relaxed) == DEAD
    }

    pub(super) fn cells(&self) -> &[CellRef] {
        self.cells.as_slice()
    }

    /// Adds a final cell to the base and forgets it.
    pub(super) fn fold(&mut self, cell: &CellRef) {
        let family = &self.series.family;
        let base = self.base.get_or_insert_with(|| {
            Box::new(Base { total: Total::new(family.kind, family.bounds.len()), stamp_ns: 0 })
        });
        base.total.add_cell(cell.words());
        base.stamp_ns = base.stamp_ns.max(cell::stamp_ns(cell.words()));
        self.cells.remove(cell);
    }
}

/// A family on the page.
#[derive(Debug)]
pub struct View {
    /// What its series have in common.
    pub family: Arc<Family>,
    pub(super) entries: Vec<Entry>,
    newcomers: Vec<Newcomer>,
    /// No series of the family can be idle before this time.
    pub(super) due_ns: u64,
}

impl View {
    /// The series in the order of the page.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where a label text stands, or would stand.
    pub(super) fn position(&self, text: &[u8], mixed: bool) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| order(entry.text(), text, mixed))
    }

    /// Merges newcomers into the order; one pass over the standing series.
    fn settle(&mut self, mixed: bool) {
        if self.newcomers.is_empty() {
            return;
        }
        self.due_ns = 0;
        let mut newcomers = std::mem::take(&mut self.newcomers);
        newcomers.sort_by(|a, b| order(&a.series.text, &b.series.text, mixed));
        let mut merged = Vec::with_capacity(self.entries.len() + newcomers.len());
        let mut standing = std::mem::take(&mut self.entries).into_iter().peekable();
        for Newcomer { series, cell } in newcomers {
            while let Some(entry) =
                standing.next_if(|entry| order(entry.text(), &series.text, mixed).is_le())
            {
                merged.push(entry);
            }
            match merged.last_mut() {
                Some(last) if Arc::ptr_eq(&last.series, &series) => last.cells.push(cell),
                _ => merged.push(Entry { series, cells: Cells::One(cell), base: None }),
            }
        }
        merged.extend(standing);
        merged.shrink_to_fit();
        self.entries = merged;
    }
}

/// The order of series: that of their label values, unescaped, in the order of label names; as the
/// original, fewer labels first where label sets are mixed.
fn order(a: &[u8], b: &[u8], mixed: bool) -> Ordering {
    if mixed {
        let (a_values, b_values) = (escape::values(a), escape::values(b));
        let by_count = a_values.len().cmp(&b_values.len());
        by_count.then_with(|| a_values.cmp(&b_values)).then_with(|| a.cmp(b))
    } else {
        escape::cmp_escaped(a, b)
    }
}

/// All families.
#[derive(Debug)]
pub struct Directory {
    pub(super) births: Arc<Births>,
    pub(super) views: BTreeMap<Box<str>, View>,
}

impl Directory {
    /// An empty one over what workers bear.
    pub fn new(births: Arc<Births>) -> Self {
        Self { births, views: BTreeMap::new() }
    }

    /// Takes in what was born or adopted since the last call.
    pub fn take_in(&mut self) {
        let mixed = self.births.bounds().mixed_label_sets;
        let newcomers = self.births.take_newcomers();
        if newcomers.is_empty() {
            return;
        }
        for newcomer in newcomers {
            let family = &newcomer.series.family;
            if let Some(view) = self.views.get_mut(&family.name) {
                view.newcomers.push(newcomer);
            } else {
                let view = View {
                    family: Arc::clone(family),
                    entries: Vec::new(),
                    newcomers: vec![],
                    due_ns: 0,
                };
                self.views.entry(family.name.clone()).or_insert(view).newcomers.push(newcomer);
            }
        }
        for view in self.views.values_mut() {
            view.settle(mixed);
        }
    }

    /// Families in the order of their names.
    pub fn views(&self) -> impl Iterator<Item = &View> {
        self.views.values()
    }

    /// The same from this name on.
    pub fn views_from(&self, name: &str) -> impl Iterator<Item = &View> {
        self.views.range::<str, _>((Bound::Included(name), Bound::Unbounded)).map(|(_, view)| view)
    }

    /// Where in a view stands what comes after this series, which may be gone.
    pub fn after(&self, view: &View, series: &Series) -> usize {
        match view.position(&series.text, self.births.bounds().mixed_label_sets) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    /// How many series of each kind stand: counters, gauges, histograms.
    pub fn series(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for view in self.views.values() {
            counts[view.family.kind as usize] += view.entries.len() as u64;
        }
        counts
    }
}
