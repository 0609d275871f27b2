//! Where templates are kept: a vector of them, a table that finds them by hash, and a bound in bytes.
//!
//! Runs on an ingest worker; it must not know where messages come from or in which order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::entry::Template;
use super::locator::Probe;
use super::lookup::{Hit, NO_TEMPLATE, TemplateId};
use super::next_number::TEMPLATE_BYTES_MAX;
use crate::index_table::{IndexTable, ShortHash};

/// Templates of one hash at most. Further messages of that hash are parsed each time. So whoever finds messages
/// with one hash slows down only these.
const ALIKE_MAX: usize = 8;
/// Templates that an eviction passes over, since they were used lately, before it takes one all the same. To look
/// at a million would keep the worker from its sockets for tens of milliseconds; so many take some 0.1 ms.
const SPARED_MAX: usize = 4096;

/// The templates.
#[derive(Debug)]
pub(super) struct TemplateStore<T> {
    table: IndexTable,
    templates: Vec<Template<T>>,
    /// Indices of vacant places, the lowest first, so that the last places are vacant for good some day and can go.
    /// Those that have gone may still be in here.
    vacant: BinaryHeap<Reverse<u32>>,
    /// Where the eviction clock stands.
    clock_hand: usize,
    /// Where the last sweep stopped.
    swept: usize,
    /// Bytes of templates, which the bound is held against.
    bytes: usize,
    bytes_max: usize,
}

impl<T: Copy> TemplateStore<T> {
    /// Bytes of a template with its entry in the table, beside a text that is allocated.
    pub(super) const TEMPLATE_BYTES: usize = size_of::<Template<T>>() + IndexTable::ENTRY_BYTES;

    /// An empty store of at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            table: IndexTable::default(),
            templates: Vec::new(),
            vacant: BinaryHeap::new(),
            clock_hand: 0,
            swept: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// Whether it can hold nothing.
    #[inline]
    pub(super) fn is_off(&self) -> bool {
        self.bytes_max == 0
    }

    /// Templates that are held.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes that they take, with places that are vacant.
    pub(super) fn bytes(&self) -> usize {
        let vacant = self.templates.len() - self.table.len();
        self.bytes + vacant * size_of::<Template<T>>()
    }

    /// The template with this index; `None` for [`NO_TEMPLATE`].
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Template<T>> {
        self.templates.get(index as usize)
    }

    /// The index of the template that came behind this one last time.
    #[inline]
    pub(super) fn successor(&self, index: u32) -> u32 {
        self.templates[index as usize].successor()
    }

    /// Notes that `successor` came behind `index`, unless that is [`NO_TEMPLATE`].
    #[inline]
    pub(super) fn set_successor(&mut self, index: u32, successor: u32) {
        if index != NO_TEMPLATE {
            self.templates[index as usize].set_successor(successor);
        }
    }

