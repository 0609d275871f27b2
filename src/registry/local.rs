//! A worker's half of the registry: the series it has seen, and its own cell in each.
//!
//! Runs on one ingest worker. Counting takes no lock and writes no line that another core writes;
//! a series that this worker has not seen goes through `#[cold] adopt`.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::metric::{BucketParams, Kind, Rejection, Sample};
use crate::registry::birth::{Family, NewCell, Registry, Series, SeriesSpec};
use crate::registry::cell;
use crate::registry::label_text;
use crate::registry::mailbox::{GivenUp, Mailboxes, Request};
use crate::registry::slab::{Slab, Slot};
use crate::segmented_table::IndexTable;
use crate::text::labels::ConstantLabel;

/// Remembered families past which the worker forgets them all and asks the index anew.
const FAMILIES_MAX: usize = 65_536;

/// A series' cell as its worker remembers it: valid while the entry's generation is the same. Holds
/// what counting needs, so that a known message touches few lines of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellHandle {
    index: u32,
    generation: u32,
    slot: Slot,
    kind: Kind,
}

#[derive(Debug)]
struct LocalSeries {
    /// `None` in a vacant entry.
    series: Option<Arc<Series>>,
    slot: Slot,
}

/// The worker's half.
#[derive(Debug)]
pub struct LocalRegistry {
    worker: usize,
    registry: Arc<Registry>,
    mailboxes: Arc<Mailboxes>,
    slab: Slab,
    entries: Vec<LocalSeries>,
    /// By entry: bumped when it is given up, so that whoever remembers its cell learns of it.
    generations: Vec<u32>,
    vacant: Vec<u32>,
    /// Indices of entries by name and label text.
    table: IndexTable,
    /// Families by name, so that refusals are local.
    families: HashTable<Arc<Family>>,
    family_hasher: RandomState,
    text: Vec<u8>,
    label_names: String,
}

impl LocalRegistry {
    /// An empty half.
    pub fn new(worker: usize, registry: Arc<Registry>, mailboxes: Arc<Mailboxes>) -> Self {
        Self {
            worker,
            registry,
            mailboxes,
            slab: Slab::new(worker),
            entries: Vec::new(),
            generations: Vec::new(),
            vacant: Vec::new(),
            table: IndexTable::default(),
            families: HashTable::new(),
            family_hasher: RandomState::new(),
            text: Vec::new(),
            label_names: String::new(),
        }
    }

