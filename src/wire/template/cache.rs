//! The cache itself: how a message's template is found, and how a message becomes one.
//!
//! Runs on an ingest worker; callers go through [`Cursor`](super::Cursor), which holds the order of calls.

use std::hint::black_box;

use super::doorkeeper::Doorkeeper;
use super::entry::Template;
use super::line;
use super::locator::{Locator, Recheck, TemplateKey};
use super::lookahead::{self, BATCH_MAX, Lookahead, Upcoming};
use super::lookup::{Lookup, Miss, NO_TEMPLATE, TemplateId};
use super::next_number::{NextNumber, TEMPLATE_BYTES_MAX, message};
use super::number::{self, JsonNumber};
use super::predictor::Predictor;
use super::store::TemplateStore;
use crate::wire::padded::Padded;

/// So many templates, with all that belongs to them, fit in the processor's first two caches. Reading them ahead
/// costs more than it saves then (measured with 1,000).
const TEMPLATES_NEAR: usize = 2048;

/// The templates of one worker, bounded in bytes. Past the bound, templates that were not used lately are
/// removed.
#[derive(Debug)]
pub struct TemplateCache<T> {
    store: TemplateStore<T>,
    locator: Locator,
    doorkeeper: Doorkeeper,
    pub(super) predictor: Predictor,
    lookahead: Lookahead,
    /// Of the datagram or read at hand.
    next_number: NextNumber,
}

