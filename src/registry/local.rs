//! One worker's part of the registry: the series that it has seen, and its own cell in each.
//!
//! Runs on that worker. Counting takes no lock and writes no cache line that another core writes. Only a
//! series that this worker sees for the first time needs the shared registry and its lock.

mod adders;
mod known_families;
mod own_cells;

use std::sync::Arc;

use self::known_families::KnownFamilies;
pub(crate) use self::own_cells::CellHandle;
use self::own_cells::OwnCells;
use crate::metric::{BucketParams, Kind, Op, Rejection, Sample};
use crate::planted::{self, Fault};
use crate::registry::mailbox::{Mailboxes, Request};
use crate::registry::names::check_kind;
use crate::registry::series::{NewCell, Series, SeriesSpec};
use crate::registry::worker_time::WorkerTime;
use crate::registry::{Registry, label_text};
use crate::text::labels::ConstantLabel;

/// The series that one worker counts for.
#[derive(Debug)]
pub struct LocalRegistry {
    worker: usize,
    registry: Arc<Registry>,
    mailboxes: Arc<Mailboxes>,
    cells: OwnCells,
    families: KnownFamilies,
    /// The label text of the sample at hand.
    text: Vec<u8>,
    /// The label names of the sample at hand.
    label_names: String,
    /// Bytes of cells and families that the registry was told of last.
    booked_bytes: usize,
}

impl LocalRegistry {
    /// Without series, for the worker with this number.
    pub fn new(worker: usize, registry: Arc<Registry>, mailboxes: Arc<Mailboxes>) -> Self {
        Self {
            worker,
            registry,
            mailboxes,
            cells: OwnCells::new(worker),
            families: KnownFamilies::new(),
            text: Vec::new(),
            label_names: String::new(),
            booked_bytes: 0,
        }
    }

    /// The registry that all workers share.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Counts a sample of type `kind` (that of its op, which is not `add`). Returns the cell that it was counted in.
    ///
    /// # Errors
    /// The reason for which the sample is refused; nothing is counted then.
    pub fn count(
        &mut self,
        kind: Kind,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        now_ns: u64,
    ) -> Result<CellHandle, Rejection> {
        self.text.clear();
        label_text::write::<0>(&mut self.text, sample.labels, constants);
        let hash = self.registry.hash(sample.name, &self.text);
        let Some(cell) = self.cells.find(hash, sample.name, &self.text) else {
            return self.count_first(kind, sample, constants, hash, now_ns);
        };
        check_kind(self.cells.family(cell), kind)?;
        self.cells.add(cell, sample.value, now_ns);
        Ok(cell)
    }

    /// Adds a sample to a gauge. Returns the cell that it was counted in.
    ///
    /// # Errors
    /// The reason for which the sample is refused; nothing is counted then.
    #[cold]
    pub fn add_to_gauge(
        &mut self,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        time: &WorkerTime,
    ) -> Result<CellHandle, Rejection> {
        self.text.clear();
        label_text::write::<1>(&mut self.text, sample.labels, constants);
        let hash = self.registry.hash(sample.name, &self.text);
        let Some(cell) = self.cells.find_adds(hash, sample.name, &self.text) else {
            return self.add_first(sample, constants, hash, time);
        };
        self.cells.add_to_gauge(cell, sample.value, time);
        Ok(cell)
    }

