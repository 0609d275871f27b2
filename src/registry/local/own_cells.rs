//! The cells of one worker: one for each series that it has seen.
//!
//! Used by that worker alone. Counting takes no lock and writes no cache line that another core writes.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::capacity;
use crate::index_table::IndexTable;
use crate::metric::Kind;
use crate::registry::adds::{self, ADDS_WORDS};
use crate::registry::cell;
use crate::registry::local::adders::Adders;
use crate::registry::mailbox::GivenUp;
use crate::registry::series::{Family, Series};
use crate::registry::set_cells;
use crate::registry::slab::{CellRef, Slab, Slot, to_u32};
use crate::registry::worker_time::WorkerTime;

/// Where a worker counts for a series. The template of a message keeps it. It is valid while the generation
/// of the entry is the same, and it holds all that counting into a counter or gauge needs, so that few cache
/// lines are touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellHandle {
    index: u32,
    generation: u32,
    slot: Slot,
    kind: Kind,
}

/// The hash of a gauge's adds differs from that of its sets by this bit, one of those that the table keeps: so the table
/// has two entries for a gauge that is set and added to, and finds neither in place of the other.
const ADDS_HASH: u64 = 1 << 63;

/// In the generation of a handle: the cell has what was added to a gauge. No entry has this bit, so such a handle is out
/// of date for [`OwnCells::owns`], and counting has no case more to tell apart; [`OwnCells::add_to_gauge`] knows it.
const ADDS_GENERATION: u32 = 1 << 31;

/// The generation of a vacant entry, which no handle has.
const VACANT: u32 = 0;

/// A series that the worker counts for.
#[derive(Debug)]
struct OwnCell {
    /// The series; in a vacant entry [`OwnCells::no_series`].
    series: Arc<Series>,
    /// Where its cell is.
    slot: Slot,
}

/// All cells of one worker.
#[derive(Debug)]
pub(super) struct OwnCells {
    slab: Slab,
    entries: Vec<OwnCell>,
    /// For each entry a number of its own, or [`VACANT`]. A handle with another number is out of date.
    generations: Vec<u32>,
    /// The number that was given last.
    last_generation: u32,
    /// A series without a name, for vacant entries: they must not keep removed series in memory.
    no_series: Arc<Series>,
    /// Indices of vacant entries, the lowest first, so that the last entries are vacant for good some day and
    /// can go. Those that have gone may still be in here.
    vacant: BinaryHeap<Reverse<u32>>,
    /// Indices of entries, found by name and label text.
    table: IndexTable,
    /// What this worker knows of the sets of the gauges that it adds to.
    adders: RefCell<Adders>,
}

impl OwnCells {
    /// None yet, for the worker with this number.
    pub(super) fn new(worker: usize) -> Self {
        Self {
            slab: Slab::new(worker),
            entries: Vec::new(),
            generations: Vec::new(),
            last_generation: VACANT,
            no_series: Arc::new(Series::without_name()),
            vacant: BinaryHeap::new(),
            table: IndexTable::default(),
            adders: RefCell::new(Adders::new(worker)),
        }
    }

    /// The cell of the series with this name and label text; `hash` is `Registry::hash` of both.
    #[inline]
    pub(super) fn find(&self, hash: u64, name: &str, text: &[u8]) -> Option<CellHandle> {
        let index = self.table.find(hash.into(), |index| {
            let series = &self.entries[index as usize].series;
            *series.text == *text && *series.family.name == *name
        })?;
        Some(self.handle(index))
    }

    /// The cell in which is what was added to the gauge with this name and label text; `hash` as in [`Self::find`],
    /// which has the same search for itself so that it is no call for each parsed sample.
    pub(super) fn find_adds(&self, hash: u64, name: &str, text: &[u8]) -> Option<CellHandle> {
        let index = self.table.find((hash ^ ADDS_HASH).into(), |index| {
            let series = &self.entries[index as usize].series;
            *series.text == *text && *series.family.name == *name
        })?;
        Some(self.adds_handle(index))
    }

