//! A first look at a message: where its number is, and the hash of the bytes around it.
//!
//! Runs on an ingest worker for messages that no prediction has found; it must not know which messages are
//! known.

use std::hash::{BuildHasher as _, Hasher as _};

use ahash::RandomState;
use memchr::memmem::Finder;

use super::next_number::{NEEDLE, NextNumber, message};
use super::number::{self, JsonNumber};
use crate::index_table::ShortHash;
use crate::wire::text::number_len;

/// Where the number of a message begins, and the hash of the bytes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateKey {
    prefix: usize,
    hash: u64,
}

impl TemplateKey {
    /// How many bytes stand before the number.
    #[inline]
    pub(super) fn prefix(self) -> usize {
        self.prefix
    }

    /// The hash that the table goes by.
    #[inline]
    pub(super) fn short_hash(self) -> ShortHash {
        self.hash.into()
    }

    /// The bytes of the message before its number and behind it.
    pub(super) fn around(self, message: &[u8]) -> (&[u8], &[u8]) {
        let (before, rest) = message.split_at(self.prefix);
        (before, &rest[number_len(rest)..])
    }

    /// Appends the message to `out`, with another number than `value`, its own; returns that number. Both
    /// messages are parsed for the proof that the message may become a template.
    pub fn write_with_other_number(self, message: &[u8], value: f64, out: &mut Vec<u8>) -> f64 {
        let (before, after) = self.around(message);
        let (text, other) = if value < 1.0 { ("7", 7.0) } else { ("0.5", 0.5) };
        out.extend_from_slice(before);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(after);
        other
    }
}

/// What a look at a message has shown. It is small, since several are kept at a time; all places are below
/// the bound of a template's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    hash: u64,
    /// The number.
    pub(super) value: f64,
    prefix: u16,
    number_len: u16,
    brace: u16,
    /// The number was looked for only at the offsets of other messages' numbers: what was found may belong to
    /// a message behind this one.
    pub(super) at_remembered_offset: bool,
}

impl Probe {
    /// The key that the message's template has.
    #[inline]
    pub(super) fn key(&self) -> TemplateKey {
        TemplateKey { prefix: usize::from(self.prefix), hash: self.hash }
    }

    /// Length of the number.
    #[inline]
    pub(super) fn number_len(&self) -> usize {
        usize::from(self.number_len)
    }

    /// One past the first `}` behind the number, where most messages end.
    #[inline]
    pub(super) fn brace(&self) -> usize {
        usize::from(self.brace)
    }
}

/// What a second look at a message has shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recheck {
    /// The first look was right.
    Same,
    /// The message has no number.
    NoNumber,
    /// The number is elsewhere.
    Elsewhere(Probe),
}

/// Finds the numbers of messages.
#[derive(Debug)]
pub(super) struct Locator {
    hasher: RandomState,
    finder: Finder<'static>,
    /// The offsets of the last numbers that were found, the last one first.
    remembered: [usize; 4],
}

impl Locator {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), finder: Finder::new(NEEDLE), remembered: [0; 4] }
    }

    /// Looks for the number of the message that begins at `at`: first at the remembered offsets, then everywhere.
    /// `next` is what was found in the same bytes before.
    #[inline]
    pub(super) fn probe(
        &mut self,
        listener: u32,
        read: &[u8],
        at: usize,
        next: &mut NextNumber,
    ) -> Option<Probe> {
        let bytes = message(read, at);
        let is_here = |&at: &usize| at >= 8 && bytes.get(at - 8..at) == Some(NEEDLE);
        if let Some(index) = self.remembered.iter().position(is_here) {
            self.remembered.swap(0, index);
            if let Some(probe) = self.probe_at(listener, bytes, self.remembered[0]) {
                return Some(Probe { at_remembered_offset: true, ..probe });
            }
        }
        let offset = next.offset(&self.finder, read, at)?;
        if !self.remembered.contains(&offset) {
            self.remembered.rotate_right(1);
            self.remembered[0] = offset;
        }
        self.probe_at(listener, bytes, offset)
    }

    /// Looks again at a message whose number was found at a remembered offset: the first place in the message
    /// where a number may stand is the one that counts.
    #[cold]
    pub(super) fn recheck(&self, listener: u32, bytes: &[u8], probe: &Probe) -> Recheck {
        let Some(offset) = self.first_offset(bytes) else { return Recheck::NoNumber };
        // With nothing but blanks between them, both places are before the same number.
        let prefix = usize::from(probe.prefix);
        if offset <= prefix && bytes[offset..prefix].iter().all(|&byte| byte == b' ') {
            return Recheck::Same;
        }
        self.probe_at(listener, bytes, offset).map_or(Recheck::NoNumber, Recheck::Elsewhere)
    }

    fn first_offset(&self, bytes: &[u8]) -> Option<usize> {
        Some(self.finder.find(bytes)? + NEEDLE.len())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no more bytes are looked at, see `Probe`")]
    fn probe_at(&self, listener: u32, bytes: &[u8], mut prefix: usize) -> Option<Probe> {
        while bytes.get(prefix) == Some(&b' ') {
            prefix += 1;
        }
        let (before, rest) = bytes.split_at(prefix);
        let JsonNumber { len, value } = number::read(rest)?;
        let rest = &rest[len..];
        let behind = match rest.first() {
            Some(b'}') => 1,
            _ => memchr::memchr(b'}', rest)? + 1,
        };
        Some(Probe {
            hash: self.hash(listener, before, &rest[..behind]),
            value,
            prefix: prefix as u16,
            number_len: len as u16,
            brace: (prefix + len + behind) as u16,
            at_remembered_offset: false,
        })
    }

    /// Looks for the number of a line: it is the only value, behind the first colon. A sign belongs to the bytes before
    /// it, since with one a gauge is added to.
    #[expect(clippy::cast_possible_truncation, reason = "a line is no longer than a template")]
    pub(super) fn probe_line(&self, listener: u32, line: &[u8]) -> Option<Probe> {
        let colon = memchr::memchr(b':', line)?;
        let sign = usize::from(matches!(line.get(colon + 1), Some(b'+' | b'-')));
        let prefix = colon + 1 + sign;
        let (before, rest) = line.split_at(prefix);
        let JsonNumber { len, value } = number::read(rest).filter(|_| rest[0] != b'-')?;
        let behind = &rest[len..];
        (behind.first() == Some(&b'|')).then(|| Probe {
            hash: self.hash(listener, before, behind),
            value,
            prefix: prefix as u16,
            number_len: len as u16,
            brace: line.len() as u16,
            at_remembered_offset: false,
        })
    }

    /// The hash of a message without its number: of the listener, the bytes before the number, and those
    /// behind it up to the first `}`, which still belongs to the message, or all of a line.
    #[expect(
        clippy::inline_always,
        reason = "it is called for objects and for lines: as a call it costs each 15 instructions"
    )]
    #[inline(always)]
    fn hash(&self, listener: u32, before: &[u8], behind: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(before);
        if behind.len() > 1 {
            hasher.write(behind);
        }
        // Both lengths are hashed as well, so that the same bytes divided otherwise have another hash. Each
        // length is below 2^16.
        hasher.write_u64(u64::from(listener) << 32 | (before.len() << 16 | behind.len()) as u64);
        hasher.finish()
    }

    /// The hash by which the doorkeeper remembers a message: unlike the key's it covers all bytes behind the
    /// number.
    pub(super) fn fingerprint(&self, key: TemplateKey, listener: u32, after: &[u8]) -> u64 {
        self.hasher.hash_one((key.hash, listener, after))
    }
}
