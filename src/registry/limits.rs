//! How much the registry may hold. New series are refused past a limit, series that exist go on counting.

use crate::metric::Rejection;

/// One of the limits past which new series are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Lines of the page for all series.
    Lines,
    /// Lines of the page for the series of one name.
    NameLines,
    /// Bytes of memory.
    MemoryBytes,
}

/// A limit that leaves no room for a new series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    pub(super) limit: Limit,
    /// How much of what is limited is in use.
    pub(super) used: u64,
    /// How much more the series takes.
    pub(super) more: u64,
}

impl From<Shortage> for Rejection {
    fn from(shortage: Shortage) -> Self {
        match shortage.limit {
            Limit::Lines => Self::LinesLimit,
            Limit::NameLines => Self::NameLinesLimit,
            Limit::MemoryBytes => Self::MemoryLimit,
        }
    }
}

/// The limits past which new series are refused.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLimits {
    /// Workers, each of which may have a cell in every series.
    workers: usize,
    /// Finite upper bounds of one histogram.
    buckets_max: usize,
    /// Lines of the page for all series; a histogram takes one per bucket and two more.
    lines_max: u64,
    /// Lines of the page for the series of one name.
    name_lines_max: u64,
    /// Bytes of label text, cells, tables and message templates.
    memory_max_bytes: u64,
    /// Whether the series of one name may have different label names.
    mixed_label_sets: bool,
    /// Whether series that had one sample only make room for those that come again.
    evict_singletons: bool,
}

impl SeriesLimits {
    /// No limits yet for so many workers; the series of one name must have the same label names.
    pub fn unlimited(workers: usize) -> Self {
        Self {
            workers,
            buckets_max: usize::MAX,
            lines_max: u64::MAX,
            name_lines_max: u64::MAX,
            memory_max_bytes: u64::MAX,
            mixed_label_sets: false,
            evict_singletons: false,
        }
    }

    /// With at most so many finite upper bounds in a histogram.
    #[must_use]
    pub fn with_buckets_max(self, buckets_max: usize) -> Self {
        Self { buckets_max, ..self }
    }

    /// With at most so many lines on the page.
    #[must_use]
    pub fn with_lines_max(self, lines_max: u64) -> Self {
        Self { lines_max, ..self }
    }

    /// With at most so many lines on the page under one name.
    #[must_use]
    pub fn with_name_lines_max(self, name_lines_max: u64) -> Self {
        Self { name_lines_max, ..self }
    }

    /// With at most so many bytes of memory.
    #[must_use]
    pub fn with_memory_max_bytes(self, memory_max_bytes: u64) -> Self {
        Self { memory_max_bytes, ..self }
    }

    /// With different label names in the series of one name, or without.
    #[must_use]
    pub fn with_mixed_label_sets(self, mixed_label_sets: bool) -> Self {
        Self { mixed_label_sets, ..self }
    }

    /// With series that had one sample only making room for those that come again, or without.
    #[must_use]
    pub fn with_evict_singletons(self, evict_singletons: bool) -> Self {
        Self { evict_singletons, ..self }
    }

    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    pub(super) fn buckets_max(&self) -> usize {
        self.buckets_max
    }

    pub(crate) fn lines_max(&self) -> u64 {
        self.lines_max
    }

    pub(super) fn name_lines_max(&self) -> u64 {
        self.name_lines_max
    }

    pub(crate) fn memory_max_bytes(&self) -> u64 {
        self.memory_max_bytes
    }

    pub(super) fn mixed_label_sets(&self) -> bool {
        self.mixed_label_sets
    }

    pub(super) fn evict_singletons(&self) -> bool {
        self.evict_singletons
    }

    /// How much there may be.
    pub(super) fn of(&self, limit: Limit) -> u64 {
        match limit {
            Limit::Lines => self.lines_max,
            Limit::NameLines => self.name_lines_max,
            Limit::MemoryBytes => self.memory_max_bytes,
        }
    }

    /// Whether so much more stays within the limit.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check(&self, limit: Limit, used: u64, more: u64) -> Result<(), Shortage> {
        if used + more > self.of(limit) { Err(Shortage { limit, used, more }) } else { Ok(()) }
    }
}