    #[inline]
    fn handle(&self, index: u32) -> CellHandle {
        let OwnCell { series, slot } = &self.entries[index as usize];
        let generation = self.generations[index as usize];
        CellHandle { index, generation, slot: *slot, kind: series.family.kind }
    }

    fn adds_handle(&self, index: u32) -> CellHandle {
        let handle = self.handle(index);
        CellHandle { generation: handle.generation | ADDS_GENERATION, ..handle }
    }

    /// Whether the cell is still the worker's own: it is not once it was given up.
    #[inline]
    pub(super) fn owns(&self, cell: CellHandle) -> bool {
        self.generations.get(cell.index as usize) == Some(&cell.generation)
    }

    /// Whether the cell is one of adds, and still the worker's own.
    pub(super) fn owns_adds(&self, cell: CellHandle) -> bool {
        let generation = self.generations.get(cell.index as usize);
        generation.is_some_and(|generation| generation | ADDS_GENERATION == cell.generation)
            && generation != Some(&VACANT)
    }

    /// The family of the series that a cell, which is owned, counts for.
    #[inline]
    pub(super) fn family(&self, cell: CellHandle) -> &Family {
        &self.entries[cell.index as usize].series.family
    }

    /// Counts a value in a cell that is owned.
    #[expect(
        clippy::inline_always,
        reason = "as a call it costs a known counter 428 instead of 395 instructions"
    )]
    #[inline(always)]
    pub(super) fn add(&self, cell: CellHandle, value: f64, now_ns: u64) {
        match cell.kind {
            Kind::Counter => {
                cell::add(self.slab.words(cell.slot, cell::COUNTER_WORDS), value, now_ns);
            }
            Kind::Gauge => cell::set(self.slab.words(cell.slot, cell::GAUGE_WORDS), value, now_ns),
            Kind::Histogram => {
                let family = self.family(cell);
                let words = self.slab.words(cell.slot, family.cell_words());
                cell::observe(words, &family.bounds, value, now_ns);
            }
        }
    }

    /// Observes a value so many times in a cell that is owned, if it is a histogram's.
    pub(super) fn observe_again(&self, cell: CellHandle, value: f64, times: u64, now_ns: u64) {
        if cell.kind == Kind::Histogram {
            let family = self.family(cell);
            let words = self.slab.words(cell.slot, family.cell_words());
            cell::observe_times(words, &family.bounds, value, times, now_ns);
        }
    }

    /// Adds a value to a gauge from its newest set on, in a cell of adds that is owned. The worker's own sets that come
    /// behind are newer than that one.
    pub(super) fn add_to_gauge(&self, cell: CellHandle, value: f64, time: &WorkerTime) {
        let series = &self.entries[cell.index as usize].series;
        let newest_set_ns = self.adders.borrow_mut().newest_set_ns(cell.index, series);
        let words = self.slab.words(cell.slot, ADDS_WORDS);
        adds::add(words, value, newest_set_ns, time.now_ns());
        time.pass(newest_set_ns);
    }

    /// Reads what [`Self::owns`] and [`Self::add`] will need: the generation, and the first word of a cell
    /// that is owned.
    #[inline]
    pub(super) fn read_ahead(&self, cell: CellHandle) -> u64 {
        if self.owns(cell) { cell::stamp_ns(self.slab.words(cell.slot, 1)) } else { 0 }
    }

    /// Begins an empty cell for a series that has none; `hash` as in [`Self::find`].
    pub(super) fn start(&mut self, series: &Arc<Series>, hash: u64) -> CellHandle {
        let index = self.start_words(series, hash, series.family.cell_words());
        self.handle(index)
    }

    /// Begins an empty cell for what is added to a gauge; `hash` as in [`Self::find`].
    pub(super) fn start_adds(&mut self, series: &Arc<Series>, hash: u64) -> CellHandle {
        let index = self.start_words(series, hash ^ ADDS_HASH, ADDS_WORDS);
        self.adders.get_mut().begin(index);
        self.adds_handle(index)
    }

    fn start_words(&mut self, series: &Arc<Series>, hash: u64, words: usize) -> u32 {
        let slot = self.slab.allocate(words);
        let entry = OwnCell { series: Arc::clone(series), slot };
        let index = self.place(entry);
        self.table.insert(hash.into(), index);
        index
    }

    /// Puts an entry into a vacant place, or behind all others.
    fn place(&mut self, entry: OwnCell) -> u32 {
        let generation = self.next_generation();
        let len = self.entries.len();
        let vacant = self.vacant.pop().filter(|&Reverse(index)| (index as usize) < len);
        if let Some(Reverse(index)) = vacant {
            self.entries[index as usize] = entry;
            self.generations[index as usize] = generation;
            index
        } else {
            self.vacant.clear(); // all others are higher, and have gone as well
            self.entries.push(entry);
            self.generations.push(generation);
            to_u32(len) // -lines-max bounds it far below 2^32
        }
    }

    /// A number that no handle has, unless it is older than 2^31 births.
    fn next_generation(&mut self) -> u32 {
        self.last_generation = (self.last_generation + 1) % ADDS_GENERATION;
        if self.last_generation == VACANT {
            self.last_generation += 1;
        }
        self.last_generation
    }

    /// A cell that is owned, as readers see it.
    pub(super) fn share(&self, cell: CellHandle) -> CellRef {
        let words = match cell.generation & ADDS_GENERATION {
            0 => self.family(cell).cell_words(),
            _ => ADDS_WORDS,
        };
        self.slab.share(cell.slot, words)
    }

    /// Forgets one cell of a series, so that it is never written again, and returns it; `None` if there is
    /// none. `hash` as in [`Self::find`].
    pub(super) fn give_up(&mut self, series: &Arc<Series>, hash: u64) -> Option<GivenUp> {
        let words = series.family.cell_words();
        self.give_up_entry(series, hash, words)
            .or_else(|| self.give_up_entry(series, hash ^ ADDS_HASH, ADDS_WORDS))
    }

    fn give_up_entry(&mut self, series: &Arc<Series>, hash: u64, words: usize) -> Option<GivenUp> {
        let index = self.table.remove(hash.into(), |index| {
            Arc::ptr_eq(&self.entries[index as usize].series, series)
        })?;
        self.adders.get_mut().end(index);
        let entry = &mut self.entries[index as usize];
        entry.series = Arc::clone(&self.no_series);
        let slot = entry.slot;
        self.generations[index as usize] = VACANT;
        self.vacant.push(Reverse(index));
        self.drop_last_vacant();
        let cell = self.slab.share(slot, words);
        Some(GivenUp { series: Arc::clone(series), cell, slot })
    }

    /// Drops vacant entries from the end, and the memory of many.
    fn drop_last_vacant(&mut self) {
        while self.generations.last() == Some(&VACANT) {
            self.generations.pop();
            self.entries.pop();
        }
        let len = self.entries.len();
        if let Some(capacity) = capacity::to_shrink_to(self.entries.capacity(), len) {
            self.entries.shrink_to(capacity);
            self.generations.shrink_to(capacity);
            self.vacant.retain(|&Reverse(index)| (index as usize) < len);
            self.vacant.shrink_to_fit();
        }
    }

    /// Bytes that all cells take, with the tables that find them and their room for more.
    pub(super) fn bytes(&self) -> usize {
        self.slab.bytes()
            + self.entries.capacity() * size_of::<OwnCell>()
            + self.generations.capacity() * size_of::<u32>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.table.bytes()
            + self.adders.borrow().bytes()
    }

    /// Takes back the place of a cell that was given up and that no reader reads any more.
    pub(super) fn free(&mut self, slot: Slot) {
        set_cells::fence_before_reuse();
        self.slab.free(slot);
    }

    /// The cell of a series, for a model that plants a fault.
    #[cfg(shuttle)]
    pub(super) fn cell_of(&self, series: &Arc<Series>) -> Option<(CellRef, Slot)> {
        let own = |entry: &&OwnCell| Arc::ptr_eq(&entry.series, series);
        let slot = self.entries.iter().find(own)?.slot;
        Some((self.slab.share(slot, series.family.cell_words()), slot))
    }

    /// Whether no series is left.
    pub(super) fn is_empty(&self) -> bool {
        self.table.len() == 0
    }
}
