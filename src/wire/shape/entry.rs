//! One known message: its bytes around the number, and what it stands for.
//!
//! Runs on an ingest worker; it must not know how it was found.

use super::guess::NONE;
use super::number::number;
use crate::segmented_table::ShortHash;

/// Bytes of a message, its number aside, that stand in the entry itself; longer ones stand elsewhere.
const INLINE: usize = 192;

/// Four cache lines, side by side: a message of usual length is compared without another jump through
/// memory. The first holds all but the text.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Entry<T> {
    /// What the message means apart from its number.
    pub(super) stands_for: T,
    /// The text if it is longer than [`INLINE`].
    long: Option<Box<[u8]>>,
    /// The half of the hash that the table keeps.
    pub(super) hash: ShortHash,
    /// The shape that came behind this one last time.
    pub(super) next: u32,
    listener: u32,
    prefix: u16,
    /// Length of the text; 0 in a vacant entry.
    len: u16,
    /// Used since the hand of the clock went by.
    pub(super) used: bool,
    inline: [u8; INLINE],
}

impl<T: Copy> Entry<T> {
    /// The message `before`, number, `after` of a listener. Both together are not longer than a shape
    /// may be, which fits 16 bits.
    #[expect(clippy::cast_possible_truncation, reason = "shapes are bounded in bytes")]
    pub(super) fn new(
        hash: ShortHash,
        listener: u32,
        (before, after): (&[u8], &[u8]),
        stands_for: T,
    ) -> Self {
        let len = before.len() + after.len();
        let mut inline = [0; INLINE];
        let long = if len > INLINE {
            Some([before, after].concat().into_boxed_slice())
        } else {
            inline[..before.len()].copy_from_slice(before);
            inline[before.len()..len].copy_from_slice(after);
            None
        };
        let (prefix, len) = (before.len() as u16, len as u16);
        Self { stands_for, long, hash, next: NONE, listener, prefix, len, used: true, inline }
    }

    /// Forgets the message; what it stands for stays as it was and means nothing.
    pub(super) fn clear(&mut self) {
        (self.long, self.prefix, self.len) = (None, 0, 0);
    }

    /// Whether it holds no message.
    pub(super) fn is_vacant(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it holds elsewhere, with what the allocator adds.
    pub(super) fn bytes_elsewhere(&self) -> usize {
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

    /// Where a message ends whose number is `number` bytes long.
    #[inline]
    pub(super) fn end(&self, number: usize) -> usize {
        usize::from(self.len) + number
    }

    /// Whether the message begins the bytes: its number, and how long that is.
    #[inline]
    pub(super) fn begins(&self, listener: u32, bytes: &[u8]) -> Option<(usize, f64)> {
        let (before, after) = self.around();
        let rest = bytes.strip_prefix(before)?;
        let (len, value) = number(rest)?;
        let same = self.listener == listener && !self.is_vacant() && rest[len..].starts_with(after);
        same.then_some((len, value))
    }

    /// The same where a number was found: `prefix` bytes from the start, `number` bytes long.
    #[inline]
    pub(super) fn is(&self, listener: u32, bytes: &[u8], prefix: usize, number: usize) -> bool {
        let (before, after) = self.around();
        self.listener == listener
            && !self.is_vacant()
            && bytes[..prefix] == *before
            && bytes[prefix + number..].starts_with(after)
    }

    /// Reads a byte of the second and the third line, so that they are there when they are needed. The
    /// first holds what was read to come here; the fourth, which few need, comes with the third.
    #[inline]
    pub(super) fn touch(&self) -> u8 {
        const LINE: usize = 64;
        self.inline[LINE] ^ self.inline[2 * LINE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_four_lines() {
        assert_eq!(size_of::<Entry<[u32; 6]>>(), 256);
    }

    #[test]
    fn long_messages_stand_elsewhere() {
        let before = "x".repeat(INLINE);
        let short = Entry::new(ShortHash::from(1), 2, (&before.as_bytes()[1..], b"}"), ());
        let long = Entry::new(ShortHash::from(1), 2, (before.as_bytes(), b"}"), ());
        assert_eq!((short.bytes_elsewhere(), long.bytes_elsewhere()), (0, INLINE + 17));
        for (entry, prefix) in [(short, INLINE - 1), (long, INLINE)] {
            let message = format!("{}12}}", &before[..prefix]);
            assert_eq!(entry.begins(2, message.as_bytes()), Some((2, 12.0)));
            assert!(entry.is(2, message.as_bytes(), prefix, 2));
            assert!(!entry.is(3, message.as_bytes(), prefix, 2), "another listener");
            assert!(!entry.is(2, message.as_bytes(), prefix, 1), "another number");
            assert_eq!(entry.end(2), message.len());
        }
    }
}