    /// Uses the template with this index if its message stands at the front of the bytes.
    #[expect(
        clippy::inline_always,
        reason = "it is called for objects and for lines: as a call it costs each 25 instructions"
    )]
    #[inline(always)]
    pub(super) fn try_use(&mut self, index: u32, listener: u32, bytes: &[u8]) -> Option<Hit<T>> {
        let template = self.templates.get_mut(index as usize)?;
        let number = template.match_front(listener, bytes)?;
        template.set_used();
        let (meaning, len) = (template.meaning(), template.len_with(number.len));
        Some(Hit { id: TemplateId(index), meaning, value: number.value, len })
    }

    /// Uses the template with this index, which [`Self::confirm`] has returned for this probe.
    #[inline]
    pub(super) fn use_probed(&mut self, index: u32, probe: &Probe) -> Hit<T> {
        let template = &mut self.templates[index as usize];
        template.set_used();
        let (meaning, len) = (template.meaning(), template.len_with(probe.number_len()));
        Hit { id: TemplateId(index), meaning, value: probe.value, len }
    }

    /// The index of any template with this hash, or [`NO_TEMPLATE`].
    #[inline]
    pub(super) fn first_alike(&self, hash: ShortHash) -> u32 {
        self.table.find(hash, |_| true).unwrap_or(NO_TEMPLATE)
    }

    /// The index of the message's template: `likely`, or another of the same hash.
    #[inline]
    pub(super) fn confirm(
        &self,
        listener: u32,
        message: &[u8],
        probe: &Probe,
        likely: u32,
    ) -> Option<u32> {
        let key = probe.key();
        let is = |template: &Template<T>| {
            template.is_at(listener, message, key.prefix(), probe.number_len())
        };
        if self.get(likely).is_some_and(is) {
            return Some(likely);
        }
        self.table.find(key.short_hash(), |index| is(&self.templates[index as usize]))
    }

    /// Whether fewer than [`ALIKE_MAX`] templates have this hash.
    pub(super) fn has_room_for_alike(&self, hash: ShortHash) -> bool {
        let mut alike = 0;
        self.table.find(hash, |_| {
            alike += 1;
            alike == ALIKE_MAX
        });
        alike < ALIKE_MAX
    }

    /// Adds a template, and removes as many others as the bound asks for.
    pub(super) fn insert(&mut self, template: Template<T>) {
        let cost = Self::TEMPLATE_BYTES + template.heap_bytes();
        if cost > self.bytes_max {
            return;
        }
        while self.bytes + cost > self.bytes_max {
            self.evict();
        }
        self.bytes += cost;
        let hash = template.hash();
        let index = self.place(template);
        self.table.insert(hash, index);
    }

    fn place(&mut self, template: Template<T>) -> u32 {
        let len = self.templates.len();
        let vacant = self.vacant.pop().filter(|&Reverse(index)| (index as usize) < len);
        if let Some(Reverse(index)) = vacant {
            self.templates[index as usize] = template;
            return index;
        }
        self.vacant.clear(); // all others are higher, and have gone as well
        if self.templates.capacity() == 0 {
            // Room for all templates that the bound allows. If the vector grew, it would copy up to half of the
            // bound, and for these 70 ms the worker would read no socket. The room takes addresses now, and
            // memory only as it is used. If the system refuses so many addresses, the vector grows after all.
            drop(self.templates.try_reserve_exact(self.bytes_max / Self::TEMPLATE_BYTES + 1));
        }
        self.templates.push(template);
        index(self.templates.len() - 1)
    }

    /// What the message of a template means.
    pub(super) fn meaning(&self, TemplateId(index): TemplateId) -> T {
        self.templates[index as usize].meaning()
    }

    /// Removes a template.
    pub(super) fn remove(&mut self, TemplateId(index): TemplateId) {
        let template = &mut self.templates[index as usize];
        if self.table.remove(template.hash(), |other| other == index).is_none() {
            return;
        }
        self.bytes -= Self::TEMPLATE_BYTES + template.heap_bytes();
        template.clear();
        self.vacant.push(Reverse(index));
    }

    /// Looks at `count` places, from where the last sweep stopped, and removes the templates whose meaning is
    /// `stale`, and then those places at the end that are vacant. Called between two reads, when no index of a place
    /// is kept elsewhere.
    pub(super) fn sweep(&mut self, count: usize, stale: impl Fn(T) -> bool) {
        for _ in 0..count.min(self.templates.len()) {
            self.swept = (self.swept + 1) % self.templates.len();
            let template = &self.templates[self.swept];
            if !template.is_vacant() && stale(template.meaning()) {
                self.remove(TemplateId(index(self.swept)));
            }
        }
        self.drop_last_vacant();
    }

    /// Drops vacant places from the end, and all memory with the last one.
    fn drop_last_vacant(&mut self) {
        while self.templates.last().is_some_and(Template::is_vacant) {
            self.templates.pop();
        }
        if self.templates.is_empty() {
            self.templates = Vec::new();
            self.vacant = BinaryHeap::new();
        }
    }

    /// The clock algorithm: the hand moves on to the next template that was not used since it came by last,
    /// and removes it. After [`SPARED_MAX`] that were used it removes one of those.
    fn evict(&mut self) {
        let mut spared = 0;
        loop {
            self.clock_hand = (self.clock_hand + 1) % self.templates.len();
            let template = &mut self.templates[self.clock_hand];
            if template.is_vacant() {
                continue;
            }
            if !template.take_used() || spared == SPARED_MAX {
                return self.remove(TemplateId(index(self.clock_hand)));
            }
            spared += 1;
        }
    }
}

/// A place in the vector of templates as 32 bits.
fn index(place: usize) -> u32 {
    assert!(place < NO_TEMPLATE as usize, "-shapes-max-bytes allows fewer templates");
    #[expect(clippy::cast_possible_truncation, reason = "the assertion above bounds it")]
    let index = place as u32;
    index
}

const _: () = assert!(TEMPLATE_BYTES_MAX <= u16::MAX as usize, "lengths are kept in 16 bits");