    /// Counts a value in a cell that [`Self::count`] has returned. Returns `false`, and counts nothing, if the
    /// cell was given up since.
    #[expect(
        clippy::inline_always,
        reason = "known objects and known lines count here: as a call it costs each 28 instructions"
    )]
    #[inline(always)]
    pub fn count_in(&self, cell: CellHandle, value: f64, now_ns: u64) -> bool {
        let owned = self.cells.owns(cell);
        if owned {
            self.cells.add(cell, value, now_ns);
        }
        owned
    }

    /// Observes a value some more times in a cell that [`Self::count`] or [`Self::count_in`] has just counted in. It does
    /// nothing in one that is no histogram's.
    #[inline]
    pub fn count_again(&self, cell: CellHandle, value: f64, times: u64, now_ns: u64) {
        if times > 0 {
            self.cells.observe_again(cell, value, times, now_ns);
        }
    }

    /// Adds a value to a gauge in a cell that [`Self::add_to_gauge`] has returned. Returns `false`, and counts nothing,
    /// if the cell was given up since, or is no such cell.
    #[cold]
    pub fn add_in(&self, cell: CellHandle, value: f64, time: &WorkerTime) -> bool {
        let owned = self.cells.owns_adds(cell);
        if owned {
            self.cells.add_to_gauge(cell, value, time);
        }
        owned
    }

    /// Whether the bucket fields of a sample that was counted in this cell, a histogram's, ask for other
    /// bounds than the histogram has.
    pub fn ignores_buckets(&self, cell: CellHandle, asked: &BucketParams<'_>) -> bool {
        self.cells.family(cell).ignores_buckets(asked, self.registry.limits().buckets_max())
    }

    /// Reads what [`Self::count_in`] will need, so that it is in the processor's cache by then. The cell may
    /// have been given up. What was read is returned only so that the caller can keep the compiler from
    /// leaving the reads out.
    #[inline]
    pub fn touch(&self, cell: CellHandle) -> u64 {
        self.cells.read_ahead(cell)
    }

    /// Counts the first sample of a series that this worker sees.
    #[cold]
    fn count_first(
        &mut self,
        kind: Kind,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        hash: u64,
        now_ns: u64,
    ) -> Result<CellHandle, Rejection> {
        let series = self.join(kind, sample, constants, hash, now_ns)?;
        let cell = self.cells.start(&series, hash);
        self.cells.add(cell, sample.value, now_ns);
        if kind == Kind::Gauge {
            series.set_cells().begin(self.cells.share(cell));
        }
        self.publish(series, cell);
        Ok(cell)
    }

    /// Adds to a gauge for the first time on this worker.
    #[cold]
    fn add_first(
        &mut self,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        hash: u64,
        time: &WorkerTime,
    ) -> Result<CellHandle, Rejection> {
        let series = self.join(Kind::Gauge, sample, constants, hash, time.now_ns())?;
        let cell = self.cells.start_adds(&series, hash);
        self.cells.add_to_gauge(cell, sample.value, time);
        self.publish(series, cell);
        Ok(cell)
    }

    /// The series of a sample, with this worker as one of its owners. Refuses the sample if it does not fit what the
    /// worker remembers of the family; otherwise the shared registry decides.
    fn join(
        &mut self,
        kind: Kind,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        hash: u64,
        now_ns: u64,
    ) -> Result<Arc<Series>, Rejection> {
        self.label_names.clear();
        label_text::write_names(&mut self.label_names, sample.labels, constants);
        let spec = SeriesSpec {
            name: sample.name,
            text: &self.text,
            hash,
            kind,
            label_names: &self.label_names,
            help: sample.help,
            buckets: sample.buckets,
            now_ns,
            adds: sample.op == Op::Add,
        };
        if let Some(family) = self.families.find(sample.name) {
            check_kind(family, kind)?;
            self.registry.check_label_names(family, spec.label_names)?;
        }
        let series = self.registry.get_or_create(&spec)?;
        self.families.remember(&series.family);
        Ok(series)
    }

    /// Has the exporter show a new cell from now on; so the first sample is in it by now.
    fn publish(&mut self, series: Arc<Series>, cell: CellHandle) {
        self.registry.publish(NewCell { series, cell: self.cells.share(cell) });
        self.book_bytes();
    }

    /// Tells the registry how many bytes cells and remembered families take now.
    #[cold]
    fn book_bytes(&mut self) {
        let now = self.cells.bytes() + self.families.bytes();
        if now != self.booked_bytes {
            self.registry.change_own_bytes(self.booked_bytes, now);
            self.booked_bytes = now;
        }
    }

    /// Does what the exporter has requested. Returns how many series were given up. Called between batches,
    /// so that no cell is given up while a batch is being counted.
    #[inline]
    pub fn handle_requests(&mut self) -> usize {
        let mut given_up = 0;
        let requests = self.mailboxes.take_requests(self.worker);
        if requests.is_empty() {
            return 0;
        }
        for request in requests {
            match request {
                Request::GiveUp(series) => {
                    self.give_up(&series);
                    given_up += 1;
                }
                Request::Reuse(_) if planted::is(Fault::FreedCellsKept) => {}
                Request::Reuse(slot) => self.cells.free(slot),
                Request::ForgetFamily(family) => self.families.forget(&family),
            }
        }
        self.book_bytes();
        given_up
    }

    /// Whether a cell that [`Self::count`] or [`Self::add_to_gauge`] has returned is still the worker's own.
    pub fn owns(&self, cell: CellHandle) -> bool {
        self.cells.owns(cell) || self.cells.owns_adds(cell)
    }

    /// Forgets a cell of a series, so that it is never written again, and hands it back. A later sample of
    /// the series starts a new cell.
    #[cold]
    fn give_up(&mut self, series: &Arc<Series>) {
        let hash = self.registry.hash(&series.family.name, &series.text);
        // The exporter requests each published cell once. Were it to request one again, the first reply
        // would have given it up already, and there is nothing left to hand back.
        if let Some(given_up) = self.cells.give_up(series, hash) {
            self.mailboxes.reply(given_up);
        }
    }

    /// The cell of a series, for a model that plants a fault.
    #[cfg(shuttle)]
    pub fn cell_of(
        &self,
        series: &Arc<Series>,
    ) -> Option<(crate::registry::slab::CellRef, crate::registry::slab::Slot)> {
        self.cells.cell_of(series)
    }

    /// Whether no series is left.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}
