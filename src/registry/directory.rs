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

use crate::registry::birth::{Family, NewCell, Registry, Series};
use crate::text::escape;

mod series_view;

pub(crate) use self::series_view::{Number, SeriesView};

/// Newcomers up to so many are inserted one by one.
const INSERTED_MAX: usize = 8;
/// Newcomers are few if they are less than one of so many: a search takes up to twenty comparisons.
const FEW: usize = 20;

/// A family on the page.
#[derive(Debug)]
pub struct FamilyView {
    /// What its series have in common.
    pub family: Arc<Family>,
    pub(super) entries: Vec<SeriesView>,
    newcomers: Vec<NewCell>,
    /// No series of the family can be idle before this time.
    pub(super) due_ns: u64,
}

impl FamilyView {
    /// The series in the order of the page.
    pub fn series(&self) -> &[SeriesView] {
        &self.entries
    }

    /// Where a label text stands, or would stand.
    pub(super) fn position(&self, text: &[u8], mixed: bool) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| order(entry.text(), text, mixed))
    }

    /// Merges newcomers into the order.
    fn settle(&mut self, mixed: bool) {
        if self.newcomers.is_empty() {
            return;
        }
        self.due_ns = 0;
        let mut newcomers = std::mem::take(&mut self.newcomers);
        newcomers.sort_by(|a, b| order(&a.series.text, &b.series.text, mixed));
        if newcomers.len() <= INSERTED_MAX {
            self.insert(newcomers, mixed);
        } else {
            self.merge(newcomers, mixed);
        }
    }

    /// Puts each where it belongs: moves what stands behind it, and reads hardly any of it.
    fn insert(&mut self, newcomers: Vec<NewCell>, mixed: bool) {
        self.entries.reserve_exact(newcomers.len());
        for NewCell { series, cell } in newcomers {
            let is_before = |entry: &SeriesView| order(entry.text(), &series.text, mixed).is_le();
            let at = self.entries.partition_point(is_before);
            match self.entries[..at].last_mut() {
                Some(last) if Arc::ptr_eq(last.series(), &series) => last.adopt(cell),
                _ => {
                    self.entries.insert(at, SeriesView::new(series, cell));
                }
            }
        }
    }

    /// Makes a new list of both; one pass over what stands.
    fn merge(&mut self, newcomers: Vec<NewCell>, mixed: bool) {
        let mut merged = Vec::with_capacity(self.entries.len() + newcomers.len());
        // Of a few the places are searched: comparing reads the text of both, wherever that is in memory.
        let few = newcomers.len() < self.entries.len() / FEW;
        let mut standing = std::mem::take(&mut self.entries).into_iter();
        for NewCell { series, cell } in newcomers {
            let rest = standing.as_slice();
            let is_before = |entry: &SeriesView| order(entry.text(), &series.text, mixed).is_le();
            let before = if few {
                rest.partition_point(is_before)
            } else {
                rest.iter().position(|entry| !is_before(entry)).unwrap_or(rest.len())
            };
            merged.extend(standing.by_ref().take(before));
            match merged.last_mut() {
                Some(last) if Arc::ptr_eq(last.series(), &series) => last.adopt(cell),
                _ => merged.push(SeriesView::new(series, cell)),
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
    pub(super) registry: Arc<Registry>,
    pub(super) views: BTreeMap<Box<str>, FamilyView>,
}

impl Directory {
    /// An empty one over what workers bear.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, views: BTreeMap::new() }
    }

    /// Takes in what was born or adopted since the last call.
    pub fn merge_new_cells(&mut self) {
        let mixed = self.registry.bounds().mixed_label_sets;
        let newcomers = self.registry.take_new_cells();
        if newcomers.is_empty() {
            return;
        }
        for newcomer in newcomers {
            let family = &newcomer.series.family;
            if let Some(view) = self.views.get_mut(&family.name) {
                view.newcomers.push(newcomer);
            } else {
                let view = FamilyView {
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
    pub fn families(&self) -> impl Iterator<Item = &FamilyView> {
        self.views.values()
    }

    /// The same from this name on.
    pub fn families_from(&self, name: &str) -> impl Iterator<Item = &FamilyView> {
        self.views.range::<str, _>((Bound::Included(name), Bound::Unbounded)).map(|(_, view)| view)
    }

    /// Where in a view stands what comes after this series, which may be gone.
    pub fn after(&self, view: &FamilyView, series: &Series) -> usize {
        match view.position(&series.text, self.registry.bounds().mixed_label_sets) {
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
