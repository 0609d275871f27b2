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
//! mean the same.
//!
//! Runs on an ingest worker; knows no cells: what a shape stands for is a `T` that its caller fills.

use ahash::RandomState;
use memchr::memmem::Finder;

use crate::spread::{Hashed, Spread};
use crate::wire::text::number_len;

/// A message longer than this, or whose value stands behind this many bytes, is never a shape: it is
/// rare, and looking for it must cost no more than parsing the bytes that are looked through.
pub const SHAPE_BYTES_MAX: usize = 1024;
/// Fingerprints of messages seen once, in sets of four: 1 MiB, touched as it is used. A message must
/// come again before so many others have; a series that is rarer gains little by a shape.
const SEEN: usize = 1 << 18;
const SEEN_WAYS: usize = 4;
/// What an entry costs beside its bytes: itself, its place in the table, and what the allocator adds.
const ENTRY_BYTES: usize = 64 + 2 * size_of::<Place>() + 16;

/// Shapes of one hash at most: past it a message stays with the parser, so that whoever finds
/// messages that hash alike makes nothing slow but these.
const CHAIN_MAX: usize = 8;

/// A message's place in the cache: where its number begins, and the hash of what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    prefix: usize,
    hash: u64,
}

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
        /// One past the object's `}`.
        end: usize,
    },
    /// Not known; with the key if it could become one.
    Miss(Option<Key>),
}

/// One cache line, whole: an unknown entry costs one miss and its bytes another.
#[derive(Debug)]
#[repr(align(64))]
struct Entry<T> {
    hash: u64,
    listener: u32,
    prefix: u32,
    /// The message without its number. Empty in a vacant entry.
    bytes: Box<[u8]>,
    /// The shape that came behind this one last time.
    next: u32,
    /// Used since the hand of the clock went by.
    used: bool,
    stands_for: T,
}

/// An entry's number, by its hash.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    index: u32,
}

impl Hashed for Place {
    fn hash(&self) -> u64 {
        self.hash
    }
}

/// No entry.
const NONE: u32 = u32::MAX;

/// What came behind a message last time, if programs send in the same order again, as a PHP request
/// does: then the next message is compared with its guess and neither searched nor hashed. Where order
/// is random the guesses fail, and soon hardly any is tried.
#[derive(Debug)]
struct Guess {
    /// The message before, within one datagram or read.
    last: u32,
    /// Raised by guesses that hold, lowered by those that fail.
    trust: u8,
    /// Counts messages, so that a guess is tried now and then without trust.
    clock: u8,
}

impl Guess {
    const TRUST_MAX: u8 = 32;
    const TRUST_ENOUGH: u8 = 16;

    /// Whether a guess is worth a try.
    #[inline]
    fn tries(&mut self) -> bool {
        self.clock = self.clock.wrapping_add(1) % 64;
        self.last != NONE && (self.trust >= Self::TRUST_ENOUGH || self.clock == 0)
    }

    #[inline]
    fn learn(&mut self, held: bool) {
        let trust = if held { self.trust + 1 } else { self.trust.saturating_sub(2) };
        self.trust = trust.min(Self::TRUST_MAX);
    }
}

/// Shapes of one worker, bounded in bytes; past the bound those that were not used lately go.
#[derive(Debug)]
pub struct ShapeCache<T> {
    hasher: RandomState,
    finder: Finder<'static>,
    table: Spread<Place>,
    entries: Vec<Entry<T>>,
    vacant: Vec<u32>,
    /// The hand of the clock.
    hand: usize,
    /// Where the last sweep has stopped.
    swept: usize,
    bytes: usize,
    bytes_max: usize,
    seen: Vec<u32>,
    /// The way of a set that is overwritten next.
    way: usize,
    guess: Guess,
}

