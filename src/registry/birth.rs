//! Registry and deaths: what all workers must agree on, decided under one cold lock.
//!
//! A family's name, type, help, label names and bounds are agreed at the birth of its first series,
//! and stand until its last one dies. The rule of names spans several keys (a histogram `h` also owns
//! `h_bucket`, `h_sum` and `h_count`), so all births and deaths exclude each other. Beside the lock
//! stands a concurrent index of names that workers read first: it may refuse, never admit, so that a
//! flood of refused samples does not queue at the lock.
//!
//! Runs on the workers (births) and on the exporter (deaths); knows no buffers, sockets or clocks.

use std::sync::Arc;

use ahash::RandomState;
use dashmap::DashMap;

use crate::metric::{BucketParams, Kind, Rejection};
use crate::registry::buckets::{self, BirthParams};
use crate::registry::cell;
use crate::registry::slab::CellRef;
use crate::segmented_table::{Hashed, SegmentedTable};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};

/// What one name stands for: agreed at birth, immutable but for its end.
#[derive(Debug)]
pub struct Family {
    /// The name.
    pub name: Box<str>,
    /// The help of the first sample.
    pub help: Box<str>,
    /// The type.
    pub kind: Kind,
    /// A histogram's finite upper bounds; empty for the others.
    pub bounds: Box<[f64]>,
    /// The bucket fields of the first sample.
    birth_params: BirthParams,
    /// The label names that every series has, sorted, separated by commas.
    label_names: Box<str>,
    /// Set once, under the lock, when the last series is gone. What a worker remembers of the family
    /// holds only while this is unset.
    dead: AtomicBool,
    /// Lines exposed under this name; written under the lock, read by anyone.
    lines: AtomicU64,
}

impl Family {
    /// Words of a cell of this family.
    pub fn cell_words(&self) -> usize {
        cell::words(self.kind, self.bounds.len())
    }

    /// Whether the bucket fields of a later sample ask for other bounds than the family has. No fields
    /// at all ask for nothing.
    #[inline]
    pub(super) fn ignores_buckets(&self, asked: &BucketParams<'_>, buckets_max: usize) -> bool {
        !self.birth_params.same_as(asked)
            && *asked != BucketParams::default()
            && self.bounds_differ(asked, buckets_max)
    }

    /// Programs may write the same bounds in different ways, so the bounds are made and compared.
    #[cold]
    fn bounds_differ(&self, asked: &BucketParams<'_>, buckets_max: usize) -> bool {
        buckets::bounds(asked, buckets_max).map_or(true, |bounds| *bounds != *self.bounds)
    }

    /// Whether its last series is gone.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Lines that one series of this family takes on the page.
    fn lines_per_series(&self) -> u64 {
        lines(self.kind, self.bounds.len())
    }
}

/// A name with its labels, born once.
#[derive(Debug)]
pub struct Series {
    /// The family.
    pub family: Arc<Family>,
    /// The label text (`registry::label_text`), which is its key within the family.
    pub text: Box<[u8]>,
    /// Cells that count for it and are not folded yet. Written under the lock of births only.
    owners: AtomicU32,
    /// Cells that the exporter has asked for and not folded yet. The exporter's own note.
    pub(super) asked: AtomicU32,
}

/// The bounds past which new series are refused.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLimits {
    /// Finite bounds of one histogram.
    pub buckets_max: usize,
    /// Exposed lines in all; a histogram takes its buckets and three.
    pub lines_max: u64,
    /// Exposed lines of one name.
    pub name_lines_max: u64,
    /// Bytes of label text, cells and tables.
    pub memory_max_bytes: u64,
    /// Whether one name may have several sets of label names.
    pub mixed_label_sets: bool,
}

/// What a worker asks for when it does not know a series.
#[derive(Clone, Copy, Debug)]
pub struct SeriesSpec<'a> {
    /// The family's name, valid.
    pub name: &'a str,
    /// The label text.
    pub text: &'a [u8],
    /// [`Registry::hash`] of the two.
    pub hash: u64,
    /// The type that the op counts into.
    pub kind: Kind,
    /// The label names, sorted, separated by commas.
    pub label_names: &'a str,
    /// Help for a new family.
    pub help: &'a str,
    /// Bucket fields for a new histogram.
    pub buckets: BucketParams<'a>,
}

