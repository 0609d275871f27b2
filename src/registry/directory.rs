//! The exporter's view of the registry: all series in the order of the page, each with its cells.
//!
//! Families are ordered by name, series by their unescaped label values, as in the original Go
//! metrics-server. New cells are merged in when a page begins, and many of them
//! before. Runs on the exporter's threads, which share the directory behind one lock that workers never take.
//! So reading the cells for a page and folding given-up cells exclude each other, and a cell is shown once: by
//! itself or folded.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::registry::Registry;
use crate::registry::cell;
use crate::registry::series::{Family, NewCell, Series};
use crate::registry::usage;

mod series_view;
mod sort;
#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests;

pub(crate) use self::series_view::{Number, SeriesView};
use self::sort::order;

/// At most so many new cells are inserted one by one. Each insertion moves all entries behind it, some tens
/// of bytes each; for more than eight it is cheaper to move each entry once.
const INSERTED_MAX: usize = 8;

/// So many vacant entries of a family are not worth giving back: 3 KiB.
const VACANT_MAX: usize = 64;

/// Between two pages new cells are merged, some times a second, once there is one for so many lines of the page. So
/// each costs at most so many moves of entries, some tens of bytes each, where all are moved once, and at most
/// [`INSERTED_MAX`] times as many where they are inserted. A page then has few new cells to sort beside the lines that
/// it writes, and those that came since. Where series expire, each pass of expiry merges new cells as well, however few
/// there are: it would not see them grow old.
const LINES_PER_NEW_CELL: u64 = 64;

const _: () = assert!(size_of::<SeriesView>() <= usage::SERIES_VIEW_BYTES);
const _: () = assert!(size_of::<FamilyView>() <= usage::FAMILY_VIEW_BYTES);

/// A family on the page.
#[derive(Debug)]
pub struct FamilyView {
    /// The family.
    pub family: Arc<Family>,
    /// Its series in the order of the page.
    pub(super) entries: Vec<SeriesView>,
    /// Cells that are not merged into `entries` yet.
    new_cells: Vec<NewCell>,
    /// No series of the family had its last sample before this time in ns of the monotonic clock.
    pub(super) oldest_ns: u64,
}

impl FamilyView {
    /// Its series in the order of the page.
    pub fn series(&self) -> &[SeriesView] {
        &self.entries
    }

    /// The index of the series with this label text, or the one that it would have.
    pub(super) fn position(&self, text: &[u8]) -> Result<usize, usize> {
        let mixed = self.family.is_mixed();
        self.entries.binary_search_by(|entry| order(entry.text(), text, mixed))
    }

    /// Takes out the series that `is_gone` tells.
    pub(super) fn take_out(
        &mut self,
        is_gone: impl FnMut(&mut SeriesView) -> bool,
    ) -> Vec<SeriesView> {
        let gone = self.entries.extract_if(.., is_gone).collect();
        self.shrink();
        gone
    }

    /// Takes out the series at these places, which are in order. It reads no series.
    pub(super) fn take_out_at(&mut self, places: &[usize]) -> Vec<SeriesView> {
        let Some(&first) = places.first() else { return Vec::new() };
        let (mut places, mut at) = (places.iter().copied().peekable(), first);
        let mut is_gone = |_: &mut SeriesView| {
            let is_gone = places.next_if_eq(&at).is_some();
            at += 1;
            is_gone
        };
        let gone = self.entries.extract_if(first.., &mut is_gone).collect();
        self.shrink();
        gone
    }

    fn shrink(&mut self) {
        // The allocator cuts a large block where it is, so this may be done long before most of it is vacant.
        if self.entries.capacity() > self.entries.len() + self.entries.len() / 4 + VACANT_MAX {
            self.entries.shrink_to(self.entries.len() + self.entries.len() / 8);
        }
    }

    /// Merges the new cells into the series.
    fn merge_new_cells(&mut self) {
        if self.new_cells.is_empty() {
            return;
        }
        let new_cells = std::mem::take(&mut self.new_cells);
        let stamps = new_cells.iter().map(|new_cell| cell::stamp_ns(new_cell.cell.words()));
        self.oldest_ns = stamps.fold(self.oldest_ns, u64::min);
        // If the family became mixed just now, the entries so far, which all have the same label names, are in
        // the right order all the same.
        let mixed = self.family.is_mixed();
        let new_cells = sort::sort(new_cells, mixed);
        if new_cells.len() <= INSERTED_MAX {
            self.insert(new_cells, mixed);
        } else {
            self.merge(new_cells, mixed);
        }
    }

    /// Inserts each new cell by itself. Moves the entries behind it, but reads few of them.
    fn insert(&mut self, new_cells: Vec<NewCell>, mixed: bool) {
        self.entries.reserve_exact(new_cells.len());
        for NewCell { series, cell } in new_cells {
            let is_before = |entry: &SeriesView| order(entry.text(), &series.text, mixed).is_le();
            let at = self.entries.partition_point(is_before);
            match self.entries[..at].last_mut() {
                Some(last) if Arc::ptr_eq(last.series(), &series) => last.add_cell(cell),
                _ => {
                    self.entries.insert(at, SeriesView::new(series, cell));
                }
            }
        }
    }