#[expect(clippy::cast_possible_truncation, reason = "listeners and prefixes are small, see there")]
impl<T: Copy> ShapeCache<T> {
    /// An empty cache of `bytes_max` bytes at most; 0 keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            finder: Finder::new(b"\"value\":"),
            table: Spread::default(),
            entries: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
            swept: 0,
            bytes: 0,
            bytes_max,
            seen: vec![0; if bytes_max == 0 { 0 } else { SEEN }],
            way: 0,
            guess: Guess { last: NONE, trust: Guess::TRUST_ENOUGH, clock: 0 },
        }
    }

    /// Begins another datagram or read: what comes first in it follows nothing.
    #[inline]
    pub fn begin(&mut self) {
        self.guess.last = NONE;
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

    /// Looks up the message that begins at `bytes[0]`, a `{`; `bytes` may go on behind it.
    #[inline]
    pub fn find(&mut self, listener: usize, bytes: &[u8]) -> Found<T> {
        let listener = listener as u32; // a handful
        // No further, also in its number: a message longer than this is left to the framer's bound.
        let bytes = &bytes[..bytes.len().min(SHAPE_BYTES_MAX)];
        if self.guess.tries() {
            let index = self.entries[self.guess.last as usize].next;
            let hit =
                self.entries.get_mut(index as usize).and_then(|guess| guess.hit(listener, bytes));
            self.guess.learn(hit.is_some());
            if let Some((stands_for, value, end)) = hit {
                self.guess.last = index;
                return Found::Hit { index: index as usize, stands_for, value, end };
            }
        }
        self.search(listener, bytes)
    }

    /// The long way: where the number is, the hash of what is before it, and the table.
    #[inline]
    fn search(&mut self, listener: u32, bytes: &[u8]) -> Found<T> {
        let before = std::mem::replace(&mut self.guess.last, NONE);
        let Some(at) = self.finder.find(bytes) else { return Found::Miss(None) };
        let mut prefix = at + self.finder.needle().len();
        while bytes.get(prefix) == Some(&b' ') {
            prefix += 1;
        }
        let hash = self.hash(listener, bytes, prefix);
        let entries = &mut self.entries;
        let mut hit = None;
        let found = self.table.find(hash, |place| {
            if place.hash == hash {
                hit = entries[place.index as usize].hit(listener, bytes);
            }
            hit.is_some()
        });
        let (Some(&Place { index, .. }), Some((stands_for, value, end))) = (found, hit) else {
            return Found::Miss(Some(Key { prefix, hash }));
        };
        if before != NONE {
            self.entries[before as usize].next = index;
        }
        self.guess.last = index;
        Found::Hit { index: index as usize, stands_for, value, end }
    }

    /// The hash of a message: its listener, what is before the number, and what is behind it up to the
    /// first `}`, which is the message's own. The number is no part of it.
    #[inline]
    fn hash(&self, listener: u32, bytes: &[u8], prefix: usize) -> u64 {
        let (before, rest) = bytes.split_at(prefix);
        let rest = &rest[number_len(rest)..];
        let brace = memchr::memchr(b'}', rest).map_or(0, |at| at + 1);
        self.hasher.hash_one((listener, before, &rest[..brace]))
    }

    /// Notes a message that was missed; whether it was noted before, so that it is worth admitting:
    /// a flood of messages that never come again touches nothing but this note.
    pub fn seen_before(&mut self, key: Key, listener: usize, message: &[u8]) -> bool {
        // The value that was found may be that of a message behind this one.
        if self.bytes_max == 0 || message.len() > SHAPE_BYTES_MAX || key.prefix >= message.len() {
            return false;
        }
        let (number, suffix) = message[key.prefix..].split_at(number_len(&message[key.prefix..]));
        // What would never be found again would be admitted again and again.
        if number.is_empty() || parse(number).is_none() {
            return false;
        }
        let mark = self.hasher.hash_one((key.hash, listener, suffix));
        // High bits choose the set, low bits are the fingerprint.
        let set = (mark >> 32) as usize % (SEEN / SEEN_WAYS) * SEEN_WAYS;
        let fingerprint = (mark & u64::from(u32::MAX)) as u32;
        let ways = &mut self.seen[set..set + SEEN_WAYS];
        if ways.contains(&fingerprint) {
            return self.alike(key.hash) < CHAIN_MAX;
        }
        self.way = (self.way + 1) % SEEN_WAYS;
        ways[self.way] = fingerprint;
        false
    }

    /// How many shapes have this hash; counts no further than [`CHAIN_MAX`].
    fn alike(&self, hash: u64) -> usize {
        let mut alike = 0;
        self.table.find(hash, |place| {
            alike += usize::from(place.hash == hash);
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
        let bytes: Box<[u8]> =
            [&message[..key.prefix], &message[key.prefix + number..]].concat().into();
        let cost = bytes.len() + ENTRY_BYTES;
        if cost > self.bytes_max {
            return;
        }
        while self.bytes + cost > self.bytes_max {
            self.evict();
        }
        self.bytes += cost;
        // A prefix is shorter than SHAPE_BYTES_MAX, listeners are a handful.
        let (listener, prefix) = (listener as u32, key.prefix as u32);
        let (hash, next) = (key.hash, NONE);
        let entry = Entry { hash, listener, prefix, bytes, next, used: true, stands_for };
        let index = if let Some(index) = self.vacant.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32 // bounded in bytes far below 2^32 entries
        };
        self.table.insert(Place { hash: key.hash, index });
    }

    /// Forgets a shape: what it stood for is gone.
    #[cold]
    pub fn remove(&mut self, index: usize) {
        let hash = self.entries[index].hash;
        let Some(place) = self.table.remove(hash, |place| place.index as usize == index) else {
            return;
        };
        let entry = &mut self.entries[index];
        let bytes = std::mem::take(&mut entry.bytes);
        entry.prefix = 0;
        self.bytes -= bytes.len() + ENTRY_BYTES;
        self.vacant.push(place.index);
    }

    /// Looks at `count` entries, where it stopped last, and forgets those that are `stale`.
    #[cold]
    pub fn sweep(&mut self, count: usize, stale: impl Fn(T) -> bool) {
        for _ in 0..count.min(self.entries.len()) {
            self.swept = (self.swept + 1) % self.entries.len();
            let entry = &self.entries[self.swept];
            if !entry.bytes.is_empty() && stale(entry.stands_for) {
                self.remove(self.swept);
            }
        }
    }

    /// Turns the hand to the next shape that was not used since it came by last, and forgets that one.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &mut self.entries[self.hand];
            if entry.bytes.is_empty() {
                continue;
            }
            if !std::mem::replace(&mut entry.used, false) {
                return self.remove(self.hand);
            }
        }
    }
}