impl<T: Copy> TemplateCache<T> {
    /// An empty cache of at most `bytes_max` bytes; with 0 it is off and finds nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            store: TemplateStore::new(bytes_max),
            locator: Locator::new(),
            doorkeeper: Doorkeeper::new(bytes_max > 0),
            predictor: Predictor::new(),
            lookahead: Lookahead::new(),
            next_number: NextNumber::NONE,
        }
    }

    /// Begins a read. Its first message has no message before it, so none is predicted.
    #[inline]
    pub(super) fn begin_read(&mut self) {
        self.predictor.forget_last();
        self.lookahead.clear();
        self.next_number.clear();
    }

    /// Begins the datagram with this number in a batch, after [`Self::look_at_firsts`].
    pub(super) fn begin_datagram(&mut self, number: usize) {
        self.predictor.forget_last();
        self.lookahead.begin_datagram(number);
        self.next_number.clear();
    }

    /// What the message of a template means, which was just found.
    pub fn meaning(&self, id: TemplateId) -> T {
        self.store.meaning(id)
    }

    /// Removes a template.
    pub(super) fn remove(&mut self, id: TemplateId) {
        self.store.remove(id);
    }

    /// Templates that are held.
    pub fn count(&self) -> usize {
        self.store.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Looks at `count` templates, from where the last call stopped, and removes those whose meaning is
    /// `stale`.
    #[cold]
    pub fn sweep(&mut self, count: usize, stale: impl Fn(T) -> bool) {
        self.begin_read(); // no index of a template is kept, since places may go
        self.store.sweep(count, stale);
    }

    /// Looks up the message that begins at `bytes[at]`, a `{`. `bytes` are the same for all lookups between
    /// two calls that clear the lookahead: `Cursor` ensures that.
    ///
    /// Listener, bytes and place are three arguments here and below: as one struct they are passed in memory,
    /// which costs 9 instructions for each known message.
    #[inline]
    pub(super) fn lookup(
        &mut self,
        listener: u32,
        bytes: &[u8],
        at: usize,
        prefetch: impl Fn(T),
    ) -> Lookup<T> {
        if self.predictor.should_try() {
            let predicted = self.store.successor(self.predictor.last());
            let hit = self.store.try_use(predicted, listener, message(bytes, at));
            self.predictor.learn(hit.is_some());
            if let Some(hit) = hit {
                self.predictor.set_last(predicted);
                return Lookup::Hit(hit);
            }
        }
        self.search(listener, bytes, at, prefetch)
    }

    /// Looks up the line that begins at `bytes[at]`, which may be no StatsD line. With `ends_last` the end of the bytes
    /// ends a line.
    ///
    /// A template of a line is that of the whole line, without its line end. A sign stands before its number, which has
    /// none.
    pub(super) fn lookup_line(
        &mut self,
        listener: u32,
        bytes: &[u8],
        at: usize,
        ends_last: bool,
    ) -> Lookup<T> {
        if self.predictor.should_try() {
            let predicted = self.store.successor(self.predictor.last());
            let hit = self.store.try_use(predicted, listener, message(bytes, at)).filter(|hit| {
                hit.value.is_sign_positive() && line::ends_at(bytes, at + hit.len, ends_last)
            });
            self.predictor.learn(hit.is_some());
            if let Some(hit) = hit {
                self.predictor.set_last(predicted);
                return Lookup::Hit(hit);
            }
        }
        self.search_line(listener, bytes, at, ends_last)
    }

    fn search_line(
        &mut self,
        listener: u32,
        bytes: &[u8],
        at: usize,
        ends_last: bool,
    ) -> Lookup<T> {
        let before = self.predictor.forget_last();
        if self.store.is_off() {
            return Lookup::Miss(Miss::Parse);
        }
        let Some(line) = line::at(bytes, at, ends_last) else { return Lookup::Miss(Miss::Parse) };
        let upcoming = self.lookahead.take(at).map(|upcoming| (upcoming.probe, upcoming.index));
        let probed = || Some((self.locator.probe_line(listener, line)?, NO_TEMPLATE));
        let Some((probe, likely)) = upcoming.or_else(probed) else {
            return Lookup::Miss(Miss::Parse);
        };
        let Some(index) = self.store.confirm(listener, line, &probe, likely) else {
            return Lookup::Miss(Miss::Admissible(probe.key()));
        };
        let hit = self.store.use_probed(index, &probe);
        if hit.len != line.len() {
            return Lookup::Miss(Miss::Parse); // another line that begins alike and has the same hash
        }
        self.store.set_successor(before, index);
        self.predictor.set_last(index);
        Lookup::Hit(hit)
    }

    /// Looks a message up without a prediction: finds its number, hashes what is around it, and searches the table.
    #[inline]
    fn search(
        &mut self,
        listener: u32,
        bytes: &[u8],
        at: usize,
        prefetch: impl Fn(T),
    ) -> Lookup<T> {
        let before = self.predictor.forget_last();
        if self.store.is_off() {
            return Lookup::Miss(Miss::Parse);
        }
        let upcoming = self.lookahead.take(at).or_else(|| {
            self.look_ahead(listener, bytes, at, prefetch);
            self.lookahead.take(at)
        });
        let Some(Upcoming { mut probe, index, .. }) = upcoming else {
            return Lookup::Miss(Miss::Parse);
        };
        let message = message(bytes, at);
        let mut known = self.store.confirm(listener, message, &probe, index);
        if known.is_none() && probe.at_remembered_offset {
            match self.locator.recheck(listener, message, &probe) {
                Recheck::Same => {}
                Recheck::NoNumber => return Lookup::Miss(Miss::Parse),
                Recheck::Elsewhere(other) => {
                    probe = other;
                    known = self.store.confirm(listener, message, &probe, NO_TEMPLATE);
                }
            }
        }
        let Some(index) = known else { return Lookup::Miss(Miss::Admissible(probe.key())) };
        self.store.set_successor(before, index);
        self.predictor.set_last(index);
        Lookup::Hit(self.store.use_probed(index, &probe))
    }

    /// Probes the message at `at` and those behind it, as long as each ends with the first `}` behind
    /// its number or with the one after.
    #[inline]
    fn look_ahead(&mut self, listener: u32, bytes: &[u8], mut at: usize, prefetch: impl Fn(T)) {
        self.lookahead.clear();
        // Where predictions hold, the messages behind will be predicted and not searched for.
        let count = if self.predictor.is_trusted() { 1 } else { self.lookahead.depth() };
        while let Some(probe) = self.locator.probe(listener, bytes, at, &mut self.next_number) {
            let held = self.lookahead.push(at, probe);
            let Some(next) =
                lookahead::next_start(bytes, at + probe.brace()).filter(|_| held < count)
            else {
                break;
            };
            at = next;
        }
        prefetch_all(&self.store, self.lookahead.upcoming_mut(), prefetch);
    }

    /// Probes the first message of each datagram of a batch. These cannot be predicted.
    pub(super) fn look_at_firsts(
        &mut self,
        listener: u32,
        datagrams: &[Padded<'_>],
        prefetch: impl Fn(T),
    ) {
        let Self { store, locator, lookahead, .. } = self;
        if store.is_off() {
            return lookahead.set_firsts(std::iter::empty());
        }
        lookahead.set_firsts(datagrams.iter().map(|datagram| {
            let bytes = datagram.bytes();
            if bytes.first() == Some(&b'{') {
                locator.probe(listener, bytes, 0, &mut { NextNumber::NONE })
            } else {
                locator.probe_line(listener, line::at(bytes, 0, true)?)
            }
        }));
        prefetch_all(store, lookahead.firsts_mut(), prefetch);
    }

    /// Notes a message that was missed; see `Cursor::seen_before`.
    pub(super) fn seen_before(&mut self, key: TemplateKey, listener: u32, message: &[u8]) -> bool {
        // The number that the probe found may be in the next message.
        if self.store.is_off()
            || message.len() > TEMPLATE_BYTES_MAX
            || key.prefix() >= message.len()
        {
            return false;
        }
        let rest = &message[key.prefix()..];
        // A message whose number cannot be read would never be found, and would be admitted each time it comes.
        let Some(JsonNumber { len, .. }) = number::read(rest) else { return false };
        let fingerprint = self.locator.fingerprint(key, listener, &rest[len..]);
        self.doorkeeper.note(fingerprint) && self.store.has_room_for_alike(key.short_hash())
    }

    /// Admits a message that was proved to be a template.
    #[cold]
    pub(super) fn admit(&mut self, key: TemplateKey, listener: u32, message: &[u8], meaning: T) {
        let (before, after) = key.around(message);
        self.store.insert(Template::new(key.short_hash(), listener, before, after, meaning));
    }
}

/// Finds the templates that messages may be, and reads what will be compared and counted into. Each step is done
/// for all messages before the next step, so that the processor waits for their memory at the same time and not
/// for one message after the other.
#[inline]
fn prefetch_all<'m, T: Copy>(
    store: &TemplateStore<T>,
    messages: impl Iterator<Item = &'m mut Upcoming>,
    prefetch: impl Fn(T),
) {
    let mut found = [NO_TEMPLATE; BATCH_MAX];
    let mut count = 0;
    for (message, found) in messages.zip(&mut found) {
        message.index = store.first_alike(message.probe.key().short_hash());
        *found = message.index;
        count += 1;
    }
    if store.len() > TEMPLATES_NEAR && count > 1 {
        for template in found[..count].iter().filter_map(|&index| store.get(index)) {
            black_box(template.read_ahead());
            prefetch(template.meaning());
        }
    }
}
