//! The registry: cells that workers count in, and the directory that the exporter reads.
//!
//! ```text
//!  worker 0                 worker N                    exporter
//!  LocalRegistry ─▶ cells   LocalRegistry ─▶ cells ···▶ Directory ─▶ sums
//!     │ series not known      │                           ▲
//!     ├──▶ Registry (one lock, rarely taken) ─ new cells ─┘
//!     └──▶ Mailboxes (give up a cell, reuse its place) ◀──▶ Expiry
//! ```
//!
//! A cell has one writer, so counting is a plain load, add, store. What all workers must agree on (a
//! family's name, type, label names and buckets) is agreed once, when its first series is created, and
//! holds until its last series is removed. Names are taken by several families' rules at once (a histogram
//! `h` also takes `h_bucket`, `h_sum` and `h_count`), so one lock covers all creations and removals.
//!
//! The registry knows nothing of bytes on the wire, of sockets, or of where the time comes from.

pub(crate) mod adds;
pub(crate) mod buckets;
pub(crate) mod cell;
mod cells;
mod create;
pub(crate) mod directory;
mod evict;
mod exact_sum;
pub(crate) mod expiry;
mod label_text;
mod limits;
pub(crate) mod local;
pub(crate) mod mailbox;
mod names;
mod newcomers;
mod remove;
mod reserve;
pub(crate) mod series;
mod set_cells;
mod size_class;
pub(crate) mod slab;
#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod threads;
pub(crate) mod total;
mod usage;
pub(crate) mod worker_time;

use ahash::RandomState;

pub use self::limits::SeriesLimits;

use self::names::Names;
use self::newcomers::Newcomers;
use self::series::{Family, HashedSeries, NewCell};
use self::usage::Usage;
use crate::metric::Rejection;
use crate::segmented_table::SegmentedTable;
use crate::sync::Mutex;

/// All series of all workers. Workers create series (`create`), the exporter removes them (`remove`).
#[derive(Debug)]
pub struct Registry {
    limits: SeriesLimits,
    hasher: RandomState,
    /// All series by name and label text. Its lock is the registry's lock.
    index: Mutex<SegmentedTable<HashedSeries>>,
    names: Names,
    usage: Usage,
    /// What is known of refused series, where singletons make room for them.
    newcomers: Option<Newcomers>,
    /// Cells that the exporter has not taken yet.
    new_cells: Mutex<Vec<NewCell>>,
}

impl Registry {
    /// An empty registry. `is_reserved` tells names that no user's family may have.
    pub fn new(limits: SeriesLimits, is_reserved: fn(&str) -> bool) -> Self {
        let usage = Usage::new(limits.workers());
        let newcomers = limits.evict_singletons().then(|| Newcomers::new(limits));
        usage.change_bytes(0, newcomers.as_ref().map_or(0, Newcomers::bytes));
        Self {
            limits,
            hasher: RandomState::new(),
            index: Mutex::new(SegmentedTable::default()),
            names: Names::new(is_reserved, limits.mixed_label_sets()),
            usage,
            newcomers,
            new_cells: Mutex::default(),
        }
    }

    /// The hash of a series, with a random key: senders cannot choose names that collide. All tables of
    /// series use it.
    pub fn hash(&self, name: &str, text: &[u8]) -> u64 {
        self.hasher.hash_one((name.as_bytes(), text))
    }

    /// Whether a family takes a series with these label names (sorted, separated by commas).
    ///
    /// # Errors
    /// [`Rejection::LabelSetConflict`] if they differ from the family's and that is not allowed.
    pub fn check_label_names(&self, family: &Family, names: &str) -> Result<(), Rejection> {
        self.names.check_label_names(family, names)
    }

    /// Shows a cell to the exporter. Called by its owner, after the first sample.
    pub fn publish(&self, new_cell: NewCell) {
        self.new_cells.lock().push(new_cell);
    }

    /// Takes all cells that were published since the last call. Called by the exporter.
    pub fn take_new_cells(&self) -> Vec<NewCell> {
        std::mem::take(&mut *self.new_cells.lock())
    }

    /// How many cells were published that the exporter has not taken yet.
    pub(crate) fn new_cells(&self) -> usize {
        self.new_cells.lock().len()
    }

    /// Gives back what the tables of names take beyond their need. Called by the exporter, now and then.
    pub fn shrink(&self) {
        self.names.shrink();
    }

    /// Accounts for what a worker holds beside series, its message templates: `before` bytes have become `now`.
    pub fn change_bytes(&self, before: usize, now: usize) {
        self.usage.change_bytes(before, now);
    }

    /// Accounts for what a worker's cells and tables take: `before` bytes have become `now`.
    pub(crate) fn change_own_bytes(&self, before: usize, now: usize) {
        self.usage.change_own_bytes(before, now);
    }

    /// Whether no series more would get in for want of memory, unless it takes what is kept free.
    pub fn memory_is_full(&self) -> bool {
        let kept = self.newcomers.as_ref().map_or(0, |newcomers| newcomers.memory.kept());
        self.usage.bytes_towards_limit() >= self.limits.memory_max_bytes() - kept
    }

    /// Lines that all series take on the page.
    pub fn lines(&self) -> u64 {
        self.usage.lines()
    }

    /// Bytes that the registry accounts for.
    pub fn bytes(&self) -> u64 {
        self.usage.bytes()
    }

    /// Those of them that are for something that lives.
    pub(crate) fn charged_bytes(&self) -> u64 {
        self.usage.charged_bytes()
    }

    /// The others: freed bytes in pages of memory that cannot be given back.
    pub(crate) fn fragmented_bytes(&self) -> u64 {
        self.usage.fragmented_bytes()
    }

    /// Notes how many those are. Called by the exporter.
    pub(crate) fn set_fragmented_bytes(&self, bytes: u64) {
        self.usage.set_fragmented_bytes(bytes);
    }

    /// Bytes that were ever freed.
    pub(crate) fn freed_bytes(&self) -> u64 {
        self.usage.freed_bytes()
    }

    /// The limits.
    pub fn limits(&self) -> &SeriesLimits {
        &self.limits
    }
}
