//! How messages become shapes, and how shapes go: on second sight, when a series is given up, and for want of room.
//!
//! Runs on an ingest worker, between hits: none of it is on the way of a known message.

use super::entry::Entry;
use super::number::number;
use super::sight::Key;
use super::{SHAPE_BYTES_MAX, ShapeCache};
use crate::wire::text::number_len;

/// Shapes of one hash at most: past it a message stays with the parser, so that whoever finds
/// messages that hash alike makes nothing slow but these.
const CHAIN_MAX: usize = 8;
/// Shapes that were used lately and are passed over when room is made: to look at all of a million would keep the
/// worker from its queue for tens of milliseconds, these keep it for some 0.1 ms.
const SPARED_MAX: usize = 4096;

#[expect(
    clippy::cast_possible_truncation,
    reason = "listeners, entries and bytes read at once are few, see there"
)]
impl<T: Copy> ShapeCache<T> {
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
        let mut alike = 0;
        self.table.find(key.kept(), |_| {
            alike += 1;
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
        self.table.insert(key.kept(), index);
    }

    /// Forgets a shape: what it stood for is gone.
    #[cold]
    pub fn remove(&mut self, index: usize) {
        let hash = self.entries[index].hash;
        let Some(removed) = self.table.remove(hash, |other| other as usize == index) else {
            return;
        };
        let entry = &mut self.entries[index];
        self.bytes -= Self::ENTRY_BYTES + entry.bytes_elsewhere();
        entry.clear();
        self.vacant.push(removed);
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

    /// Turns the hand to the next shape that was not used since it came by last, and forgets that one; or one that
    /// was, where all that it may look at were.
    fn evict(&mut self) {
        let mut spared = 0;
        loop {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &mut self.entries[self.hand];
            if entry.is_vacant() {
                continue;
            }
            if !std::mem::replace(&mut entry.used, false) || spared == SPARED_MAX {
                return self.remove(self.hand);
            }
            spared += 1;
        }
    }
}
