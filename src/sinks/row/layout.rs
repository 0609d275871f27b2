//! Where the parts of an encoded row stand, and how its lengths and texts are read. Pure.

use std::ops::Range;

pub(super) const TIME: Range<usize> = 4..12;
pub(super) const SEQ: Range<usize> = 12..20;
pub(super) const VALUE: Range<usize> = 20..28;
/// The op in the lower four bits, and the hops in the upper four.
pub(super) const OP: usize = 28;
pub(super) const OP_MASK: u8 = 0xf;
pub(super) const HOPS_SHIFT: u32 = 4;
pub(super) const LABELS: Range<usize> = 29..33;
pub(super) const HEAD_BYTES: usize = 33;
/// Texts of a row without labels: name, help, index, buckets, timestamp.
pub(super) const TEXTS_WITHOUT_LABELS: usize = 5;

/// The length that `bytes` begin with: that of a row, or of a text.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(array(bytes.get(..4)?)) as usize)
}

/// A length, or a number of texts, as it is written. A message has 1 GiB at most, and its row is little longer.
pub(super) fn u32_bytes(length: usize) -> [u8; 4] {
    assert!(u32::try_from(length).is_ok(), "a row of {length} bytes");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    (length as u32).to_le_bytes()
}

/// The bytes as an array; there must be exactly `N`.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// Iterates over texts that stand one after another, with their lengths in front of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Texts<'a> {
    pub(super) lengths: &'a [u8],
    pub(super) rest: &'a str,
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (text, rest) = self.rest.split_at_checked(length(self.lengths)?)?;
        self.lengths = &self.lengths[4..];
        self.rest = rest;
        Some(text)
    }
}
