//! A first sight of a message: where its number is, and the hash of what is around it.
//!
//! Runs on an ingest worker for messages that no guess has found; it must not know which are known.

use std::hash::{BuildHasher as _, Hasher as _};

use ahash::RandomState;
use memchr::memmem::Finder;

use super::number::number;
use crate::segmented_table::ShortHash;

/// What stands before the number.
const NEEDLE: &[u8; 8] = b"\"value\":";

/// A message's place in the cache: where its number begins, and the hash of what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) prefix: usize,
    pub(super) hash: u64,
}

impl Key {
    /// The half of the hash that the table goes by.
    pub(super) fn kept(self) -> ShortHash {
        self.hash.into()
    }
}

/// What a look at a message has shown; small, since several are kept at a time. All places are below
/// [`SHAPE_BYTES_MAX`](super::SHAPE_BYTES_MAX).
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    hash: u64,
    /// Its number.
    pub(super) value: f64,
    prefix: u16,
    number: u16,
    brace: u16,
    /// The number was looked for only where other messages have theirs: what was found may belong to a
    /// message behind this one.
    pub(super) hasty: bool,
}

impl Sight {
    /// Where the message would stand.
    pub(super) fn key(&self) -> Key {
        Key { prefix: usize::from(self.prefix), hash: self.hash }
    }

    /// Length of its number.
    pub(super) fn number(&self) -> usize {
        usize::from(self.number)
    }

    /// One past the first `}` behind its number, where most messages end.
    pub(super) fn brace(&self) -> usize {
        usize::from(self.brace)
    }
}

/// What a second look has shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Again {
    /// What the first has.
    Same,
    /// No number.
    Nothing,
    /// Another.
    Other(Sight),
}

/// What looks.
#[derive(Debug)]
pub(super) struct Eye {
    pub(super) hasher: RandomState,
    finder: Finder<'static>,
    /// Where messages had their numbers lately, the last one first.
    places: [usize; 4],
}

impl Eye {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), finder: Finder::new(NEEDLE), places: [0; 4] }
    }

    /// Looks at the message that begins at `bytes[0]`, first where others have their numbers.
    #[inline]
    pub(super) fn look(&mut self, listener: u32, bytes: &[u8]) -> Option<Sight> {
        let is_place = |&place: &usize| place >= 8 && bytes.get(place - 8..place) == Some(NEEDLE);
        if let Some(index) = self.places.iter().position(is_place) {
            self.places.swap(0, index);
            if let Some(sight) = self.at(listener, bytes, self.places[0]) {
                return Some(Sight { hasty: true, ..sight });
            }
        }
        let place = self.first(bytes)?;
        if !self.places.contains(&place) {
            self.places.rotate_right(1);
            self.places[0] = place;
        }
        self.at(listener, bytes, place)
    }

    /// The same for a hasty sight, at the first place where a number may stand.
    #[cold]
    pub(super) fn look_again(&self, listener: u32, bytes: &[u8], before: &Sight) -> Again {
        let Some(place) = self.first(bytes) else { return Again::Nothing };
        // Both places stand before the same blanks only if they are the same.
        let prefix = usize::from(before.prefix);
        if place <= prefix && bytes[place..prefix].iter().all(|&byte| byte == b' ') {
            return Again::Same;
        }
        self.at(listener, bytes, place).map_or(Again::Nothing, Again::Other)
    }

    fn first(&self, bytes: &[u8]) -> Option<usize> {
        Some(self.finder.find(bytes)? + NEEDLE.len())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no more bytes are looked at, see `Sight`")]
    fn at(&self, listener: u32, bytes: &[u8], mut prefix: usize) -> Option<Sight> {
        while bytes.get(prefix) == Some(&b' ') {
            prefix += 1;
        }
        let (before, rest) = bytes.split_at(prefix);
        let (len, value) = number(rest)?;
        let rest = &rest[len..];
        let behind = match rest.first() {
            Some(b'}') => 1,
            _ => memchr::memchr(b'}', rest)? + 1,
        };
        let hash = self.hash(listener, before, &rest[..behind]);
        let (prefix, number, brace) = (prefix as u16, len as u16, (prefix + len + behind) as u16);
        Some(Sight { hash, value, prefix, number, brace, hasty: false })
    }

    /// The hash of a message: its listener, what is before the number, and what is behind it up to the
    /// first `}`, which is the message's own. The number is no part of it.
    #[inline]
    fn hash(&self, listener: u32, before: &[u8], behind: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(before);
        if behind.len() > 1 {
            hasher.write(behind);
        }
        // Both lengths, so that no byte can change sides; listeners are a handful, lengths are bounded.
        hasher.write_u64(u64::from(listener) << 32 | (before.len() << 16 | behind.len()) as u64);
        hasher.finish()
    }
}
