//! How much the registry may hold, and how much it holds: lines of the page and bytes of memory.
//!
//! Lines are counted under the registry's lock; bytes are also charged by workers without it. New series
//! are refused past a limit, series that exist go on counting.

use crate::metric::Rejection;
use crate::registry::series::{Family, HashedSeries, Series};
use crate::registry::slab::CellRef;
use crate::sync::{AtomicU64, Ordering};

/// The limits past which new series are refused.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLimits {
    /// Finite upper bounds of one histogram.
    pub buckets_max: usize,
    /// Lines of the page for all series; a histogram takes one per bucket and two more.
    pub lines_max: u64,
    /// Lines of the page for the series of one name.
    pub name_lines_max: u64,
    /// Bytes of label text, cells, tables and message templates.
    pub memory_max_bytes: u64,
    /// Whether the series of one name may have different label names.
    pub mixed_label_sets: bool,
}

/// Bytes that a series costs beside its label text and its cells: the series with the two counts of its
/// `Arc`, its entry in the registry's table, of which half may be empty, its entry in the exporter's
/// directory (48), and what the allocator adds to these blocks (32).
const SERIES_BYTES: u64 =
    (size_of::<Series>() + 16 + 2 * size_of::<HashedSeries>() + 48 + 32) as u64;
/// Bytes that a cell costs beside its words: its entry in the owner's list (24), its index in the owner's
/// table (8), and the exporter's reference to it.
const CELL_BYTES: u64 = 24 + 8 + size_of::<CellRef>() as u64;
/// Bytes that a family costs beside its texts and bounds: entries in the tables of names, of which a
/// histogram takes four, and in the tables of workers and exporter.
const FAMILY_BYTES: usize = size_of::<Family>() + 512;

/// What the registry holds at present.
#[derive(Debug)]
pub(super) struct Usage {
    /// Lines on the page. Written under the registry's lock, read by any thread.
    lines: AtomicU64,
    /// Bytes. Written by any thread, but rarely.
    bytes: AtomicU64,
}

impl Usage {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { lines: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Whether another series of the family stays within the limits. Called under the registry's lock.
    ///
    /// # Errors
    /// The limit that it would exceed: [`Rejection::LinesLimit`], [`Rejection::NameLinesLimit`] or
    /// [`Rejection::MemoryLimit`].
    pub(super) fn check(
        &self,
        limits: &SeriesLimits,
        family: &Family,
        text_len: usize,
    ) -> Result<(), Rejection> {
        let more = family.lines_per_series();
        if self.lines() + more > limits.lines_max {
            return Err(Rejection::LinesLimit);
        }
        if family.lines.load(Ordering::Relaxed) + more > limits.name_lines_max {
            return Err(Rejection::NameLinesLimit);
        }
        let bytes = series_bytes(text_len) + cell_bytes(family);
        if self.bytes() + bytes > limits.memory_max_bytes {
            return Err(Rejection::MemoryLimit);
        }
        Ok(())
    }

    /// Adds a series without its cells. Called under the registry's lock.
    pub(super) fn add_series(&self, family: &Family, text_len: usize) {
        let lines = family.lines_per_series();
        for counted in [&self.lines, &family.lines] {
            counted.store(counted.load(Ordering::Relaxed) + lines, Ordering::Relaxed);
        }
        self.bytes.fetch_add(series_bytes(text_len), Ordering::Relaxed);
    }

    /// Subtracts a series without its cells. Called under the registry's lock.
    pub(super) fn subtract_series(&self, family: &Family, text_len: usize) {
        let lines = family.lines_per_series();
        for counted in [&self.lines, &family.lines] {
            counted.store(counted.load(Ordering::Relaxed) - lines, Ordering::Relaxed);
        }
        self.bytes.fetch_sub(series_bytes(text_len), Ordering::Relaxed);
    }

    /// Adds a worker's cell.
    pub(super) fn add_cell(&self, family: &Family) {
        self.bytes.fetch_add(cell_bytes(family), Ordering::Relaxed);
    }

    /// Subtracts a worker's cell.
    pub(super) fn subtract_cell(&self, family: &Family) {
        self.bytes.fetch_sub(cell_bytes(family), Ordering::Relaxed);
    }

    /// Adds a family without its series.
    pub(super) fn add_family(&self, family: &Family) {
        self.bytes.fetch_add(family_bytes(family), Ordering::Relaxed);
    }

    /// Subtracts a family without its series.
    pub(super) fn subtract_family(&self, family: &Family) {
        self.bytes.fetch_sub(family_bytes(family), Ordering::Relaxed);
    }

    /// Replaces an amount of bytes by another.
    pub(super) fn change_bytes(&self, before: usize, now: usize) {
        self.bytes.fetch_add(now as u64, Ordering::Relaxed);
        self.bytes.fetch_sub(before as u64, Ordering::Relaxed);
    }

    /// Lines on the page.
    pub(super) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn series_bytes(text_len: usize) -> u64 {
    SERIES_BYTES + text_len as u64
}

fn cell_bytes(family: &Family) -> u64 {
    CELL_BYTES + size_of::<u64>() as u64 * family.cell_words() as u64
}

fn family_bytes(family: &Family) -> u64 {
    // The name is stored twice: in the family, and as a key in the table of names.
    let texts = family.name.len() * 2 + family.help.len() + family.label_names.len();
    let buckets = size_of_val(&*family.bounds) + family.bucket_params.heap_bytes();
    (FAMILY_BYTES + texts + buckets) as u64
}
