//! Which series make room for newcomers (see `newcomers`): singletons, those that had no sample but their first. The
//! oldest go first.
//!
//! The limit that is short says whose: for the lines of a name those of that name alone, for all lines and for memory
//! those of any name. What is about to go already counts, so that no more go than have to.
//!
//! Runs on the exporter. How a series goes is `expiry`'s to know.

use std::collections::BTreeMap;

use crate::registry::Registry;
use crate::registry::directory::{Directory, FamilyView, SeriesView};
use crate::registry::series::{Family, Series};
use crate::sync::Ordering;

/// At most `most` series, of names at their limit of lines, whose going makes the room that is wanted under these
/// names, as far as singletons can.
pub(super) fn of_names(directory: &Directory, most: usize) -> Vec<&SeriesView> {
    let registry = directory.registry();
    let mut chosen = Vec::new();
    let Some(newcomers) = registry.newcomers.as_ref().filter(|it| it.take_families()) else {
        return chosen;
    };
    for view in directory.families() {
        let family = &view.family;
        let wanted = family.reserve.take_want();
        if family.reserve.kept() > 0 {
            newcomers.keep_families();
        }
        let Some(kept) = wanted else { continue };
        let going = view.series().iter().filter(|entry| entry.is_requested()).count() as u64;
        let mark = registry.limits.name_lines_max() - kept + going * family.lines_per_series();
        let excess = family.lines.load(Ordering::Relaxed).saturating_sub(mark);
        let series = usize::try_from(excess.div_ceil(family.lines_per_series()));
        let count = series.expect("as many are there").min(most - chosen.len());
        chosen.extend(oldest(view.series().iter(), count));
    }
    chosen
}

/// At most `most` series of any names, whose going makes the room that is wanted of all lines and of memory, as far as
/// singletons can.
pub(super) fn of_all(directory: &Directory, most: usize) -> Vec<&SeriesView> {
    let registry = directory.registry();
    let Some(mut excess) = Excess::wanted(registry) else { return Vec::new() };
    let all = || directory.families().flat_map(FamilyView::series);
    all().filter(|entry| entry.is_requested()).for_each(|entry| excess.subtract(entry.series()));
    let mut chosen = oldest(all(), most);
    let count = chosen.iter().take_while(|entry| {
        let is_wanted = !excess.is_none();
        excess.subtract(entry.series());
        is_wanted
    });
    chosen.truncate(count.count());
    chosen
}

/// What has to go, of all lines and of memory.
struct Excess<'a> {
    registry: &'a Registry,
    lines: u64,
    bytes: u64,
    /// The lines that families of which some go have left.
    lines_left: BTreeMap<&'a str, u64>,
}

impl<'a> Excess<'a> {
    /// What has to go so that there is the room that is wanted; `None` if there is.
    fn wanted(registry: &'a Registry) -> Option<Self> {
        let (newcomers, limits) = (registry.newcomers.as_ref()?, &registry.limits);
        let mark = |kept: Option<u64>, limit: u64| kept.map_or(u64::MAX, |kept| limit - kept);
        let lines_mark = mark(newcomers.lines.take_want(), limits.lines_max());
        let bytes_mark = mark(newcomers.memory.take_want(), limits.memory_max_bytes());
        let excess = Self {
            registry,
            lines: registry.usage.lines().saturating_sub(lines_mark),
            bytes: registry.usage.bytes_towards_limit().saturating_sub(bytes_mark),
            lines_left: BTreeMap::new(),
        };
        // Otherwise all series would be read each second.
        (!excess.is_none()).then_some(excess)
    }

    fn is_none(&self) -> bool {
        self.lines == 0 && self.bytes == 0
    }

    /// Subtracts a series that goes, and its family if it is the last one.
    fn subtract(&mut self, series: &'a Series) {
        let family: &Family = &series.family;
        let (usage, lines) = (&self.registry.usage, family.lines_per_series());
        let left = self.lines_left.entry(&family.name);
        let left = left.or_insert_with(|| family.lines.load(Ordering::Relaxed));
        *left = left.saturating_sub(lines); // of those that a worker has added meanwhile it knows nothing
        let of_family = if *left == 0 { usage.family_with_tables_bytes(family) } else { 0 };
        let of_adds = if series.is_added_to() { usage.adds_bytes() } else { 0 };
        let of_series = usage.series_with_cells_bytes(family, series.text.len()) + of_adds;
        let bytes = of_series + of_family;
        self.lines = self.lines.saturating_sub(lines);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// So many singletons that are not about to go, the oldest first.
fn oldest<'a>(entries: impl Iterator<Item = &'a SeriesView>, count: usize) -> Vec<&'a SeriesView> {
    if count == 0 {
        return Vec::new();
    }
    // The times are kept here: a worker that becomes a second owner changes that of the series.
    let mut oldest: Vec<(u64, &SeriesView)> = Vec::new();
    for entry in entries.filter(|entry| !entry.is_requested()) {
        oldest.extend(entry.singleton_since_ns().map(|since_ns| (since_ns, entry)));
        // So each costs a few comparisons, and the list stays short.
        if oldest.len() == 2 * count {
            oldest.select_nth_unstable_by_key(count, |&(since_ns, _)| since_ns);
            oldest.truncate(count);
        }
    }
    oldest.sort_unstable_by_key(|&(since_ns, _)| since_ns);
    oldest.truncate(count);
    oldest.into_iter().map(|(_, entry)| entry).collect()
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests;
