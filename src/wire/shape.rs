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

use crate::spread::{Hashed, Spread};
use crate::wire::text::number_len;
use ahead::{AHEAD_MAX, Ahead, Queue};
use entry::Entry;
use guess::{Guess, NONE};
use number::number;
use seen::Seen;
use sight::{Again, Eye, Sight};

mod ahead;
mod entry;
mod guess;
mod number;
mod seen;
mod sight;

pub use sight::Key;

/// A message longer than this, or whose value stands behind this many bytes, is never a shape: it is
/// rare, and looking for it must cost no more than parsing the bytes that are looked through.
pub const SHAPE_BYTES_MAX: usize = 1024;
/// Shapes of one hash at most: past it a message stays with the parser, so that whoever finds
/// messages that hash alike makes nothing slow but these.
const CHAIN_MAX: usize = 8;

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

/// An entry's number, by the half of its hash that is kept.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    index: u32,
}

impl Hashed for Place {
    /// The hash that the table goes by, made of the 32 bits that are kept.
    fn hash(&self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15) // 2^64 by the golden ratio
    }
}

/// Shapes of one worker, bounded in bytes; past the bound those that were not used lately go.
#[derive(Debug)]
pub struct ShapeCache<T> {
    eye: Eye,
    table: Spread<Place>,
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
    const ENTRY_BYTES: usize = size_of::<Entry<T>>() + 2 * size_of::<Place>();

    /// An empty cache of `bytes_max` bytes at most; 0 keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            eye: Eye::new(),
            table: Spread::default(),
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
        self.table.is_empty()
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
        let wanted = Place { hash: sight.key().kept(), index: NONE };
        let same =
            |place: &Place| place.hash == wanted.hash && is(&self.entries[place.index as usize]);
        self.table.find(wanted.hash(), same).map(|place| place.index)
    }

    /// Notes a message that was missed; whether it was noted before, so that it is worth admitting:
    /// a flood of messages that never come again touches nothing but this note.
    pub fn seen_before(&mut self, key: Key, listener: usize, message: &[u8]) -> bool {
        // The value that was found may be that of a message behind this one.
        if self.bytes_max == 0 || message.len() > SHAPE_BYTES_MAX || key.prefix >= message.len() {
            return false;
        }
        // What would never be found again would be admitted again and again.
        let Some((number, _)) = number(&message[key.prefix..]) else { return false };
        let suffix = &message[key.prefix + number..];
        let mark = self.eye.hasher.hash_one((key.hash, listener, suffix));
        self.seen.note(mark) && self.alike(key) < CHAIN_MAX
    }

    /// How many shapes have this hash; counts no further than [`CHAIN_MAX`].
    fn alike(&self, key: Key) -> usize {
        let wanted = Place { hash: key.kept(), index: NONE };
        let mut alike = 0;
        self.table.find(wanted.hash(), |place| {
            alike += usize::from(place.hash == wanted.hash);
            alike == CHAIN_MAX
        });
        alike
    }

    /// The message with another number in place of its own, for the proof that admits it: appended to
    /// `out`. Returns that number.
    pub fn probe(key: Key, message: &[u8], value: f64, out: &mut Vec<u8>) -> f64 {
        let number = number_len(&message[key.prefix..]);
        let (text, other) = if value < 1.0 { ("7", 7.0) } else { ("0.5", 0.5) };
        out.extend_from_slice(&message[..key.prefix]);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&message[key.prefix + number..]);
        other
    }

    /// Admits a message that was proved to be a shape.
    #[cold]
    pub fn admit(&mut self, key: Key, listener: usize, message: &[u8], stands_for: T) {
        let number = number_len(&message[key.prefix..]);
        let around = (&message[..key.prefix], &message[key.prefix + number..]);
        let entry = Entry::new(key.kept(), listener as u32, around, stands_for);
        let cost = Self::ENTRY_BYTES + entry.bytes_elsewhere();
        if cost > self.bytes_max {
            return;
        }
        while self.bytes + cost > self.bytes_max {
            self.evict();
        }
        self.bytes += cost;
        if self.entries.capacity() == 0 {
            // Room for all that there can be: to grow would be to copy up to half of the bound, 70 ms in which
            // nothing is read. It takes addresses, and memory only as it is used. Where it is not to be had, it grows.
            drop(self.entries.try_reserve_exact(self.bytes_max / Self::ENTRY_BYTES + 1));
        }
        let index = if let Some(index) = self.vacant.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32 // bounded in bytes far below 2^32 entries
        };
        self.table.insert(Place { hash: key.kept(), index });
    }

    /// Forgets a shape: what it stood for is gone.
    #[cold]
    pub fn remove(&mut self, index: usize) {
        let wanted = Place { hash: self.entries[index].hash, index: NONE };
        let removed = self.table.remove(wanted.hash(), |place| place.index as usize == index);
        let Some(place) = removed else { return };
        let entry = &mut self.entries[index];
        self.bytes -= Self::ENTRY_BYTES + entry.bytes_elsewhere();
        entry.clear();
        self.vacant.push(place.index);
    }

    /// Looks at `count` entries, where it stopped last, and forgets those that are `stale`.
    #[cold]
    pub fn sweep(&mut self, count: usize, stale: impl Fn(T) -> bool) {
        for _ in 0..count.min(self.entries.len()) {
            self.swept = (self.swept + 1) % self.entries.len();
            let entry = &self.entries[self.swept];
            if !entry.is_vacant() && stale(entry.stands_for) {
                self.remove(self.swept);
            }
        }
    }

    /// Turns the hand to the next shape that was not used since it came by last, and forgets that one.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &mut self.entries[self.hand];
            if entry.is_vacant() {
                continue;
            }
            if !std::mem::replace(&mut entry.used, false) {
                return self.remove(self.hand);
            }
        }
    }
}

