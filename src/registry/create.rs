//! How a series comes to exist: found or created under the registry's lock.
//!
//! Runs on a worker, when it sees a series for the first time.

use std::sync::Arc;

use crate::metric::{Kind, Rejection};
use crate::registry::Registry;
use crate::registry::buckets::{self, FirstBucketParams};
use crate::registry::cell;
use crate::registry::limits::{Limit, SeriesLimits, Shortage};
use crate::registry::names::check_kind;
use crate::registry::reserve::Reserve;
use crate::registry::series::{Family, HashedSeries, Series, SeriesSpec};
use crate::segmented_table::SegmentedTable;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Why a series does not come to exist.
enum Refused {
    /// A limit leaves no room for it.
    NoRoom(Shortage),
    /// It would not be valid.
    Invalid(Rejection),
}

impl From<Shortage> for Refused {
    fn from(shortage: Shortage) -> Self {
        Self::NoRoom(shortage)
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Invalid(rejection)
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoRoom(shortage) => shortage.into(),
            Refused::Invalid(rejection) => rejection,
        }
    }
}

impl Registry {
    /// Finds or creates the series, and makes the caller one of its owners. The caller must then count into
    /// a cell of its own and pass it to [`Self::publish`].
    ///
    /// # Errors
    /// The reason for which the sample is refused: its name, type, labels or bucket fields, or a limit.
    #[cold]
    pub fn get_or_create(&self, spec: &SeriesSpec<'_>) -> Result<Arc<Series>, Rejection> {
        // Without the lock: refusing what can be refused.
        let family = self.names.find(spec)?;
        let family = family.as_deref();
        let Some(newcomers) = &self.newcomers else {
            return Ok(self.create_within(&self.limits, spec, family)?);
        };
        // One attempt, not a second one with other limits: a flood of refused series pays for each.
        let of_first_sight = newcomers.limits_of_first_sight(family);
        let was_noted = of_first_sight.is_some() && newcomers.note(spec.hash);
        let created = match &of_first_sight {
            Some(limits) if !was_noted => self.create_within(limits, spec, family),
            // This is not its first sample, so it is no singleton.
            Some(_) => self.create_within(&self.limits, &SeriesSpec { now_ns: 0, ..*spec }, family),
            None => self.create_within(&self.limits, spec, family),
        };
        if let Err(Refused::NoRoom(shortage)) = &created
            && shortage.used + shortage.more > self.limits.of(shortage.limit)
        {
            // While no room is kept, only what is refused is noted.
            let comes_again = was_noted || (of_first_sight.is_none() && newcomers.note(spec.hash));
            newcomers.refused(shortage, family, comes_again);
        }
        Ok(created?)
    }

    /// Finds or creates the series if it stays within these limits. Its `family`, if it was there a moment ago.
    fn create_within(
        &self,
        limits: &SeriesLimits,
        spec: &SeriesSpec<'_>,
        family: Option<&Family>,
    ) -> Result<Arc<Series>, Refused> {
        // Without the lock: refusing what there is no room for, and computing the bounds of a new histogram.
        let bounds = if family.is_some() {
            None
        } else {
            self.check_room_for_bounds(limits, spec)?;
            Some(self.bounds(spec)?)
        };
        let mut index = self.index.lock();
        if let Some(series) = find(&index, spec) {
            check_kind(&series.family, spec.kind)?;
            // Not checked against the limits: series that exist go on counting, on every worker. Only a gauge that is
            // added to for the first time needs room for that.
            if spec.adds && !series.is_added_to() {
                self.usage.check_adds(limits)?;
                self.note_adds(&series);
            }
            self.usage.add_cell_reference(&series.family);
            series.add_owner();
            return Ok(series);
        }
        let family = match self.names.find(spec)? {
            Some(family) => family,
            None => self.new_family(spec, bounds)?,
        };
        self.usage.check(limits, &family, spec.text.len(), spec.adds)?;
        let series = Arc::new(Series::new(Arc::clone(&family), spec.text, spec.now_ns));
        index.reserve(spec.hash);
        // Nothing below can fail. So a panic above, which the worker catches, leaves nothing half created.
        if family.lines.load(Ordering::Relaxed) == 0 {
            self.names.insert(&family);
            self.usage.add_family(&family);
        }
        if *family.label_names != *spec.label_names {
            family.mixed.store(true, Ordering::Relaxed);
        }
        self.usage.add_series(&family, spec.text.len());
        self.usage.add_cell_reference(&family);
        if spec.adds {
            self.note_adds(&series);
        }
        index.insert(HashedSeries { hash: spec.hash, series: Arc::clone(&series) });
        self.usage.set_index_bytes(index.bytes());
        Ok(series)
    }

    /// Notes that a gauge is added to. Called under the registry's lock, once for a series.
    fn note_adds(&self, series: &Series) {
        series.note_adds();
        self.usage.add_adds();
    }

    /// Refuses a new histogram for which there is no room, if the number of its bounds is known without making them.
    /// It may pass one that the limits refuse later.
    fn check_room_for_bounds(
        &self,
        limits: &SeriesLimits,
        spec: &SeriesSpec<'_>,
    ) -> Result<(), Shortage> {
        let certain = match spec.kind {
            Kind::Histogram => buckets::certain_count(&spec.buckets, limits.buckets_max()),
            Kind::Counter | Kind::Gauge => None,
        };
        let Some(bounds) = certain else { return Ok(()) };
        let lines = bounds as u64 + 3; // +Inf, _sum, _count
        let words = cell::words(spec.kind, bounds) as u64;
        limits.check(Limit::Lines, self.lines(), lines)?;
        limits.check(Limit::NameLines, 0, lines)?;
        limits.check(Limit::MemoryBytes, self.bytes(), words * size_of::<u64>() as u64)
    }

    /// The upper bounds of a new family.
    fn bounds(&self, spec: &SeriesSpec<'_>) -> Result<Vec<f64>, Rejection> {
        match spec.kind {
            Kind::Histogram => buckets::bounds(&spec.buckets, self.limits.buckets_max()),
            Kind::Counter | Kind::Gauge => Ok(Vec::new()),
        }
    }

    /// A family without series. `bounds` are missing if there was a family of this name before the lock was
    /// taken, and it has been removed since.
    fn new_family(
        &self,
        spec: &SeriesSpec<'_>,
        bounds: Option<Vec<f64>>,
    ) -> Result<Arc<Family>, Rejection> {
        let bounds = bounds.map_or_else(|| self.bounds(spec), Ok)?;
        Ok(Arc::new(Family {
            name: spec.name.into(),
            help: spec.help.into(),
            kind: spec.kind,
            bounds: bounds.into(),
            bucket_params: FirstBucketParams::new(&spec.buckets),
            label_names: spec.label_names.into(),
            mixed: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            lines: AtomicU64::new(0),
            reserve: Reserve::new(),
        }))
    }
}

fn find(index: &SegmentedTable<HashedSeries>, spec: &SeriesSpec<'_>) -> Option<Arc<Series>> {
    let found = index.find(spec.hash, |HashedSeries { hash, series }| {
        *hash == spec.hash && *series.text == *spec.text && *series.family.name == *spec.name
    });
    found.map(|found| Arc::clone(&found.series))
}
