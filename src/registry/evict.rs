//! Which series make room for newcomers (see `newcomers`): singletons, those that had no sample but their first. The
//! oldest go first.
//!
//! Runs on the exporter. How a series goes is `expiry`'s to know.

use crate::registry::directory::{Directory, FamilyView, SeriesView};
use crate::registry::limits::SeriesLimits;
use crate::sync::Ordering;

/// At most `most` series whose going brings the registry down to these limits, as far as singletons can.
pub(super) fn choose<'a>(
    directory: &'a Directory,
    down_to: &SeriesLimits,
    most: usize,
) -> Vec<&'a SeriesView> {
    let mut chosen = Vec::new();
    for view in directory.families() {
        let family = &view.family;
        let lines = family.lines.load(Ordering::Relaxed);
        let excess = lines.saturating_sub(down_to.name_lines_max());
        let series = usize::try_from(excess.div_ceil(family.lines_per_series()));
        let count = series.expect("as many are there").min(most - chosen.len());
        chosen.extend(oldest(view.series().iter(), count));
    }
    // Some of these may be chosen twice, which does no harm.
    let registry = directory.registry();
    let mut lines = registry.lines().saturating_sub(down_to.lines_max());
    let mut bytes = registry.committed_bytes().saturating_sub(down_to.memory_max_bytes());
    if lines == 0 && bytes == 0 {
        return chosen; // so that all series are not read each second for the sake of one name
    }
    let all = directory.families().flat_map(FamilyView::series);
    let is_wanted = |entry: &&SeriesView| {
        let wanted = lines > 0 || bytes > 0;
        lines = lines.saturating_sub(entry.family().lines_per_series());
        bytes = bytes.saturating_sub(registry.committed_bytes_of(entry.series()));
        wanted
    };
    chosen.extend(oldest(all, most - chosen.len()).into_iter().take_while(is_wanted));
    chosen
}

/// So many singletons, the oldest first.
fn oldest<'a>(entries: impl Iterator<Item = &'a SeriesView>, count: usize) -> Vec<&'a SeriesView> {
    if count == 0 {
        return Vec::new();
    }
    let mut oldest: Vec<&SeriesView> = Vec::new();
    for entry in entries.filter(|entry| entry.is_evictable()) {
        oldest.push(entry);
        // So each costs a few comparisons, and the list stays short.
        if oldest.len() == 2 * count {
            oldest.select_nth_unstable_by_key(count, |entry| entry.series().born_ns);
            oldest.truncate(count);
        }
    }
    oldest.sort_unstable_by_key(|entry| entry.series().born_ns);
    oldest.truncate(count);
    oldest
}