    /// The births that it shares with others.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Counts a sample of `kind` (that of its op) and tells where it went.
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
            self.entries[index as usize].series.as_deref().is_some_and(|series| {
                *series.text == *self.text && *series.family.name == *sample.name
            })
        });
        let Some(index) = found else {
            return self.adopt(kind, sample, constants, hash, now_ns);
        };
        let entry = &self.entries[index as usize];
        let Some(series) = &entry.series else { return Err(Rejection::Panic) };
        if series.family.kind != kind {
            return Err(Rejection::TypeConflict);
        }
        self.add(entry, &series.family, sample.value, now_ns);
        Ok(CellHandle {
            index,
            generation: self.generations[index as usize],
            slot: entry.slot,
            kind,
        })
    }

    /// Counts another value into a cell that [`Self::count`] has told; `false` if it is given up since.
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
                let Some(series) = &entry.series else { return false };
                self.add(entry, &series.family, value, now_ns);
            }
        }
        true
    }

    /// Whether the bucket fields of a sample that was counted into this cell, a histogram's, ask for other
    /// bounds than the histogram has.
    pub fn ignores_buckets(&self, own: CellHandle, asked: &BucketParams<'_>) -> bool {
        let series = self.entries[own.index as usize].series.as_ref();
        let buckets_max = self.registry.bounds().buckets_max;
        series.is_some_and(|series| series.family.ignores_buckets(asked, buckets_max))
    }

    /// Reads what counting into a cell will need, so that it is near by then. The cell may be given up.
    #[inline]
    pub fn touch(&self, own: CellHandle) -> u64 {
        let generation = u64::from(self.generations[own.index as usize]);
        generation ^ cell::stamp_ns(self.slab.words(own.slot, 1))
    }

    #[inline]
    fn add(&self, entry: &LocalSeries, family: &Family, value: f64, now_ns: u64) {
        let cell = self.slab.words(entry.slot, family.cell_words());
        match family.kind {
            Kind::Counter => cell::add(cell, value, now_ns),
            Kind::Gauge => cell::set(cell, value, now_ns),
            Kind::Histogram => cell::observe(cell, &family.bounds, value, now_ns),
        }
    }

    /// A series that this worker has not seen: refused from what it remembers of the family, or
    /// found or born under the lock of births.
    #[cold]
    fn adopt(
        &mut self,
        kind: Kind,
        sample: &Sample<'_>,
        constants: &[ConstantLabel],
        hash: u64,
        now_ns: u64,
    ) -> Result<CellHandle, Rejection> {
        self.label_names.clear();
        label_text::write_names(&mut self.label_names, sample.labels, constants);
        let wanted = SeriesSpec {
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
            Ok(entry) if entry.get().is_dead() => drop(entry.remove()),
            Ok(entry) => {
                let family = entry.get();
                if family.kind != kind {
                    return Err(Rejection::TypeConflict);
                }
                self.registry.same_labels(family, &wanted)?;
            }
            Err(_) => {}
        }
        let series = self.registry.adopt(&wanted)?;
        self.remember_family(family_hash, &series.family);
        Ok(self.own(series, hash, sample.value, now_ns))
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

    /// Takes a cell for an adopted series, counts the first sample and shows it to the exporter.
    fn own(&mut self, series: Arc<Series>, hash: u64, value: f64, now_ns: u64) -> CellHandle {
        let words = series.family.cell_words();
        let slot = self.slab.allocate(words);
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(LocalSeries { series: None, slot });
            self.generations.push(0);
            u32::try_from(self.entries.len() - 1).expect("series are bounded by -lines-max")
        });
        let entry = &mut self.entries[index as usize];
        entry.slot = slot;
        entry.series = Some(Arc::clone(&series));
        let (generation, kind) = (self.generations[index as usize], series.family.kind);
        self.add(&self.entries[index as usize], &series.family, value, now_ns);
        self.table.insert(hash.into(), index);
        self.registry.announce(NewCell { series, cell: self.slab.share(slot, words) });
        CellHandle { index, generation, slot, kind }
    }

    /// Does what the exporter asked for; returns how many series it has given up. Run between batches.
    #[inline]
    pub fn handle_requests(&mut self) -> usize {
        let mut given_up = 0;
        for request in self.mailboxes.requests(self.worker) {
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

    /// Whether a cell that [`Self::count`] has told is still the worker's own.
    pub fn owns(&self, own: CellHandle) -> bool {
        self.generations[own.index as usize] == own.generation
    }

    /// Drops the key of a series and answers; later samples of it are adopted anew.
    #[cold]
    fn give_up(&mut self, series: &Arc<Series>) {
        let hash = self.registry.hash(&series.family.name, &series.text);
        let mine = self.table.remove(hash.into(), |index| {
            let own = self.entries[index as usize].series.as_ref();
            own.is_some_and(|own| Arc::ptr_eq(own, series))
        });
        // Not found cannot happen: each announced cell is asked for once. Nothing is lost if it does.
        let Some(index) = mine else { return };
        let entry = &mut self.entries[index as usize];
        entry.series = None;
        let slot = entry.slot;
        let generation = &mut self.generations[index as usize];
        *generation = generation.wrapping_add(1);
        self.vacant.push(index);
        let cell = self.slab.share(slot, series.family.cell_words());
        self.mailboxes.answer(GivenUp { series: Arc::clone(series), cell, slot });
    }

    /// The cell of a series, for models that plant a fault.
    #[cfg(shuttle)]
    pub fn cell_of(&self, series: &Arc<Series>) -> Option<(crate::registry::slab::CellRef, Slot)> {
        let own = |entry: &&LocalSeries| {
            entry.series.as_ref().is_some_and(|own| Arc::ptr_eq(own, series))
        };
        let slot = self.entries.iter().find(own)?.slot;
        Some((self.slab.share(slot, series.family.cell_words()), slot))
    }

    /// Series that this worker counts.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it counts none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
