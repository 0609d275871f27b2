//! The cells in which a gauge is set, as workers see them that add to it: they look at the newest stamp.
//!
//! ```text
//!  a worker sets a gauge for the first time ─ begin ─▶ SetCells ◀─ retire ─ the exporter folds a cell
//!                                                         │ version
//!  each add of a worker ─ newest_ns ─▶ KnownSets ─────────┘ the list, when the version is another one
//!                                          └─▶ the stamps in these cells
//! ```
//!
//! A worker that sets a gauge knows nothing of this but that it notes its cell when it begins one. One that adds has a
//! copy of the list: for an add it reads the version and one stamp for each worker that sets the gauge, and takes
//! no lock unless the list has changed.

use crate::planted::{self, Fault};
use crate::registry::cell;
use crate::registry::cells::Cells;
use crate::registry::slab::CellRef;
use crate::registry::total::Total;
use crate::sync::{AtomicU32, Mutex, Ordering, fence};

/// The cells in which all workers set one gauge.
#[derive(Debug, Default)]
pub(super) struct SetCells {
    /// How often the list has changed.
    version: AtomicU32,
    list: Mutex<SetCellList>,
}

#[derive(Debug, Default)]
struct SetCellList {
    cells: Cells,
    /// The newest stamp of cells that were folded; 0 if none was.
    folded_ns: u64,
}

impl SetCells {
    /// Notes a cell in which a worker has just set the gauge for the first time.
    pub(super) fn begin(&self, cell: CellRef) {
        let mut list = self.list.lock();
        list.cells.push(cell);
        self.count_change();
    }

    /// Notes that a cell is folded: it is not written any more, and its place may be used again after this.
    pub(super) fn retire(&self, cell: &CellRef) {
        let mut list = self.list.lock();
        list.folded_ns = list.folded_ns.max(cell::stamp_ns(cell.words()));
        list.cells.remove(cell);
        self.count_change();
    }

    /// Adds all cells to a total. Those that it has already change nothing.
    #[cold]
    pub(super) fn add_to(&self, total: &mut Total) {
        let list = self.list.lock();
        list.cells.as_slice().iter().for_each(|cell| total.add_cell(cell.words()));
    }

    /// Called under the lock.
    fn count_change(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Release);
    }
}

/// Orders what was told of a retired cell before all that is written into its place from now on. Called by the owner
/// of the cell, once it may use the place again.
pub(super) fn fence_before_reuse() {
    fence(Ordering::Release); // pairs with the one in `KnownSets::newest_ns`
}

/// One worker's copy of the list.
#[derive(Debug, Default)]
pub(super) struct KnownSets {
    version: u32,
    cells: Box<[CellRef]>,
    folded_ns: u64,
}

impl KnownSets {
    /// The stamp of the newest set; 0 if the gauge was never set. The worker with this number asks.
    pub(super) fn newest_ns(&mut self, sets: &SetCells, worker: usize) -> u64 {
        loop {
            if sets.version.load(Ordering::Acquire) != self.version {
                self.copy(sets);
            }
            let is_seen = |cell: &&CellRef| {
                !planted::is(Fault::SetsOfOthersUnseen) || cell.worker() == worker
            };
            let cells = self.cells.iter().filter(is_seen);
            let stamps = cells.map(|cell| cell::set_stamp_ns(cell.words()));
            let newest_ns = stamps.fold(self.folded_ns, u64::max);
            // A place may be used again once the list has changed. If one of these stamps was another cell's, this
            // sees the change: the owner had a fence between the two as well.
            fence(Ordering::Acquire);
            if sets.version.load(Ordering::Relaxed) == self.version {
                return newest_ns;
            }
        }
    }

    /// Bytes of the copied list, with what the allocator adds.
    pub(super) fn list_bytes(&self) -> usize {
        if self.cells.is_empty() { 0 } else { size_of_val(&*self.cells) + 16 }
    }

    #[cold]
    fn copy(&mut self, sets: &SetCells) {
        let list = sets.list.lock();
        self.cells = list.cells.as_slice().into();
        self.folded_ns = list.folded_ns;
        self.version = sets.version.load(Ordering::Relaxed);
    }
}
