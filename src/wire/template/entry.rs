//! One template: a message's bytes around its number, and what it means.
//!
//! Runs on an ingest worker; it must not know how it was found.

use super::lookup::NO_TEMPLATE;
use super::next_number::TEMPLATE_BYTES_MAX;
use super::number::{self, JsonNumber};
use crate::index_table::ShortHash;

/// Bytes of a message, its number aside, that are kept in the template itself; the text of a longer message
/// is allocated.
const INLINE_BYTES: usize = 192;

/// Four cache lines, side by side: a message of usual length is compared without another jump through
/// memory. The first line holds all but the text.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Template<T> {
    meaning: T,
    /// The text if it is longer than [`INLINE_BYTES`].
    long: Option<Box<[u8]>>,
    hash: ShortHash,
    /// The template whose message came behind this one last time.
    successor: u32,
    listener: u32,
    /// How many bytes of the text stand before the number.
    prefix: u16,
    /// Length of the text; 0 in a vacant place.
    len: u16,
    /// Whether it was used since the eviction clock went by.
    used: bool,
    inline: [u8; INLINE_BYTES],
}

impl<T: Copy> Template<T> {
    /// The message `before`, number, `after` of a listener.
    ///
    /// # Panics
    /// If the message is too long to be a template: its length has to fit 16 bits.
    pub(super) fn new(
        hash: ShortHash,
        listener: u32,
        before: &[u8],
        after: &[u8],
        meaning: T,
    ) -> Self {
        let len = before.len() + after.len();
        assert!(len <= TEMPLATE_BYTES_MAX, "a template of {len} bytes");
        let mut inline = [0; INLINE_BYTES];
        let long = if len > INLINE_BYTES {
            Some([before, after].concat().into_boxed_slice())
        } else {
            inline[..before.len()].copy_from_slice(before);
            inline[before.len()..len].copy_from_slice(after);
            None
        };
        #[expect(clippy::cast_possible_truncation, reason = "the assertion above bounds both")]
        let (prefix, len) = (before.len() as u16, len as u16);
        let successor = NO_TEMPLATE;
        Self { meaning, long, hash, successor, listener, prefix, len, used: true, inline }
    }

    /// Makes the place vacant. The old meaning stays in it, but nobody reads it.
    pub(super) fn clear(&mut self) {
        (self.long, self.prefix, self.len) = (None, 0, 0);
    }

    /// Whether the place is vacant.
    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        self.len == 0
    }

    /// What the message means apart from its number.
    #[inline]
    pub(super) fn meaning(&self) -> T {
        self.meaning
    }

    /// The hash that the table has it under.
    pub(super) fn hash(&self) -> ShortHash {
        self.hash
    }

    /// The template that came behind this one last time.
    #[inline]
    pub(super) fn successor(&self) -> u32 {
        self.successor
    }

    #[inline]
    pub(super) fn set_successor(&mut self, index: u32) {
        self.successor = index;
    }

    /// Notes a use, for the eviction clock.
    #[inline]
    pub(super) fn set_used(&mut self) {
        self.used = true;
    }

    /// Whether it was used since the last call of this function.
    pub(super) fn take_used(&mut self) -> bool {
        std::mem::replace(&mut self.used, false)
    }

    /// Allocated bytes, with what the allocator adds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.long.as_ref().map_or(0, |text| text.len() + 16)
    }

    #[inline]
    fn around(&self) -> (&[u8], &[u8]) {
        let text = match &self.long {
            None => &self.inline[..usize::from(self.len)],
            Some(text) => text,
        };
        text.split_at(usize::from(self.prefix))
    }

    /// How long its message is with a number of this length.
    #[inline]
    pub(super) fn len_with(&self, number_len: usize) -> usize {
        usize::from(self.len) + number_len
    }

    /// The number, if its message stands at the front of the bytes.
    #[expect(
        clippy::inline_always,
        reason = "it is called for objects and for lines: as a call it costs each 30 instructions"
    )]
    #[inline(always)]
    pub(super) fn match_front(&self, listener: u32, bytes: &[u8]) -> Option<JsonNumber> {
        let (before, after) = self.around();
        let rest = bytes.strip_prefix(before)?;
        let number = number::read(rest)?;
        let same =
            self.listener == listener && !self.is_vacant() && rest[number.len..].starts_with(after);
        same.then_some(number)
    }

    /// Whether its message stands at the front of the bytes, with its number behind `prefix` bytes and
    /// `number_len` bytes long.
    #[inline]
    pub(super) fn is_at(
        &self,
        listener: u32,
        bytes: &[u8],
        prefix: usize,
        number_len: usize,
    ) -> bool {
        let (before, after) = self.around();
        self.listener == listener
            && !self.is_vacant()
            && bytes[..prefix] == *before
            && bytes[prefix + number_len..].starts_with(after)
    }

    /// Reads a byte of the second and of the third line, so that both are in the cache when they are
    /// compared. The first line is there already; the fourth, which few need, comes with the third.
    #[inline]
    pub(super) fn read_ahead(&self) -> [u8; 2] {
        const LINE: usize = 64;
        [self.inline[LINE], self.inline[2 * LINE]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_four_lines() {
        assert_eq!(size_of::<Template<[u32; 6]>>(), 256);
    }

    #[test]
    fn long_messages_are_allocated() {
        let before = "x".repeat(INLINE_BYTES);
        let hash = ShortHash::from(1);
        let short = Template::new(hash, 2, &before.as_bytes()[1..], b"}", ());
        let long = Template::new(hash, 2, before.as_bytes(), b"}", ());
        assert_eq!((short.heap_bytes(), long.heap_bytes()), (0, INLINE_BYTES + 17));
        for (template, prefix) in [(short, INLINE_BYTES - 1), (long, INLINE_BYTES)] {
            let message = format!("{}12}}", &before[..prefix]);
            let number = JsonNumber { len: 2, value: 12.0 };
            assert_eq!(template.match_front(2, message.as_bytes()), Some(number));
            assert!(template.is_at(2, message.as_bytes(), prefix, 2));
            assert!(!template.is_at(3, message.as_bytes(), prefix, 2), "another listener");
            assert!(!template.is_at(2, message.as_bytes(), prefix, 1), "another number");
            assert_eq!(template.len_with(2), message.len());
        }
    }
}
