//! Shapes: messages that are known but for their number.
//!
//! PHP sends the same line again and again with only the value changed. A shape is the listener together
//! with a message's raw bytes before and after the number of its top-level `value`; what the message
//! means apart from the number is remembered with it. A hit costs a search, a hash, a compare and a
//! number, a fraction of a parse, and it tells where the object ends, so that it is not framed either.
//!
//! Correct by construction: a shape is admitted only when its message, given another number in that
//! place, parses to the same sample but for that number ([`ShapeCache::probe`] makes that message). The
//! bytes before the number bring framer and parser into one state, and a JSON number behind a colon
//! leaves them in one state again, whatever its digits; so equal bytes around it end at the same place and
//! mean the same. Where the number is looked for, and what was looked at ahead, decides only how soon a
//! shape is found: all its bytes are compared each time.
//!
//! Runs on an ingest worker; knows no cells: what a shape stands for is a `T` that its caller fills.

use std::hint::black_box;

use crate::segmented_table::IndexTable;
use ahead::{AHEAD_MAX, Ahead, Queue};
use entry::Entry;
use guess::{Guess, NONE};
use seen::Seen;
use sight::{Again, Eye, Sight};

mod admission;
mod ahead;
mod entry;
mod guess;
mod number;
mod seen;
mod sight;

pub(crate) use sight::Key;

/// A message longer than this, or whose value stands behind this many bytes, is never a shape: it is
/// rare, and looking for it must cost no more than parsing the bytes that are looked through.
pub(crate) const SHAPE_BYTES_MAX: usize = 1024;
/// Shapes that the nearer caches hold with all that belongs to them: fetching them early costs more than it
/// spares (measured with 1,000).
const SHAPES_NEAR: usize = 2048;

/// What a look-up has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<T> {
    /// A known shape: what it stands for, the number, and where the object ends.
    Hit {
        /// The shape's number, for [`ShapeCache::remove`].
        index: usize,
        /// What the shape stands for.
        stands_for: T,
        /// The number, finite.
        value: f64,
        /// Length of the message: to one past its `}`.
        len: usize,
    },
    /// Not known; with the key if it could become one.
    Miss(Option<Key>),
}

/// Shapes of one worker, bounded in bytes; past the bound those that were not used lately go.
#[derive(Debug)]
pub struct ShapeCache<T> {
    eye: Eye,
    table: IndexTable,
    entries: Vec<Entry<T>>,
    vacant: Vec<u32>,
    /// The hand of the clock.
    hand: usize,
    /// Where the last sweep has stopped.
    swept: usize,
    bytes: usize,
    bytes_max: usize,
    seen: Seen,
    guess: Guess,
    ahead: Queue,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "listeners, entries and bytes read at once are few, see there"
)]
impl<T: Copy> ShapeCache<T> {
    /// What an entry costs with its place in the table, beside a text that stands elsewhere.
    const ENTRY_BYTES: usize = size_of::<Entry<T>>() + IndexTable::ENTRY_BYTES;

