//! How much the registry holds: lines of the page and bytes of memory.
//!
//! Lines are counted under the registry's lock; bytes are also charged by workers without it.
//!
//! Families, series and their places in the exporter's directory are charged one by one, by the sizes of their parts.
//! Cells and tables are charged by what is allocated: a chunk as a whole however few cells are left in it, a table
//! with its room for more. What lives is charged so; pages of memory in which little of it is left are charged beside
//! it, as the exporter finds them.

use crate::index_table::IndexTable;
use crate::metric::Kind;
use crate::planted::{self, Fault};
use crate::registry::adds::ADDS_WORDS;
use crate::registry::limits::{Limit, SeriesLimits, Shortage};
use crate::registry::names;
use crate::registry::series::{Family, HashedSeries, Series};
use crate::registry::set_cells::{KnownSets, SetCells};
use crate::registry::slab::{self, CellRef};
use crate::sync::{AtomicU64, Ordering};

/// What the allocator adds to a block: its size, and up to 15 bytes so that the next one is aligned.
const BLOCK_BYTES: usize = 8 + 8;
/// The two counts of an `Arc`.
const ARC_BYTES: usize = 16;
/// Bytes of a series and of a family in the exporter's directory, which asserts that they are no more.
pub(super) const SERIES_VIEW_BYTES: usize = 48;
pub(super) const FAMILY_VIEW_BYTES: usize = 64;
/// Bytes that a series costs beside its label text, its cells and its entry in the registry's table: the series
/// itself, and its entry in the exporter's directory.
const SERIES_BYTES: usize = size_of::<Series>() + ARC_BYTES + SERIES_VIEW_BYTES + 2 * BLOCK_BYTES;
/// Bytes of its entry in the registry's table at most, of which half may be empty.
const INDEX_ENTRY_BYTES: usize = 2 * (size_of::<HashedSeries>() + 1);
/// Bytes that a cell costs at most beside its words: its entry in the owner's list and its generation, of which half
/// may be room for more, and its index in the owner's table.
const CELL_ENTRY_BYTES: usize = 2 * (16 + 4) + IndexTable::ENTRY_BYTES;
/// Bytes that a gauge costs beside that: the list of cells in which it is set.
const GAUGE_BYTES: usize = size_of::<SetCells>() + BLOCK_BYTES;
/// Bytes that a worker's copy of such a list costs beside the cells in it: its entry in the table of copies, of which
/// half may be empty, and the block of the cells.
const KNOWN_SETS_BYTES: usize = 2 * (size_of::<KnownSets>() + 8 + 1) + BLOCK_BYTES;
/// Bytes that a family costs beside its texts and bounds: the family itself, its entry in the exporter's
/// directory, of which half may be empty, and five blocks.
const FAMILY_BYTES: usize =
    size_of::<Family>() + 2 * ARC_BYTES + 2 * (FAMILY_VIEW_BYTES + 16) + 5 * BLOCK_BYTES;
/// Bytes that a family costs at most in the table of each worker.
const KNOWN_FAMILY_BYTES: usize = 2 * (size_of::<usize>() + 1);

/// What the registry holds at present.
#[derive(Debug)]
pub(super) struct Usage {
    workers: u64,
    /// Lines on the page. Written under the registry's lock, read by any thread.
    lines: AtomicU64,
    /// Bytes of what lives, without those of the index. Written by any thread, but rarely.
    bytes: AtomicU64,
    /// Bytes that were ever subtracted, after which the allocator has something to give back.
    freed_bytes: AtomicU64,
    /// Bytes of the registry's table of series. Written under the registry's lock.
    index_bytes: AtomicU64,
    /// Freed bytes in pages of memory that cannot be given back. Written by the exporter.
    fragmented_bytes: AtomicU64,
    /// What the bytes would be if all workers had a cell in every series. This is what the limit is held
    /// against: samples of a series come to any worker, and a series that exists goes on counting there.
    committed_bytes: AtomicU64,
}