/// A cell that has begun to count for a series: how a series becomes visible to the exporter.
#[derive(Debug)]
pub struct NewCell {
    /// The series.
    pub series: Arc<Series>,
    /// The cell, after its first sample.
    pub cell: CellRef,
}

#[derive(Clone, Debug)]
enum NameUse {
    /// The name is a family's own.
    Own(Arc<Family>),
    /// The name is one that a histogram makes.
    Derived,
}

/// A series in the index, with its hash: growing a table of a million must not visit a million series.
#[derive(Debug)]
struct IndexEntry {
    hash: u64,
    series: Arc<Series>,
}

impl Hashed for IndexEntry {
    fn hash(&self) -> u64 {
        self.hash
    }
}

/// All that stands, and the lock around it.
#[derive(Debug)]
pub struct Registry {
    bounds: SeriesLimits,
    reserved: fn(&str) -> bool,
    hasher: RandomState,
    lock: Mutex<SegmentedTable<IndexEntry>>,
    names: DashMap<Box<str>, NameUse, RandomState>,
    /// Exposed lines. Written under the lock, read by anyone.
    lines: AtomicU64,
    /// Accounted bytes. Written by several under no common lock, cold.
    bytes: AtomicU64,
    newcomers: Mutex<Vec<NewCell>>,
}

/// Bytes that a series costs beside its text and cells: the series behind its `Arc`, its place in the
/// index and in the exporter's directory, and what the allocator adds.
const SERIES_BYTES: u64 = (size_of::<Series>() + 16 + 2 * size_of::<IndexEntry>() + 48 + 32) as u64;
/// Bytes that a cell costs beside its words: the owner's entry and table, the exporter's reference.
const CELL_BYTES: u64 = 24 + 8 + size_of::<CellRef>() as u64;

impl Registry {
    /// An empty registry. `reserved` tells the names of the server's own families.
    pub fn new(bounds: SeriesLimits, reserved: fn(&str) -> bool) -> Self {
        Self {
            bounds,
            reserved,
            hasher: RandomState::new(),
            lock: Mutex::new(SegmentedTable::default()),
            names: DashMap::with_hasher_and_shard_amount(RandomState::new(), 16),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            newcomers: Mutex::default(),
        }
    }

    /// The keyed hash of a series; every table of series uses it.
    pub fn hash(&self, name: &str, text: &[u8]) -> u64 {
        self.hasher.hash_one((name.as_bytes(), text))
    }