impl<T: Copy> Entry<T> {
    /// Whether the message is this shape: what it stands for, the number, and where the message ends.
    #[inline]
    fn hit(&mut self, listener: u32, bytes: &[u8]) -> Option<(T, f64, usize)> {
        let (before, after) = self.bytes.split_at(self.prefix as usize);
        let rest = bytes.strip_prefix(before)?;
        let len = number_len(rest);
        // An entry that was removed has no bytes, and a shape's suffix is never empty.
        let same = self.listener == listener && !after.is_empty();
        if len == 0 || !same || !rest[len..].starts_with(after) {
            return None;
        }
        let value = parse(&rest[..len])?;
        self.used = true;
        Some((self.stands_for, value, len + self.bytes.len()))
    }
}

/// A JSON number's value; none if it is not finite. Rounded as the parser rounds it: to nearest.
fn parse(number: &[u8]) -> Option<f64> {
    /// Integers of so many digits are floats exactly.
    const EXACT_DIGITS: usize = 15;
    if number.len() <= EXACT_DIGITS && number.iter().all(u8::is_ascii_digit) {
        let add = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
        return Some(number.iter().fold(0, add) as f64);
    }
    let value: f64 = str::from_utf8(number).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, value: &str) -> String {
        format!(r#"{{"name":"{name}","op":"inc","value":{value}}}"#)
    }

    /// A cache that knows these names, each standing for its number.
    fn knowing(names: &[&str], bytes_max: usize) -> ShapeCache<usize> {
        let mut cache = ShapeCache::new(bytes_max);
        for (number, name) in names.iter().enumerate() {
            let text = message(name, "1");
            for sight in 0..2 {
                let Found::Miss(Some(key)) = cache.find(0, text.as_bytes()) else {
                    panic!("{text}")
                };
                if cache.seen_before(key, 0, text.as_bytes()) {
                    assert_eq!(sight, 1, "admitted on first sight");
                    cache.admit(key, 0, text.as_bytes(), number);
                }
            }
        }
        cache
    }

    #[track_caller]
    fn hits(cache: &mut ShapeCache<usize>, text: &str, number: usize, expected: f64, len: usize) {
        match cache.find(0, text.as_bytes()) {
            Found::Hit { stands_for, value, end, .. } => {
                assert_eq!((stands_for, value, end), (number, expected, len), "{text}");
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
            assert!(matches!(cache.find(0, text.as_bytes()), Found::Miss(_)), "{text}");
            cache.begin();
        }
        let text = message("a", "1");
        assert!(matches!(cache.find(1, text.as_bytes()), Found::Miss(_)), "another listener");
        assert!(matches!(cache.find(0, &text.as_bytes()[..text.len() - 1]), Found::Miss(_)), "cut");
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
        let each = message("a", "").len() + ENTRY_BYTES;
        let mut cache = knowing(&["a", "b", "c", "d"], 4 * each);
        assert_eq!((cache.len(), cache.bytes()), (4, 4 * each));
        let text = message("e", "1");
        let Found::Miss(Some(key)) = cache.find(0, text.as_bytes()) else { panic!() };
        cache.admit(key, 0, text.as_bytes(), 4);
        assert_eq!((cache.len(), cache.bytes()), (4, 4 * each));
        let Found::Hit { index, .. } = cache.find(0, text.as_bytes()) else { panic!() };
        cache.remove(index);
        assert_eq!((cache.len(), cache.bytes()), (3, 3 * each));
        assert!(matches!(cache.find(0, text.as_bytes()), Found::Miss(_)));
    }
}