impl Usage {
    /// Nothing yet, of so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers: workers as u64,
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            index_bytes: AtomicU64::new(0),
            fragmented_bytes: AtomicU64::new(0),
            committed_bytes: AtomicU64::new(0),
        }
    }

    /// Whether another series of the family stays within the limits. Called under the registry's lock.
    ///
    /// # Errors
    /// A limit that it would exceed.
    pub(super) fn check(
        &self,
        limits: &SeriesLimits,
        family: &Family,
        text_len: usize,
        adds: bool,
    ) -> Result<(), Shortage> {
        let more = family.lines_per_series();
        if !planted::is(Fault::LinesUnlimited) {
            limits.check(Limit::Lines, self.lines(), more)?;
        }
        let lines = family.lines.load(Ordering::Relaxed);
        limits.check(Limit::NameLines, lines, more)?;
        let new_family = if lines == 0 { self.family_with_tables_bytes(family) } else { 0 };
        let adds = if adds { self.adds_bytes() } else { 0 };
        let bytes = new_family + self.series_with_cells_bytes(family, text_len) + adds;
        limits.check(Limit::MemoryBytes, self.bytes_towards_limit(), bytes)
    }

    /// Whether there is room to add to a gauge that stands. Called under the registry's lock.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn check_adds(&self, limits: &SeriesLimits) -> Result<(), Shortage> {
        limits.check(Limit::MemoryBytes, self.bytes_towards_limit(), self.adds_bytes())
    }

    /// Commits what it takes that all workers add to a gauge.
    pub(super) fn add_adds(&self) {
        self.committed_bytes.fetch_add(self.adds_bytes(), Ordering::Relaxed);
    }

    /// Frees it again.
    pub(super) fn subtract_adds(&self) {
        self.committed_bytes.fetch_sub(self.adds_bytes(), Ordering::Relaxed);
    }

    /// Bytes that it takes beside the gauge itself if all workers add to it, and all set it.
    pub(super) fn adds_bytes(&self) -> u64 {
        let words = slab::bytes_taken(ADDS_WORDS);
        let cell = CELL_ENTRY_BYTES + 2 * size_of::<CellRef>() + words;
        let copy = KNOWN_SETS_BYTES as u64 + self.workers * size_of::<CellRef>() as u64;
        self.workers * (cell as u64 + copy)
    }

    /// Adds a series without its cells. Called under the registry's lock.
    pub(super) fn add_series(&self, family: &Family, text_len: usize) {
        let lines = family.lines_per_series();
        for counted in [&self.lines, &family.lines] {
            counted.store(counted.load(Ordering::Relaxed) + lines, Ordering::Relaxed);
        }
        self.bytes.fetch_add(series_bytes(family.kind, text_len), Ordering::Relaxed);
        let committed = self.series_with_cells_bytes(family, text_len);
        self.committed_bytes.fetch_add(committed, Ordering::Relaxed);
    }

    /// Subtracts a series without its cells. Called under the registry's lock.
    pub(super) fn subtract_series(&self, family: &Family, text_len: usize) {
        let lines = family.lines_per_series();
        for counted in [&self.lines, &family.lines] {
            counted.store(counted.load(Ordering::Relaxed) - lines, Ordering::Relaxed);
        }
        self.free(series_bytes(family.kind, text_len));
        let committed = self.series_with_cells_bytes(family, text_len);
        self.committed_bytes.fetch_sub(committed, Ordering::Relaxed);
    }

    /// Adds the references to a worker's cell. The worker adds the cell itself.
    pub(super) fn add_cell_reference(&self, family: &Family) {
        self.bytes.fetch_add(references_bytes(family.kind), Ordering::Relaxed);
    }

    /// Subtracts the references to a worker's cell.
    pub(super) fn subtract_cell_reference(&self, family: &Family) {
        self.free(references_bytes(family.kind));
    }

    /// Adds a family without its series.
    pub(super) fn add_family(&self, family: &Family) {
        self.bytes.fetch_add(family_bytes(family), Ordering::Relaxed);
        let committed = self.family_with_tables_bytes(family);
        self.committed_bytes.fetch_add(committed, Ordering::Relaxed);
    }

    /// Subtracts a family without its series.
    pub(super) fn subtract_family(&self, family: &Family) {
        self.free(family_bytes(family));
        let committed = self.family_with_tables_bytes(family);
        self.committed_bytes.fetch_sub(committed, Ordering::Relaxed);
    }

    /// Notes what the registry's table takes now. Called under the registry's lock.
    pub(super) fn set_index_bytes(&self, bytes: usize) {
        self.index_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// Replaces what a worker's cells and tables take.
    pub(super) fn change_own_bytes(&self, before: usize, now: usize) {
        match now.checked_sub(before) {
            Some(more) => drop(self.bytes.fetch_add(more as u64, Ordering::Relaxed)),
            None => self.free((before - now) as u64),
        }
    }

    fn free(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.freed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that were ever freed.
    pub(super) fn freed_bytes(&self) -> u64 {
        self.freed_bytes.load(Ordering::Relaxed)
    }

    /// Replaces an amount of bytes by another.
    pub(super) fn change_bytes(&self, before: usize, now: usize) {
        self.change_own_bytes(before, now);
        self.committed_bytes.fetch_add(now as u64, Ordering::Relaxed);
        self.committed_bytes.fetch_sub(before as u64, Ordering::Relaxed);
    }

    /// Lines on the page.
    pub(super) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.charged_bytes() + self.fragmented_bytes()
    }

    /// Bytes of what lives.
    pub(super) fn charged_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.index_bytes.load(Ordering::Relaxed)
    }

    /// Freed bytes in pages that cannot be given back.
    pub(super) fn fragmented_bytes(&self) -> u64 {
        self.fragmented_bytes.load(Ordering::Relaxed)
    }

    /// Notes how many those are.
    pub(super) fn set_fragmented_bytes(&self, bytes: u64) {
        self.fragmented_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes if all workers had a cell in every series.
    pub(super) fn committed_bytes(&self) -> u64 {
        self.committed_bytes.load(Ordering::Relaxed)
    }

    /// What the limit is held against: what there may be, or what there is where that is more, since few cells are
    /// left in many chunks, or few blocks in many pages.
    pub(super) fn bytes_towards_limit(&self) -> u64 {
        self.committed_bytes().max(self.bytes())
    }

    /// Bytes of a series if all workers had a cell in it.
    pub(super) fn series_with_cells_bytes(&self, family: &Family, text_len: usize) -> u64 {
        series_bytes(family.kind, text_len)
            + INDEX_ENTRY_BYTES as u64
            + self.workers * cell_bytes(family)
    }

    /// Bytes of a family beside its series, if all workers remember it.
    pub(super) fn family_with_tables_bytes(&self, family: &Family) -> u64 {
        family_bytes(family) + self.workers * KNOWN_FAMILY_BYTES as u64
    }
}

fn family_bytes(family: &Family) -> u64 {
    let texts = family.name.len() + family.help.len() + family.label_names.len();
    let names = names::table_bytes(family.kind, &family.name);
    let buckets = size_of_val(&*family.bounds) + family.bucket_params.heap_bytes();
    (FAMILY_BYTES + texts + names + buckets) as u64
}

fn series_bytes(kind: Kind, text_len: usize) -> u64 {
    let text_len = if planted::is(Fault::TextsUncharged) { 0 } else { text_len };
    let gauge = if kind == Kind::Gauge { GAUGE_BYTES } else { 0 };
    (SERIES_BYTES + gauge + text_len) as u64
}

/// Bytes of the references to a cell: the exporter's, and one in the list of the cells in which a gauge is set.
fn references_bytes(kind: Kind) -> u64 {
    let references = if kind == Kind::Gauge { 2 } else { 1 };
    (references * size_of::<CellRef>()) as u64
}

fn cell_bytes(family: &Family) -> u64 {
    let words = slab::bytes_taken(family.cell_words());
    (CELL_ENTRY_BYTES + words) as u64 + references_bytes(family.kind)
}