    /// Merges the new cells where the entries are, in one pass from the end. A new list would need as much memory again
    /// while it is made, several times a second where series come and go.
    fn merge(&mut self, new_cells: Vec<NewCell>, mixed: bool) {
        let newcomers = self.add_to_known(new_cells, mixed);
        let Some(any) = newcomers.first() else { return };
        let series = Arc::clone(any.view.series());
        let mut old_end = self.entries.len();
        let mut end = old_end + newcomers.len();
        self.entries.reserve_exact(newcomers.len());
        self.entries.resize_with(end, || SeriesView::placeholder(Arc::clone(&series)));
        for Newcomer { before, view } in newcomers.into_iter().rev() {
            while old_end > before {
                old_end -= 1;
                end -= 1;
                self.entries.swap(old_end, end);
            }
            end -= 1;
            self.entries[end] = view;
        }
    }

    /// Adds cells to the series that are there. Returns the other series, in their order.
    fn add_to_known(&mut self, new_cells: Vec<NewCell>, mixed: bool) -> Vec<Newcomer> {
        let mut newcomers: Vec<Newcomer> = Vec::new();
        let mut before = 0;
        for NewCell { series, cell } in new_cells {
            let rest = &self.entries[before..];
            let is_before = |entry: &SeriesView| order(entry.text(), &series.text, mixed).is_le();
            before += partition_point_near(rest, is_before);
            let last_new = newcomers.last_mut().map(|newcomer| &mut newcomer.view);
            let last_old = self.entries[..before].last_mut();
            let mut last = last_new.into_iter().chain(last_old);
            match last.find(|last| Arc::ptr_eq(last.series(), &series)) {
                Some(known) => known.add_cell(cell),
                None => newcomers.push(Newcomer { before, view: SeriesView::new(series, cell) }),
            }
        }
        newcomers
    }
}

/// As `partition_point`, for a point near the beginning. A comparison reads a label text, which may be anywhere in
/// memory; there are as many of them as the distance has binary digits, twice.
fn partition_point_near(entries: &[SeriesView], is_before: impl Fn(&SeriesView) -> bool) -> usize {
    let mut looked_at = 1;
    while looked_at <= entries.len() && is_before(&entries[looked_at - 1]) {
        looked_at *= 2;
    }
    let (low, high) = (looked_at / 2, (looked_at - 1).min(entries.len()));
    low + entries[low..high].partition_point(is_before)
}

/// A series that is not among the entries yet.
#[derive(Debug)]
struct Newcomer {
    /// The entry before which it comes.
    before: usize,
    view: SeriesView,
}

/// All families, and the series of each.
#[derive(Debug)]
pub struct Directory {
    pub(super) registry: Arc<Registry>,
    pub(super) views: BTreeMap<Arc<str>, FamilyView>,
}

impl Directory {
    /// An empty directory of the series that workers create in the registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, views: BTreeMap::new() }
    }

    /// The registry whose series these are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Takes in the cells that were published since the last call.
    pub fn merge_new_cells(&mut self) {
        let new_cells = self.registry.take_new_cells();
        if new_cells.is_empty() {
            return;
        }
        // Those that come together are of one family, as a rule.
        let is_same = |a: &NewCell, b: &NewCell| Arc::ptr_eq(&a.series.family, &b.series.family);
        let mut new_cells = new_cells.into_iter().peekable();
        while let Some(first) = new_cells.next() {
            let family = Arc::clone(&first.series.family);
            let view = self.views.entry(Arc::clone(&family.name)).or_insert_with(|| FamilyView {
                family,
                entries: Vec::new(),
                new_cells: Vec::new(),
                oldest_ns: u64::MAX,
            });
            view.new_cells.push(first);
            while let Some(next) =
                new_cells.next_if(|next| is_same(next, &view.new_cells[view.new_cells.len() - 1]))
            {
                view.new_cells.push(next);
            }
        }
        for view in self.views.values_mut() {
            view.merge_new_cells();
        }
    }

    /// Takes in the new cells if they are many. Called between two pages, so that the next one need not sort them.
    /// Returns whether they were: then others may follow soon.
    pub(crate) fn merge_many_new_cells(&mut self) -> bool {
        let are_many =
            self.registry.new_cells() as u64 * LINES_PER_NEW_CELL >= self.registry.lines().max(1);
        if are_many {
            self.merge_new_cells();
        }
        are_many
    }

    /// Families in the order of their names.
    pub fn families(&self) -> impl Iterator<Item = &FamilyView> {
        self.views.values()
    }

    /// Families in the order of their names, from this name on.
    pub fn families_from(&self, name: &str) -> impl Iterator<Item = &FamilyView> {
        self.views.range::<str, _>((Bound::Included(name), Bound::Unbounded)).map(|(_, view)| view)
    }

    /// The index of the first series in the view that comes after this one, which may be gone.
    pub fn after(&self, view: &FamilyView, series: &Series) -> usize {
        match view.position(&series.text) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    /// How many series there are of each type: counters, gauges, histograms.
    pub fn series(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for view in self.views.values() {
            counts[view.family.kind as usize] += view.entries.len() as u64;
        }
        counts
    }
}
