//! How a series ceases to exist: it is taken out under the registry's lock, with its family if it was the
//! last one.
//!
//! Runs on the exporter. When that is due is `expiry`'s to decide.

use std::sync::Arc;

use crate::registry::Registry;
use crate::registry::series::{HashedSeries, Series};
use crate::segmented_table::SegmentedTable;
use crate::sync::Ordering;

impl Registry {
    /// Notes that one cell of the series is folded, and removes the series if that was its last cell and it
    /// `is_idle`. Returns whether the series was removed.
    pub fn release_cell(&self, series: &Arc<Series>, is_idle: bool) -> bool {
        let mut index = self.index.lock();
        series.remove_owner();
        self.usage.subtract_cell_reference(&series.family);
        series.has_no_owner() && is_idle && self.remove(&mut index, series)
    }

    /// Removes a series all of whose cells are folded. Returns whether it was removed: it is not if a worker
    /// has become an owner again.
    pub fn remove_without_owner(&self, series: &Arc<Series>) -> bool {
        let mut index = self.index.lock();
        series.has_no_owner() && self.remove(&mut index, series)
    }

    /// Bytes that the limit of memory is held against.
    pub fn committed_bytes(&self) -> u64 {
        self.usage.committed_bytes()
    }

    fn remove(&self, index: &mut SegmentedTable<HashedSeries>, series: &Arc<Series>) -> bool {
        let family = &series.family;
        let hash = self.hash(&family.name, &series.text);
        if index.remove(hash, |other| Arc::ptr_eq(&other.series, series)).is_none() {
            return false; // removed before
        }
        self.usage.set_index_bytes(index.bytes());
        self.usage.subtract_series(family, series.text.len());
        if series.is_added_to() {
            self.usage.subtract_adds();
        }
        if family.lines.load(Ordering::Relaxed) == 0 {
            family.removed.store(true, Ordering::Relaxed);
            self.names.remove(family);
            self.usage.subtract_family(family);
        }
        true
    }
}
