//! Retirement of idle series: *the owner gives up, the exporter folds*.
//!
//! 1. The exporter finds a series whose newest stamp is older than the time to live, and requests each of
//!    its cells from the owner.
//! 2. Between batches an owner forgets the series, so that it never writes the cell again, and replies.
//! 3. The exporter adds the final cell to the series' base under the lock that readers of the page
//!    hold as well, so a page has the cell or the base, never both and never neither: the sum that is
//!    shown never falls. Only then does the owner get the cell's place back.
//! 4. Under the registry's lock the series is removed if it has no owner left and its newest stamp is
//!    still older than the time to live. Otherwise it remains, with its base alone.
//!
//! A singleton that makes room for newcomers (`evict`) goes the same way. It is not removed in 4 if it had another
//! sample meanwhile, so that it is no singleton any more.
//!
//! A sample that arrives between 2 and 4 is of a series unknown to its worker, so the worker asks the
//! registry, under its lock. Before 4 it finds the series and becomes an owner again, so 4 does not remove
//! it; after 4 it creates a new one. So no sample is lost, and no series is removed while a worker counts
//! for it. `tests/model_shuttle.rs` checks this over random schedules.
//!
//! Runs on the exporter. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::planted::{self, Fault};
use crate::registry::cell;
use crate::registry::directory::{Directory, FamilyView, SeriesView};
use crate::registry::evict;
use crate::registry::mailbox::{GivenUp, Mailboxes, Request};
use crate::registry::series::{Family, Series};
use crate::sync::Ordering;

/// What one pass has done.
#[derive(Debug, Default)]
pub struct Pass {
    /// Workers with new requests. The caller must wake them.
    pub wake: BTreeSet<usize>,
    /// Series that were removed since they were idle, with their last numbers.
    pub removed: Vec<SeriesView>,
    /// Series that were removed to make room for others.
    pub evicted: Vec<SeriesView>,
    /// How many cells are requested and not folded yet.
    pub outstanding: usize,
}

/// How many cells may be requested at a time. To give up as many takes an owner some milliseconds, in which
/// it reads no socket, and to fold them takes the exporter as long, in which no page is made.
const OUTSTANDING_MAX: usize = 4096;
/// The least time between two times that series are chosen to make room, for which all series are read. With the
/// bound above, up to 4,096 of them go in a second.
const EVICT_PERIOD_NS: u64 = 1_000_000_000;

/// Idle series are looked for so many times within the time to live, and at least so often. Each look reads the cells
/// of whole families, so not each pass that only waits for answers of owners is one. A series that has just missed a
/// look waits for an eightieth of its time to live longer at most, which is a quarter of the time between two passes.
const LOOKS_PER_TTL: u64 = 80;
const LOOK_PERIOD_MAX_NS: u64 = 250_000_000;

/// Finds idle series and removes them.
#[derive(Debug)]
pub struct Expiry {
    ttl_ns: u64,
    mailboxes: Arc<Mailboxes>,
    /// When idle series are looked for next.
    look_due_ns: u64,
    /// How many cells are requested and not folded yet.
    outstanding: usize,
    /// When series are chosen to make room next.
    evict_due_ns: u64,
    /// Families that were removed since idle series were looked for last. Workers drop them in this time, and so none
    /// of them drops the last reference: the allocator would keep blocks of all sizes for that worker's thread, each
    /// in a page of its own.
    removed_families: Vec<Arc<Family>>,
}

impl Expiry {
    /// Removes series that had no sample for `ttl_ns`, the time to live in ns.
    pub fn new(ttl_ns: u64, mailboxes: Arc<Mailboxes>) -> Self {
        Self {
            ttl_ns,
            mailboxes,
            look_due_ns: 0,
            outstanding: 0,
            evict_due_ns: 0,
            removed_families: Vec::new(),
        }
    }

    /// One pass: folds the cells that were given up, then requests those of series that have become idle, and of those
    /// that have to make room for others.
    /// `now_ns` is the time of the monotonic clock.
    pub fn pass(&mut self, directory: &mut Directory, now_ns: u64) -> Pass {
        let mut pass = Pass::default();
        // Replies are taken before new cells: a cell is published before it is given up, so the directory has
        // the cell of each reply.
        let replies = self.mailboxes.take_replies();
        directory.merge_new_cells();
        let mut removed: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for reply in replies {
            self.outstanding -= 1;
            if let Some(position) = self.fold(directory, &reply, now_ns, &mut pass) {
                removed.entry(Arc::clone(&reply.series.family.name)).or_default().push(position);
            }
        }
        // Removed series leave a view together: one by one, each would move all entries behind it.
        for (name, mut positions) in removed {
            positions.sort_unstable();
            if let Some(view) = directory.views.get_mut(&*name) {
                let gone = view.take_out_at(&positions).into_iter();
                let (idle, evicted): (Vec<_>, Vec<_>) =
                    gone.partition(|entry| self.is_idle(entry.stamp_ns(), now_ns));
                pass.removed.extend(idle);
                pass.evicted.extend(evicted);
            }
        }
        self.request_idle(directory, now_ns, &mut pass);
        self.request_singletons(directory, now_ns, &mut pass);
        if !pass.removed.is_empty() || !pass.evicted.is_empty() {
            directory.views.retain(|_, view| !view.entries.is_empty());
        }
        pass.outstanding = self.outstanding;
        pass
    }

