//! Families and series: what all workers agree on when a series is created.
//!
//! Made by workers, read by workers and by the exporter. Both types are immutable but for a few numbers;
//! each of those says who writes it. This file knows nothing of the tables that hold them.

use std::sync::Arc;

use crate::metric::{BucketParams, Kind};
use crate::registry::buckets::{self, FirstBucketParams};
use crate::registry::cell::{self, GAUGE_WORDS};
use crate::registry::reserve::Reserve;
use crate::registry::set_cells::SetCells;
use crate::registry::slab::CellRef;
use crate::segmented_table::Hashed;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The series that a worker asks for, with what a new family of its name would be.
#[derive(Clone, Copy, Debug)]
pub struct SeriesSpec<'a> {
    /// The family's name, which is valid.
    pub name: &'a str,
    /// The label text.
    pub text: &'a [u8],
    /// `Registry::hash` of name and text.
    pub hash: u64,
    /// The type that the op counts into.
    pub kind: Kind,
    /// The label names, sorted, separated by commas.
    pub label_names: &'a str,
    /// The help text of a new family.
    pub help: &'a str,
    /// The bucket fields of a new histogram.
    pub buckets: BucketParams<'a>,
    /// The time of the sample that asks, in ns of the monotonic clock.
    pub now_ns: u64,
    /// Whether the sample is to be added to a gauge.
    pub adds: bool,
}

/// All series of one name. It exists from the creation of its first series to the removal of its last.
#[derive(Debug)]
pub struct Family {
    /// The name. All tables that go by it share it, since it may be long.
    pub name: Arc<str>,
    /// The help text of the first sample.
    pub help: Box<str>,
    /// The type.
    pub kind: Kind,
    /// A histogram's finite upper bounds; empty for the other types.
    pub bounds: Box<[f64]>,
    /// The bucket fields of the first sample.
    pub(super) bucket_params: FirstBucketParams,
    /// The label names of the first series, sorted, separated by commas.
    pub(super) label_names: Box<str>,
    /// Whether a series has other label names than the first. Set once, under the registry's lock.
    pub(super) mixed: AtomicBool,
    /// Set once, under the registry's lock, when the last series is removed. What a worker remembers of
    /// the family is true only while this is unset.
    pub(super) removed: AtomicBool,
    /// Lines of this name on the page. Written under the registry's lock, read by any thread.
    pub(super) lines: AtomicU64,
    /// What is kept free of the lines of this name.
    pub(super) reserve: Reserve,
}

impl Family {
    /// The number of words in a cell of this family.
    pub fn cell_words(&self) -> usize {
        cell::words(self.kind, self.bounds.len())
    }

    /// Whether the bucket fields of a later sample ask for other bounds than the family has. A sample without
    /// bucket fields asks for nothing.
    #[inline]
    pub(super) fn ignores_buckets(&self, asked: &BucketParams<'_>, buckets_max: usize) -> bool {
        !self.bucket_params.same_as(asked)
            && *asked != BucketParams::default()
            && self.bounds_differ(asked, buckets_max)
    }

    /// Programs may ask for the same bounds by different fields, so the bounds are computed and compared.
    #[cold]
    fn bounds_differ(&self, asked: &BucketParams<'_>, buckets_max: usize) -> bool {
        buckets::bounds(asked, buckets_max).map_or(true, |bounds| *bounds != *self.bounds)
    }

    /// Whether its series have different label names.
    pub(super) fn is_mixed(&self) -> bool {
        self.mixed.load(Ordering::Relaxed)
    }

    /// Whether its last series is gone.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// How many lines of the page one series of this family takes.
    pub(super) fn lines_per_series(&self) -> u64 {
        match self.kind {
            Kind::Counter | Kind::Gauge => 1,
            Kind::Histogram => self.bounds.len() as u64 + 3, // the bounds, +Inf, _sum, _count
        }
    }
}

