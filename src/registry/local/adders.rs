//! What a worker knows of the sets of those gauges that it adds to.
//!
//! Used by one worker, which has an entry for each gauge that it adds to.

use ahash::RandomState;
use hashbrown::HashMap;

use crate::capacity;
use crate::registry::series::Series;
use crate::registry::set_cells::KnownSets;

/// By the index of the cell that has what was added.
#[derive(Debug)]
pub(super) struct Adders {
    worker: usize,
    known: HashMap<u32, KnownSets, RandomState>,
    /// Bytes of all copied lists.
    list_bytes: usize,
}

impl Adders {
    /// None yet, of the worker with this number.
    pub(super) fn new(worker: usize) -> Self {
        Self { worker, known: HashMap::default(), list_bytes: 0 }
    }

    /// Begins with nothing known of the gauge whose adds are in this cell.
    pub(super) fn begin(&mut self, index: u32) {
        self.known.insert(index, KnownSets::default());
    }

    /// Forgets what is known for this cell, if it is one of adds.
    pub(super) fn end(&mut self, index: u32) {
        let Some(known) = self.known.remove(&index) else { return };
        self.list_bytes -= known.list_bytes();
        if let Some(capacity) = capacity::to_shrink_to(self.known.capacity(), self.known.len()) {
            self.known.shrink_to(capacity);
        }
    }

    /// The stamp of the newest set of the gauge whose adds are in this cell; 0 if it was never set.
    pub(super) fn newest_set_ns(&mut self, index: u32, series: &Series) -> u64 {
        let known = self.known.get_mut(&index).expect("an entry for each cell of adds");
        let before = known.list_bytes();
        let newest_ns = known.newest_ns(series.set_cells(), self.worker);
        self.list_bytes = self.list_bytes + known.list_bytes() - before;
        newest_ns
    }

    /// Bytes of the table, with room for more, and of what is in it.
    pub(super) fn bytes(&self) -> usize {
        self.known.allocation_size() + self.list_bytes
    }
}