    /// Finds or bears the series, and counts the caller among its owners. The caller must then count
    /// into a cell of its own and announce it with [`Self::announce`].
    ///
    /// # Errors
    /// The reason for which the sample is refused.
    #[cold]
    pub fn adopt(&self, wanted: &SeriesSpec<'_>) -> Result<Arc<Series>, Rejection> {
        // Before the lock: what can be refused without it is, and bounds are made without it.
        let make_bounds = || match wanted.kind {
            Kind::Histogram => buckets::bounds(&wanted.buckets, self.bounds.buckets_max),
            Kind::Counter | Kind::Gauge => Ok(Vec::new()),
        };
        let made = match self.judge(wanted)? {
            Some(_) => None,
            None => Some(make_bounds()?),
        };
        let mut index = self.lock.lock();
        let found =
            index.find(wanted.hash, |other| other.hash == wanted.hash && is(&other.series, wanted));
        if let Some(series) = found.map(|found| Arc::clone(&found.series)) {
            same_kind(&series.family, wanted)?;
            self.charge(&series.family);
            series.owners.store(series.owners.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            return Ok(series);
        }
        let family = match self.judge(wanted)? {
            Some(family) => family,
            None => Arc::new(Family {
                name: wanted.name.into(),
                help: wanted.help.into(),
                kind: wanted.kind,
                bounds: made.map_or_else(make_bounds, Ok)?.into(),
                birth_params: BirthParams::new(&wanted.buckets),
                label_names: wanted.label_names.into(),
                dead: AtomicBool::new(false),
                lines: AtomicU64::new(0),
            }),
        };
        self.admit(&family, wanted)?;
        let series = Arc::new(Series {
            family: Arc::clone(&family),
            text: wanted.text.into(),
            owners: AtomicU32::new(1),
            asked: AtomicU32::new(0),
        });
        index.reserve(wanted.hash);
        // Nothing below can fail: a caught panic above leaves no half birth.
        if family.lines.load(Ordering::Relaxed) == 0 {
            self.take_names(&family);
        }
        self.count(&family, wanted.text.len(), true);
        let indexed = IndexEntry { hash: wanted.hash, series: Arc::clone(&series) };
        index.insert(indexed);
        Ok(series)
    }

    /// Whether the names allow the sample: the family that stands under its name, if one does.
    /// Read without the lock this may only refuse.
    ///
    /// # Errors
    /// The reason for which the sample is refused.
    fn judge(&self, wanted: &SeriesSpec<'_>) -> Result<Option<Arc<Family>>, Rejection> {
        match self.names.get(wanted.name).as_deref() {
            Some(NameUse::Own(family)) => {
                same_kind(family, wanted)?;
                self.same_labels(family, wanted)?;
                return Ok(Some(Arc::clone(family)));
            }
            Some(NameUse::Derived) => return Err(Rejection::NameConflict),
            None => {}
        }
        if (self.reserved)(wanted.name) {
            return Err(Rejection::ReservedName);
        }
        if wanted.kind == Kind::Histogram {
            for derived in derived_names(wanted.name) {
                if (self.reserved)(&derived) {
                    return Err(Rejection::ReservedName);
                }
                if self.names.contains_key(derived.as_str()) {
                    return Err(Rejection::NameConflict);
                }
            }
        }
        Ok(None)
    }

    /// Whether a standing family takes a sample with these label names.
    ///
    /// # Errors
    /// [`Rejection::LabelSetConflict`].
    pub fn same_labels(&self, family: &Family, wanted: &SeriesSpec<'_>) -> Result<(), Rejection> {
        if self.bounds.mixed_label_sets || *family.label_names == *wanted.label_names {
            Ok(())
        } else {
            Err(Rejection::LabelSetConflict)
        }
    }

    /// Whether a new series of the family stays within the bounds.
    fn admit(&self, family: &Family, wanted: &SeriesSpec<'_>) -> Result<(), Rejection> {
        let more = family.lines_per_series();
        if self.lines.load(Ordering::Relaxed) + more > self.bounds.lines_max {
            return Err(Rejection::LinesLimit);
        }
        if family.lines.load(Ordering::Relaxed) + more > self.bounds.name_lines_max {
            return Err(Rejection::NameLinesLimit);
        }
        let bytes = series_bytes(wanted.text.len()) + cell_bytes(family);
        if self.bytes.load(Ordering::Relaxed) + bytes > self.bounds.memory_max_bytes {
            return Err(Rejection::MemoryLimit);
        }
        Ok(())
    }

    fn take_names(&self, family: &Arc<Family>) {
        self.names.insert(family.name.clone(), NameUse::Own(Arc::clone(family)));
        self.bytes.fetch_add(family_bytes(family), Ordering::Relaxed);
        if family.kind == Kind::Histogram {
            for derived in derived_names(&family.name) {
                self.names.insert(derived.into(), NameUse::Derived);
            }
        }
    }

    fn free_names(&self, family: &Family) {
        self.names.remove(&family.name);
        self.bytes.fetch_sub(family_bytes(family), Ordering::Relaxed);
        if family.kind == Kind::Histogram {
            for derived in derived_names(&family.name) {
                self.names.remove(derived.as_str());
            }
        }
    }

    /// Books a series' lines and bytes in or out; under the lock.
    fn count(&self, family: &Family, text_len: usize, born: bool) {
        let lines = family.lines_per_series();
        let bytes = series_bytes(text_len) + if born { cell_bytes(family) } else { 0 };
        let add = |to: &AtomicU64, n: u64| {
            let now = to.load(Ordering::Relaxed);
            to.store(if born { now + n } else { now - n }, Ordering::Relaxed);
        };
        add(&self.lines, lines);
        add(&family.lines, lines);
        if born {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// A further worker's cell: charged, never refused, since series that stand keep counting.
    fn charge(&self, family: &Family) {
        self.bytes.fetch_add(cell_bytes(family), Ordering::Relaxed);
    }

    /// Charges what a worker holds for other things, its shapes: it had `before` bytes, and has `now`.
    pub fn charge_bytes(&self, before: usize, now: usize) {
        self.bytes.fetch_add(now as u64, Ordering::Relaxed);
        self.bytes.fetch_sub(before as u64, Ordering::Relaxed);
    }

    /// Shows a cell to the exporter, after its first sample.
    pub fn announce(&self, newcomer: NewCell) {
        self.newcomers.lock().push(newcomer);
    }

    /// Takes all that was announced since the last call. Run by the exporter.
    pub fn take_new_cells(&self) -> Vec<NewCell> {
        std::mem::take(&mut *self.newcomers.lock())
    }

    /// Lets one folded cell go and, if no owner is left and `idle` still says so, the series with it.
    /// Returns whether the series died. Run by the exporter, after the fold.
    pub fn release(&self, series: &Arc<Series>, idle: bool) -> bool {
        let mut index = self.lock.lock();
        let owners = series.owners.load(Ordering::Relaxed) - 1;
        series.owners.store(owners, Ordering::Relaxed);
        self.bytes.fetch_sub(cell_bytes(&series.family), Ordering::Relaxed);
        owners == 0 && idle && self.bury(&mut index, series)
    }

    /// Lets a series that stands on its base alone die. Returns whether it did: not if a worker has
    /// adopted it meanwhile.
    pub fn end(&self, series: &Arc<Series>) -> bool {
        let mut index = self.lock.lock();
        series.owners.load(Ordering::Relaxed) == 0 && self.bury(&mut index, series)
    }

    fn bury(&self, index: &mut SegmentedTable<IndexEntry>, series: &Arc<Series>) -> bool {
        let hash = self.hash(&series.family.name, &series.text);
        if index.remove(hash, |other| Arc::ptr_eq(&other.series, series)).is_none() {
            return false;
        }
        let family = &series.family;
        self.count(family, series.text.len(), false);
        if family.lines.load(Ordering::Relaxed) == 0 {
            family.dead.store(true, Ordering::Relaxed);
            self.free_names(family);
        }
        true
    }

    /// Exposed lines of all series.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Whether the bytes have reached their bound.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.bounds.memory_max_bytes
    }

    /// Accounted bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The bounds.
    pub fn bounds(&self) -> &SeriesLimits {
        &self.bounds
    }
}

fn is(series: &Series, wanted: &SeriesSpec<'_>) -> bool {
    *series.text == *wanted.text && *series.family.name == *wanted.name
}

fn same_kind(family: &Family, wanted: &SeriesSpec<'_>) -> Result<(), Rejection> {
    if family.kind == wanted.kind { Ok(()) } else { Err(Rejection::TypeConflict) }
}

fn derived_names(name: &str) -> [String; 3] {
    ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))
}

fn lines(kind: Kind, bounds: usize) -> u64 {
    match kind {
        Kind::Counter | Kind::Gauge => 1,
        Kind::Histogram => bounds as u64 + 3, // the bounds, +Inf, _sum, _count
    }
}

fn series_bytes(text_len: usize) -> u64 {
    SERIES_BYTES + text_len as u64
}

fn cell_bytes(family: &Family) -> u64 {
    CELL_BYTES + 8 * family.cell_words() as u64
}

fn family_bytes(family: &Family) -> u64 {
    let text = family.name.len() * 2 + family.help.len() + family.label_names.len();
    let bounds = 8 * family.bounds.len() + family.birth_params.heap_bytes();
    (size_of::<Family>() + text + bounds + 512) as u64
}