/// One name with one set of labels.
#[derive(Debug)]
pub struct Series {
    /// The family.
    pub family: Arc<Family>,
    /// The label text (see `label_text`), which is the key of the series within its family.
    pub text: Box<[u8]>,
    /// The time of its first sample, in ns of the monotonic clock; 0 if it is known to have had another: it was
    /// refused before, or has had a second owner. Written under the registry's lock.
    born_ns: AtomicU64,
    /// How many cells count for the series and are not folded yet. Written under the registry's lock only.
    pub(super) owners: AtomicU32,
    /// How many cells the exporter has requested back and not folded yet. Only the exporter uses it.
    pub(super) requested: AtomicU32,
    /// Of a gauge, the cells in which it is set.
    set_cells: Option<Box<SetCells>>,
    /// Whether it is a gauge that is added to. Written under the registry's lock.
    is_added_to: AtomicBool,
}

impl Series {
    /// A series whose creator is its only owner.
    pub(super) fn new(family: Arc<Family>, text: &[u8], born_ns: u64) -> Self {
        Self {
            set_cells: (family.kind == Kind::Gauge).then(Box::default),
            family,
            text: text.into(),
            born_ns: AtomicU64::new(born_ns),
            owners: AtomicU32::new(1),
            requested: AtomicU32::new(0),
            is_added_to: AtomicBool::new(false),
        }
    }

    /// A series that no sample can belong to, since every name has a character.
    pub(super) fn without_name() -> Self {
        let family = Family {
            name: "".into(),
            help: "".into(),
            kind: Kind::Counter,
            bounds: [].into(),
            bucket_params: FirstBucketParams::new(&BucketParams::default()),
            label_names: "".into(),
            mixed: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            lines: AtomicU64::new(0),
            reserve: Reserve::new(),
        };
        Self::new(Arc::new(family), b"", 0)
    }

    /// Of a gauge, the cells in which it is set.
    pub(super) fn set_cells(&self) -> &SetCells {
        self.set_cells.as_ref().expect("the series is a gauge")
    }

    /// Whether it is a gauge that is added to.
    pub(super) fn is_added_to(&self) -> bool {
        self.is_added_to.load(Ordering::Relaxed)
    }

    /// Notes that it is a gauge that is added to. Called under the registry's lock.
    pub(super) fn note_adds(&self) {
        self.is_added_to.store(true, Ordering::Relaxed);
    }

    /// Notes that a cell is folded, for those that add to what was set in it.
    pub(super) fn retire(&self, cell: &CellRef) {
        if let Some(set_cells) = &self.set_cells
            && cell.words().len() == GAUGE_WORDS
        {
            set_cells.retire(cell);
        }
    }

    /// Whether no worker has a cell that counts for it. Called under the registry's lock.
    pub(super) fn has_no_owner(&self) -> bool {
        self.owners.load(Ordering::Relaxed) == 0
    }

    /// The time of its first sample if it may have had no other. It has had one if its newest stamp is later.
    pub(super) fn born_ns(&self) -> Option<u64> {
        Some(self.born_ns.load(Ordering::Relaxed)).filter(|&born_ns| born_ns != 0)
    }

    /// Notes one more owner, who has another sample. Called under the registry's lock.
    pub(super) fn add_owner(&self) {
        self.born_ns.store(0, Ordering::Relaxed);
        self.owners.store(self.owners.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Notes one owner less. Called under the registry's lock.
    pub(super) fn remove_owner(&self) {
        self.owners.store(self.owners.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    }
}

/// A series with the hash of its name and label text. The hash is kept so that a table of a million can
/// grow without reading a million series.
#[derive(Debug)]
pub(super) struct HashedSeries {
    pub(super) hash: u64,
    pub(super) series: Arc<Series>,
}

impl Hashed for HashedSeries {
    fn hash(&self) -> u64 {
        self.hash
    }
}

/// A cell that a worker has just begun to count in. The registry passes it on to the exporter, which
/// shows the series from then on.
#[derive(Debug)]
pub struct NewCell {
    /// The series.
    pub series: Arc<Series>,
    /// The cell, with its first sample in it.
    pub cell: CellRef,
}
