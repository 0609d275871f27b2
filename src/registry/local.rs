//! One worker's part of the registry: the series that it has seen, and its own cell in each.
//!
//! Runs on that worker. Counting takes no lock and writes no cache line that another core writes. Only a
//! series that this worker sees for the first time needs the shared registry and its lock.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::index_table::IndexTable;
use crate::metric::{BucketParams, Kind, Rejection, Sample};
use crate::registry::mailbox::{GivenUp, Mailboxes, Request};
use crate::registry::names::check_kind;
use crate::registry::series::{Family, NewCell, Series, SeriesSpec};
use crate::registry::slab::{Slab, Slot, to_u32};
use crate::registry::{Registry, cell, label_text};
use crate::text::labels::ConstantLabel;

/// How many families a worker remembers; it forgets all of them when there are more, and asks the shared
/// registry anew. 65,536 take some 2 MB.
const FAMILIES_MAX: usize = 65_536;

/// Where a worker counts for a series: what the cache of known messages keeps. It is valid while the
/// generation of the entry is the same, and it holds all that counting into a counter or gauge needs, so
/// that few lines of memory are touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellHandle {
    index: u32,
    generation: u32,
    slot: Slot,
    kind: Kind,
}

/// An entry for a series that this worker counts for.
#[derive(Debug)]
struct LocalSeries {
    /// The series; in a vacant entry [`LocalRegistry::no_series`].
    series: Arc<Series>,
    /// Its cell.
    slot: Slot,
}

/// The series that one worker counts for.
#[derive(Debug)]
pub struct LocalRegistry {
    worker: usize,
    registry: Arc<Registry>,
    mailboxes: Arc<Mailboxes>,
    slab: Slab,
    entries: Vec<LocalSeries>,
    /// For each entry, how often it was vacated. A handle with another number is out of date.
    generations: Vec<u32>,
    /// A series without a name, for vacant entries: they must not keep removed series in memory.
    no_series: Arc<Series>,
    /// Indices of vacant entries.
    vacant: Vec<u32>,
    /// Indices of entries, found by name and label text.
    table: IndexTable,
    /// Families by name. Most samples that a family refuses are refused from here, without the shared registry.
    families: HashTable<Arc<Family>>,
    family_hasher: RandomState,
    /// The label text of the sample at hand.
    text: Vec<u8>,
    /// The label names of the sample at hand.
    label_names: String,
}

impl LocalRegistry {
    /// Without series, for the worker with this number.
    pub fn new(worker: usize, registry: Arc<Registry>, mailboxes: Arc<Mailboxes>) -> Self {
        Self {
            worker,
            registry,
            mailboxes,
            slab: Slab::new(worker),
            entries: Vec::new(),
            no_series: Arc::new(Series::without_name()),
            generations: Vec::new(),
            vacant: Vec::new(),
            table: IndexTable::default(),
            families: HashTable::new(),
            family_hasher: RandomState::new(),
            text: Vec::new(),
            label_names: String::new(),
        }
    }