/// Finds the entries that messages may be, and reads what will be compared and counted into: one step at a
/// time for all of them, so that their memory accesses overlap, where message by message each would wait
/// for the one before.
#[inline]
fn fetch<'m, T: Copy>(
    table: &Spread<Place>,
    entries: &[Entry<T>],
    messages: impl Iterator<Item = &'m mut Ahead>,
    touch: impl Fn(T) -> u64,
) {
    let mut found = [NONE; AHEAD_MAX];
    let mut count = 0;
    for (Ahead { sight, index, .. }, found) in messages.zip(&mut found) {
        let wanted = Place { hash: sight.key().kept(), index: NONE };
        let place = table.find(wanted.hash(), |place| place.hash == wanted.hash);
        *index = place.map_or(NONE, |place| place.index);
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
mod tests {
    use super::*;

    fn message(name: &str, value: &str) -> String {
        format!(r#"{{"name":"{name}","op":"inc","value":{value}}}"#)
    }

    /// Looks up the message at the head of other bytes than before.
    fn look(cache: &mut ShapeCache<usize>, listener: usize, text: &str) -> Found<usize> {
        cache.ahead.empty();
        cache.find(listener, text.as_bytes(), 0, |_| 0)
    }

    /// A cache that knows these names, each standing for its number.
    fn knowing(names: &[&str], bytes_max: usize) -> ShapeCache<usize> {
        let mut cache = ShapeCache::new(bytes_max);
        for (number, name) in names.iter().enumerate() {
            let text = message(name, "1");
            for sight in 0..2 {
                let Found::Miss(Some(key)) = look(&mut cache, 0, &text) else { panic!("{text}") };
                if cache.seen_before(key, 0, text.as_bytes()) {
                    assert_eq!(sight, 1, "admitted on first sight");
                    cache.admit(key, 0, text.as_bytes(), number);
                }
            }
        }
        cache
    }

    #[track_caller]
    fn hits(
        cache: &mut ShapeCache<usize>,
        text: &str,
        number: usize,
        expected: f64,
        length: usize,
    ) {
        match look(cache, 0, text) {
            Found::Hit { stands_for, value, len, .. } => {
                assert_eq!((stands_for, value, len), (number, expected, length), "{text}");
            }
            Found::Miss(_) => panic!("{text} was not known"),
        }
    }

    #[test]
    fn a_known_message_is_found_with_any_number_and_tells_its_end() {
        let mut cache = knowing(&["a", "b"], 1 << 20);
        for (text, value) in [
            ("7", 7.0),
            ("-2.5e1", -25.0),
            ("123456789012345678901", 123_456_789_012_345_680_000.0),
        ] {
            let one = message("b", text);
            hits(&mut cache, &(one.clone() + "\n{more"), 1, value, one.len());
        }
    }

    #[test]
    fn what_is_no_json_number_or_another_place_misses() {
        let mut cache = knowing(&["a"], 1 << 20);
        for value in ["", "01", "1.", ".5", "+1", "\"1\"", "1e400", "NaN", "1 2", "null"] {
            let text = message("a", value);
            assert!(matches!(look(&mut cache, 0, &text), Found::Miss(_)), "{text}");
            cache.begin();
        }
        let text = message("a", "1");
        assert!(matches!(look(&mut cache, 1, &text), Found::Miss(_)), "another listener");
        assert!(matches!(look(&mut cache, 0, &text[..text.len() - 1]), Found::Miss(_)), "cut");
    }

    /// Where one message has its number, another's successor may have its own.
    #[test]
    fn a_number_seen_in_the_message_behind_is_not_taken() {
        let long = "a".repeat(message("b", "1").len());
        let mut cache = knowing(&["", &long], 1 << 20);
        let (short, long) = (message("", "1"), message(&long, "2"));
        let place = |text: &str, from: usize| text[from..].find("1}").map(|at| from + at);
        // Behind the short one, its like begins where the number is then where the long one has its own.
        let gap = long.len() - short.len() - short.len();
        let text = format!("{short}{}{short}", " ".repeat(gap));
        assert_eq!(place(&text, short.len()), long.find("2}"), "{text}");
        for _ in 0..100 {
            hits(&mut cache, &long, 1, 2.0, long.len());
            hits(&mut cache, &text, 0, 1.0, short.len());
        }
    }

    /// Several in one datagram, with what may stand between them, and one that is not known.
    #[test]
    fn messages_are_found_together() {
        let mut cache = knowing(&["a", "b", "c"], 1 << 20);
        cache.guess = Guess::new();
        (0..20).for_each(|_| cache.guess.learn(false));
        let gaps = ["", "\n", "\r\n", " ", "}\n", "\n\n\n\n\n\n", "x"];
        for gap in gaps {
            let mut text = String::new();
            let names = ["a", "c", "unknown", "b", "c", "a"];
            for name in names {
                text += &(message(name, "4") + gap);
            }
            cache.begin();
            let mut at = 0;
            for name in names {
                let len = message(name, "4").len();
                let found = cache.find(0, text.as_bytes(), at, |_| 0);
                match ["a", "b", "c"].iter().position(|known| *known == name) {
                    None => assert!(matches!(found, Found::Miss(Some(_))), "{name}{gap:?}"),
                    Some(number) => {
                        let Found::Hit { stands_for, len: found, value, .. } = found else {
                            panic!("{name}{gap:?}")
                        };
                        assert_eq!((stands_for, found, value), (number, len, 4.0));
                    }
                }
                at += len + gap.len();
            }
        }
    }

    #[test]
    fn guesses_and_searches_find_the_same() {
        let names: Vec<String> = (0..50).map(|n| format!("m{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut cache = knowing(&names, 1 << 20);
        for round in 0..100 {
            cache.begin();
            for step in 0..50 {
                // In order for a while, then in another order: guesses hold, fail, and hold again.
                let number = if round % 20 < 10 { step } else { step * 7 % 50 };
                let text = message(names[number], "3");
                hits(&mut cache, &text, number, 3.0, text.len());
            }
        }
    }

    #[test]
    fn the_bound_evicts_what_is_not_used() {
        let each = ShapeCache::<usize>::ENTRY_BYTES;
        let mut cache = knowing(&["a", "b", "c", "d"], 4 * each);
        assert_eq!((cache.len(), cache.bytes()), (4, 4 * each));
        let text = message("e", "1");
        let Found::Miss(Some(key)) = look(&mut cache, 0, &text) else { panic!() };
        cache.admit(key, 0, text.as_bytes(), 4);
        assert_eq!((cache.len(), cache.bytes()), (4, 4 * each));
        let Found::Hit { index, .. } = look(&mut cache, 0, &text) else { panic!() };
        cache.remove(index);
        assert_eq!((cache.len(), cache.bytes()), (3, 3 * each));
        assert!(matches!(look(&mut cache, 0, &text), Found::Miss(_)));
    }
}