    fn is_idle(&self, stamp_ns: u64, now_ns: u64) -> bool {
        now_ns.saturating_sub(stamp_ns) > self.ttl_ns
    }

    /// Folds one given-up cell. Returns the place of its series in its family if the series was removed with it.
    fn fold(
        &mut self,
        directory: &mut Directory,
        reply: &GivenUp,
        now_ns: u64,
        pass: &mut Pass,
    ) -> Option<usize> {
        let GivenUp { series, cell, slot } = reply;
        let registry = Arc::clone(&directory.registry);
        let view = directory.views.get_mut(&*series.family.name)?;
        let position = view.position(&series.text).ok()?;
        let entry = &mut view.entries[position];
        entry.fold(cell);
        series.requested.store(series.requested.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        let idle = self.is_idle(entry.stamp_ns(), now_ns);
        let removed = registry.release_cell(series, idle || entry.singleton_since_ns().is_some());
        if removed {
            self.forget_removed(&series.family, pass);
        }
        let worker = cell.worker();
        self.mailboxes.request(worker, Request::Reuse(*slot));
        pass.wake.insert(worker);
        removed.then_some(position)
    }

    /// Tells all workers of a family whose last series was removed: any of them may remember it.
    fn forget_removed(&mut self, family: &Arc<Family>, pass: &mut Pass) {
        if family.is_removed() {
            self.removed_families.push(Arc::clone(family));
            for worker in 0..self.mailboxes.workers() {
                self.mailboxes.request(worker, Request::ForgetFamily(Arc::clone(family)));
                pass.wake.insert(worker);
            }
        }
    }

    /// Requests the cells of idle series, and removes idle series that have no cell left.
    fn request_idle(&mut self, directory: &mut Directory, now_ns: u64, pass: &mut Pass) {
        if now_ns < self.look_due_ns {
            return;
        }
        self.look_due_ns = now_ns + (self.ttl_ns / LOOKS_PER_TTL).min(LOOK_PERIOD_MAX_NS);
        self.removed_families = Vec::new();
        let registry = Arc::clone(&directory.registry);
        for view in directory.views.values_mut() {
            if !self.is_idle(view.oldest_ns, now_ns) && !planted::is(Fault::SharesExpire) {
                continue;
            }
            match self.request_cells(view, now_ns, pass) {
                Some(oldest_ns) => view.oldest_ns = oldest_ns,
                None => self.look_due_ns = 0, // the rest is requested next time
            }
            // A series with its base alone has no owner to request it from.
            let before = pass.removed.len();
            pass.removed.extend(view.take_out(|entry| {
                entry.cells().is_empty()
                    && self.is_idle(entry.stamp_ns(), now_ns)
                    && registry.remove_without_owner(&entry.series)
            }));
            if pass.removed.len() > before {
                self.forget_removed(&view.family, pass);
            }
        }
    }

    /// Whether the cells of a series are to be given up.
    fn may_go(&self, entry: &SeriesView, now_ns: u64) -> bool {
        if planted::is(Fault::SharesExpire) {
            let stamps = entry.cells().iter().map(|cell| cell::stamp_ns(cell.words()));
            return stamps.min().is_some_and(|oldest_ns| self.is_idle(oldest_ns, now_ns));
        }
        self.is_idle(entry.stamp_ns(), now_ns)
    }

    /// Requests the cells of a family's idle series. Returns the time of its oldest sample; `None` if not all cells may
    /// be requested yet.
    fn request_cells(&mut self, view: &FamilyView, now_ns: u64, pass: &mut Pass) -> Option<u64> {
        let mut oldest_ns = u64::MAX;
        for entry in &view.entries {
            if self.outstanding >= OUTSTANDING_MAX {
                return None;
            }
            oldest_ns = oldest_ns.min(entry.stamp_ns());
            if self.may_go(entry, now_ns) && !entry.is_requested() {
                self.request(entry, pass);
            }
        }
        Some(oldest_ns)
    }

    /// Requests the cells of singletons, if newcomers need their room.
    fn request_singletons(&mut self, directory: &Directory, now_ns: u64, pass: &mut Pass) {
        if now_ns < self.evict_due_ns || planted::is(Fault::SingletonsStay) {
            return;
        }
        self.evict_due_ns = now_ns + EVICT_PERIOD_NS;
        // Those that go for the sake of their names are requested by the time that the others are chosen: they count.
        for choose in [evict::of_names, evict::of_all] {
            let most = OUTSTANDING_MAX.saturating_sub(self.outstanding);
            for entry in choose(directory, most) {
                self.request(entry, pass);
            }
        }
    }

    /// Requests all cells of a series.
    fn request(&mut self, entry: &SeriesView, pass: &mut Pass) {
        let series: &Arc<Series> = entry.series();
        for cell in entry.cells() {
            series.requested.store(series.requested.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            self.mailboxes.request(cell.worker(), Request::GiveUp(Arc::clone(series)));
            pass.wake.insert(cell.worker());
            self.outstanding += 1;
        }
    }
}