    /// The registry that all workers share.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Counts a sample of type `kind` (that of its op). Returns the cell that it was counted in.
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
        label_text::write(&mut self.text, sample.labels, constants);
        let hash = self.registry.hash(sample.name, &self.text);
        let found = self.table.find(hash.into(), |index| {
            let series = &self.entries[index as usize].series;
            *series.text == *self.text && *series.family.name == *sample.name
        });
        let Some(index) = found else {
            return self.count_first(kind, sample, constants, hash, now_ns);
        };
        let entry = &self.entries[index as usize];
        let family = &entry.series.family;
        check_kind(family, kind)?;
        self.add(entry.slot, family, sample.value, now_ns);
        Ok(CellHandle {
            index,
            generation: self.generations[index as usize],
            slot: entry.slot,
            kind,
        })
    }

    /// Counts a value in a cell that [`Self::count`] has returned. Returns `false`, and counts nothing, if the
    /// cell was given up since.
    #[inline]
    pub fn count_in(&self, own: CellHandle, value: f64, now_ns: u64) -> bool {
        if !self.owns(own) {
            return false;
        }
        match own.kind {
            Kind::Counter => {
                cell::add(self.slab.words(own.slot, cell::COUNTER_WORDS), value, now_ns);
            }
            Kind::Gauge => cell::set(self.slab.words(own.slot, cell::GAUGE_WORDS), value, now_ns),
            Kind::Histogram => {
                let entry = &self.entries[own.index as usize];
                self.add(entry.slot, &entry.series.family, value, now_ns);
            }
        }
        true
    }

    /// Whether the bucket fields of a sample that was counted in this cell, a histogram's, ask for other
    /// bounds than the histogram has.
    pub fn ignores_buckets(&self, own: CellHandle, asked: &BucketParams<'_>) -> bool {
        let family = &self.entries[own.index as usize].series.family;
        family.ignores_buckets(asked, self.registry.limits().buckets_max)
    }

    /// Reads what [`Self::count_in`] will need, so that it is in the processor's cache by then. The cell may
    /// have been given up. What is returned means nothing; it only keeps the reads from being optimized away.
    #[inline]
    pub fn touch(&self, own: CellHandle) -> u64 {
        let generation = u64::from(self.generations[own.index as usize]);
        generation ^ cell::stamp_ns(self.slab.words(own.slot, 1))
    }

    #[inline]
    fn add(&self, slot: Slot, family: &Family, value: f64, now_ns: u64) {
        let cell = self.slab.words(slot, family.cell_words());
        match family.kind {
            Kind::Counter => cell::add(cell, value, now_ns),
            Kind::Gauge => cell::set(cell, value, now_ns),
            Kind::Histogram => cell::observe(cell, &family.bounds, value, now_ns),
        }
    }

    /// Counts the first sample of a series that this worker sees. Refuses it if it does not fit what the
    /// worker remembers of the family; otherwise the shared registry decides.
    #[cold]
    fn count_first(
        &mut self,
        kind: Kind,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        hash: u64,
        now_ns: u64,
    ) -> Result<CellHandle, Rejection> {
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
        };
        let family_hash = self.family_hasher.hash_one(sample.name);
        let known = self.families.find_entry(family_hash, |family| *family.name == *sample.name);
        match known {
            Ok(entry) if entry.get().is_removed() => drop(entry.remove()),
            Ok(entry) => {
                check_kind(entry.get(), kind)?;
                self.registry.check_label_names(entry.get(), spec.label_names)?;
            }
            Err(_) => {}
        }
        let series = self.registry.get_or_create(&spec)?;
        self.remember_family(family_hash, &series.family);
        Ok(self.start_cell(series, hash, sample.value, now_ns))
    }

    fn remember_family(&mut self, hash: u64, family: &Arc<Family>) {
        if self.families.len() >= FAMILIES_MAX {
            self.families.clear();
        }
        let hasher = &self.family_hasher;
        self.families
            .entry(hash, |known| known.name == family.name, |known| hasher.hash_one(&*known.name))
            .or_insert_with(|| Arc::clone(family));
    }

    /// Takes a cell for the series, counts the first sample in it, and shows it to the exporter.
    fn start_cell(
        &mut self,
        series: Arc<Series>,
        hash: u64,
        value: f64,
        now_ns: u64,
    ) -> CellHandle {
        let words = series.family.cell_words();
        let slot = self.slab.allocate(words);
        let entry = LocalSeries { series: Arc::clone(&series), slot };
        let index = if let Some(index) = self.vacant.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            self.generations.push(0);
            to_u32(self.entries.len() - 1) // -lines-max bounds it far below 2^32
        };
        let (generation, kind) = (self.generations[index as usize], series.family.kind);
        self.add(slot, &series.family, value, now_ns);
        self.table.insert(hash.into(), index);
        self.registry.publish(NewCell { series, cell: self.slab.share(slot, words) });
        CellHandle { index, generation, slot, kind }
    }

    /// Does what the exporter has requested. Returns how many series were given up. Called between batches,
    /// so that no cell is given up while a batch is being counted.
    #[inline]
    pub fn handle_requests(&mut self) -> usize {
        let mut given_up = 0;
        for request in self.mailboxes.take_requests(self.worker) {
            match request {
                Request::GiveUp(series) => {
                    self.give_up(&series);
                    given_up += 1;
                }
                Request::Reuse { slot, words } => self.slab.free(slot, words),
            }
        }
        given_up
    }

    /// Whether a cell that [`Self::count`] has returned is still the worker's own.
    pub fn owns(&self, own: CellHandle) -> bool {
        self.generations[own.index as usize] == own.generation
    }

    /// Forgets a series, so that its cell is never written again, and hands the cell back. A later sample of
    /// the series starts a new cell.
    #[cold]
    fn give_up(&mut self, series: &Arc<Series>) {
        let hash = self.registry.hash(&series.family.name, &series.text);
        let removed = self
            .table
            .remove(hash.into(), |index| Arc::ptr_eq(&self.entries[index as usize].series, series));
        // The exporter requests each published cell once. Were it to request one again, the first reply
        // would have given it up already, and there is nothing left to hand back.
        let Some(index) = removed else { return };
        let entry = &mut self.entries[index as usize];
        entry.series = Arc::clone(&self.no_series);
        let slot = entry.slot;
        let generation = &mut self.generations[index as usize];
        *generation = generation.wrapping_add(1);
        self.vacant.push(index);
        let cell = self.slab.share(slot, series.family.cell_words());
        self.mailboxes.reply(GivenUp { series: Arc::clone(series), cell, slot });
    }

    /// The cell of a series, for a model that plants a fault.
    #[cfg(shuttle)]
    pub fn cell_of(&self, series: &Arc<Series>) -> Option<(crate::registry::slab::CellRef, Slot)> {
        let own = |entry: &&LocalSeries| Arc::ptr_eq(&entry.series, series);
        let slot = self.entries.iter().find(own)?.slot;
        Some((self.slab.share(slot, series.family.cell_words()), slot))
    }

    /// Whether no series is left, for a model that ends when all are removed.
    #[cfg(shuttle)]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }
}
