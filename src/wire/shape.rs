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
use hashbrown::HashTable;
use memchr::memmem::Finder;

use crate::wire::text::number_len;

/// A message longer than this, or whose value stands behind this many bytes, is never a shape: it is
/// rare, and looking for it must cost no more than parsing the bytes that are looked through.
pub const SHAPE_BYTES_MAX: usize = 1024;
/// Fingerprints of messages seen once, in sets of four: 1 MiB, touched as it is used. A message must
/// come again before so many others have; a series that is rarer gains little by a shape.
const SEEN: usize = 1 << 18;
const SEEN_WAYS: usize = 4;
/// What an entry costs beside its bytes: itself, its place in the table, and what the allocator adds.
const ENTRY_BYTES: usize = 96;

/// A message's place in the cache: where its number begins, and the hash of what is before it.
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

#[derive(Debug)]
struct Entry<T> {
    hash: u64,
    listener: usize,
    prefix: usize,
    /// The message without its number. Empty in a vacant entry.
    bytes: Box<[u8]>,
    /// Used since the hand of the clock went by.
    used: bool,
    stands_for: T,
}

/// Shapes of one worker, bounded in bytes; past the bound those that were not used lately go.
#[derive(Debug)]
pub struct ShapeCache<T> {
    hasher: RandomState,
    finder: Finder<'static>,
    table: HashTable<u32>,
    entries: Vec<Entry<T>>,
    vacant: Vec<u32>,
    /// The hand of the clock.
    hand: usize,
    bytes: usize,
    bytes_max: usize,
    seen: Vec<u32>,
    /// The way of a set that is overwritten next.
    way: usize,
}

impl<T: Copy> ShapeCache<T> {
    /// An empty cache of `bytes_max` bytes at most; 0 keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            finder: Finder::new(b"\"value\":"),
            table: HashTable::new(),
            entries: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
            bytes: 0,
            bytes_max,
            seen: vec![0; if bytes_max == 0 { 0 } else { SEEN }],
            way: 0,
        }
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
        let near = &bytes[..bytes.len().min(SHAPE_BYTES_MAX)];
        let Some(at) = self.finder.find(near) else { return Found::Miss(None) };
        let mut prefix = at + self.finder.needle().len();
        while near.get(prefix) == Some(&b' ') {
            prefix += 1;
        }
        let hash = self.hasher.hash_one(&near[..prefix]);
        let key = Key { prefix, hash };
        let rest = &bytes[prefix..];
        let len = number_len(rest);
        if len == 0 {
            return Found::Miss(None);
        }
        let found = self.table.find(hash, |&index| {
            let entry = &self.entries[index as usize];
            entry.hash == hash && entry.is(listener, &near[..prefix], &rest[len..])
        });
        let Some(&index) = found else { return Found::Miss(Some(key)) };
        let Some(value) = parse(&rest[..len]) else { return Found::Miss(None) };
        let entry = &mut self.entries[index as usize];
        entry.used = true;
        let end = len + entry.bytes.len();
        Found::Hit { index: index as usize, stands_for: entry.stands_for, value, end }
    }

    /// Notes a message that was missed; whether it was noted before, so that it is worth admitting:
    /// a flood of messages that never come again touches nothing but this note.
    pub fn seen_before(&mut self, key: Key, listener: usize, message: &[u8]) -> bool {
        // The value that was found may be that of a message behind this one.
        if self.bytes_max == 0 || message.len() > SHAPE_BYTES_MAX || key.prefix >= message.len() {
            return false;
        }
        let number = number_len(&message[key.prefix..]);
        let suffix = &message[key.prefix + number..];
        let mark = self.hasher.hash_one((key.hash, listener, suffix));
        // High bits choose the set, low bits are the fingerprint.
        let set = (mark >> 32) as usize % (SEEN / SEEN_WAYS) * SEEN_WAYS;
        let fingerprint = (mark & u64::from(u32::MAX)) as u32;
        let ways = &mut self.seen[set..set + SEEN_WAYS];
        if ways.contains(&fingerprint) {
            return true;
        }
        self.way = (self.way + 1) % SEEN_WAYS;
        ways[self.way] = fingerprint;
        false
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
        let (prefix, hash) = (key.prefix, key.hash);
        let entry = Entry { hash, listener, prefix, bytes, used: true, stands_for };
        let index = if let Some(index) = self.vacant.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("shapes are bounded in bytes")
        };
        let entries = &self.entries;
        self.table.insert_unique(hash, index, |&index| entries[index as usize].hash);
    }

    /// Forgets a shape: what it stood for is gone.
    #[cold]
    pub fn remove(&mut self, index: usize) {
        let hash = self.entries[index].hash;
        let Ok(found) = self.table.find_entry(hash, |&other| other as usize == index) else {
            return;
        };
        let (number, _) = found.remove();
        let bytes = std::mem::take(&mut self.entries[index].bytes);
        self.bytes -= bytes.len() + ENTRY_BYTES;
        self.vacant.push(number);
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

impl<T> Entry<T> {
    fn is(&self, listener: usize, prefix: &[u8], behind: &[u8]) -> bool {
        self.listener == listener
            && self.prefix == prefix.len()
            && self.bytes[..self.prefix] == *prefix
            && behind.starts_with(&self.bytes[self.prefix..])
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