    /// An empty cache of `bytes_max` bytes at most; 0 keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            eye: Eye::new(),
            table: IndexTable::default(),
            entries: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
            swept: 0,
            bytes: 0,
            bytes_max,
            seen: Seen::new(bytes_max > 0),
            guess: Guess::new(),
            ahead: Queue::new(),
        }
    }

    /// Begins another datagram or read: what comes first in it follows nothing. To be called before
    /// [`Self::find`] is given other bytes.
    #[inline]
    pub fn begin(&mut self) {
        self.guess.last = NONE;
        self.ahead.empty();
    }

    /// The same for the datagram of this number in the batch of [`Self::foresee`].
    #[inline]
    pub fn begin_foreseen(&mut self, datagram: usize) {
        self.guess.last = NONE;
        self.ahead.begin(datagram);
    }

    /// Looks at the first message of each datagram of a batch, which no guess can tell, so that what
    /// knowing them takes is near when it is their turn. The datagrams must stay as they are until then.
    pub fn foresee<'a>(
        &mut self,
        listener: usize,
        datagrams: impl Iterator<Item = &'a [u8]>,
        touch: impl Fn(T) -> u64,
    ) {
        let Self { eye, ahead, table, entries, .. } = self;
        ahead.firsts.clear();
        if self.bytes_max == 0 {
            return;
        }
        ahead.firsts.extend(datagrams.map(|bytes| {
            let begins = bytes.first() == Some(&b'{');
            let sight = begins.then(|| eye.look(listener as u32, message(bytes, 0)))??;
            Some(Ahead { at: 0, sight, index: NONE })
        }));
        fetch(table, entries, ahead.firsts.iter_mut().flatten(), touch);
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Shapes that are held.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks up the message that begins at `bytes[at]`, a `{`; `bytes` may go on behind it. `touch`
    /// reads what belongs to a shape and will be needed soon.
    #[inline]
    pub fn find(
        &mut self,
        listener: usize,
        bytes: &[u8],
        at: usize,
        touch: impl Fn(T) -> u64,
    ) -> Found<T> {
        let listener = listener as u32; // a handful
        if self.guess.tries() {
            let message = message(bytes, at);
            let index = self.entries[self.guess.last as usize].next;
            let guess = self.entries.get_mut(index as usize);
            let hit = guess.and_then(|guess| {
                let (number, value) = guess.begins(listener, message)?;
                guess.used = true;
                Some((guess.stands_for, value, guess.end(number)))
            });
            self.guess.learn(hit.is_some());
            if let Some((stands_for, value, len)) = hit {
                self.guess.last = index;
                return Found::Hit { index: index as usize, stands_for, value, len };
            }
        }
        self.search(listener, bytes, at, touch)
    }

    /// The long way: where the number is, the hash of what is around it, and the table.
    #[inline]
    fn search(
        &mut self,
        listener: u32,
        bytes: &[u8],
        at: usize,
        touch: impl Fn(T) -> u64,
    ) -> Found<T> {
        let before = std::mem::replace(&mut self.guess.last, NONE);
        if self.bytes_max == 0 {
            return Found::Miss(None);
        }
        let ahead = self.ahead.take(at).or_else(|| {
            self.look_ahead(listener, bytes, at, touch);
            self.ahead.take(at)
        });
        let Some(Ahead { mut sight, index, .. }) = ahead else { return Found::Miss(None) };
        let message = message(bytes, at);
        let mut known = self.confirm(listener, message, &sight, index);
        if known.is_none() && sight.hasty {
            match self.eye.look_again(listener, message, &sight) {
                Again::Same => {}
                Again::Nothing => return Found::Miss(None),
                Again::Other(other) => {
                    sight = other;
                    known = self.confirm(listener, message, &sight, NONE);
                }
            }
        }
        let Some(index) = known else { return Found::Miss(Some(sight.key())) };
        if before != NONE {
            self.entries[before as usize].next = index;
        }
        self.guess.last = index;
        let entry = &mut self.entries[index as usize];
        entry.used = true;
        let (stands_for, len) = (entry.stands_for, entry.end(sight.number()));
        Found::Hit { index: index as usize, stands_for, value: sight.value, len }
    }

    /// Looks at the message at `at` and those behind it, as far as each ends with the first `}` behind
    /// its number or the one after.
    #[inline]
    fn look_ahead(&mut self, listener: u32, bytes: &[u8], mut at: usize, touch: impl Fn(T) -> u64) {
        self.ahead.empty();
        let Self { eye, ahead, table, entries, guess, .. } = self;
        // Where guesses hold, those behind will not be looked up.
        let count = if guess.is_trusted() { 1 } else { ahead.count() };
        while let Some(sight) = eye.look(listener, message(bytes, at)) {
            ahead.messages.push(Ahead { at: at as u32, sight, index: NONE });
            let full = ahead.messages.len() >= count;
            let Some(next) = ahead::next(bytes, at + sight.brace()).filter(|_| !full) else {
                break;
            };
            at = next;
        }
        fetch(table, entries, ahead.messages.iter_mut(), touch);
    }

    /// The entry that the message is: `index`, or another of the same hash.
    #[inline]
    fn confirm(&self, listener: u32, message: &[u8], sight: &Sight, index: u32) -> Option<u32> {
        let Key { prefix, .. } = sight.key();
        let is = |entry: &Entry<T>| entry.is(listener, message, prefix, sight.number());
        if self.entries.get(index as usize).is_some_and(is) {
            return Some(index);
        }
        self.table.find(sight.key().kept(), |index| is(&self.entries[index as usize]))
    }
}

/// Finds the entries that messages may be, and reads what will be compared and counted into: one step at a
/// time for all of them, so that their memory accesses overlap, where message by message each would wait
/// for the one before.
#[inline]
fn fetch<'m, T: Copy>(
    table: &IndexTable,
    entries: &[Entry<T>],
    messages: impl Iterator<Item = &'m mut Ahead>,
    touch: impl Fn(T) -> u64,
) {
    let mut found = [NONE; AHEAD_MAX];
    let mut count = 0;
    for (Ahead { sight, index, .. }, found) in messages.zip(&mut found) {
        *index = table.find(sight.key().kept(), |_| true).unwrap_or(NONE);
        *found = *index;
        count += 1;
    }
    if entries.len() > SHAPES_NEAR && count > 1 {
        let near = found[..count].iter().filter_map(|&index| entries.get(index as usize));
        let read = |entry: &Entry<T>| u64::from(entry.touch()) ^ touch(entry.stands_for);
        black_box(near.fold(0, |sum, entry| sum ^ read(entry)));
    }
}

/// As much of the message at `at` as is looked at: no further, also in its number; a longer one is left
/// to the framer's bound.
#[inline]
fn message(bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at..bytes.len().min(at + SHAPE_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
