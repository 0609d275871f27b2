//! Where in 64 bytes the few bytes stand that framing looks at, one bit each.
//!
//! Runs on an ingest worker inside the framer; it must not know what the bytes mean where they stand.

/// Bytes looked at in one go: one bit of a `u64` each.
pub(super) const SIZE: usize = 64;

/// One bit per byte, the first byte lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// `"`
    pub(super) quotes: u64,
    /// `\`
    pub(super) backslashes: u64,
    /// Line feeds.
    pub(super) feeds: u64,
    /// `{`, `}`, `[` and `]`, and also `Y`, `y`, `_` and DEL: one comparison finds all eight. In JSON the last
    /// four occur in strings only, where brackets are not looked at either.
    pub(super) brackets: u64,
}

/// The bits in which the four brackets differ from each other: 0x26. A byte that becomes [`BRACKETS`] when
/// these three bits are set is one of eight: a bracket, `Y`, `y`, `_` or DEL.
const BRACKET_BITS: u8 = b'{' ^ b'}' | b'{' ^ b'[';
/// What each of the eight becomes when those bits are set: 0x7F.
const BRACKETS: u8 = b'{' | BRACKET_BITS;

impl Marks {
    /// The marks of the first bytes of `bytes[at..]`, as many as there are up to [`SIZE`].
    #[inline]
    pub(super) fn of(bytes: &[u8], at: usize) -> Self {
        let rest = &bytes[at..];
        if rest.is_empty() {
            return Self::default();
        }
        if let Some(block) = rest.first_chunk() {
            return marks(block);
        }
        if let Some(block) = bytes.last_chunk() {
            // Fewer bytes than a block are left: the last block of all bytes ends with them.
            return marks(block).skip(SIZE - rest.len());
        }
        let mut block = [0; SIZE];
        block[..rest.len()].copy_from_slice(rest);
        marks(&block)
    }

    /// Without the first `count`, which are fewer than [`SIZE`].
    fn skip(self, count: usize) -> Self {
        Self {
            quotes: self.quotes >> count,
            backslashes: self.backslashes >> count,
            feeds: self.feeds >> count,
            brackets: self.brackets >> count,
        }
    }
}

#[inline]
fn marks(block: &[u8; SIZE]) -> Marks {
    // Both are rare in messages, so it is cheaper to look for either of them first than to make both sets of
    // bits each time.
    let hits = block.map(|byte| u8::from(matches!(byte, b'\\' | b'\n')));
    let rare = hits.iter().fold(0, |any, hit| any | hit) != 0;
    Marks {
        quotes: bits(block, |byte| byte == b'"'),
        backslashes: if rare { bits(block, |byte| byte == b'\\') } else { 0 },
        feeds: if rare { bits(block, |byte| byte == b'\n') } else { 0 },
        brackets: bits(block, |byte| byte | BRACKET_BITS == BRACKETS),
    }
}

/// One bit for each byte: whether `is` is true of it. The compiler makes vector instructions of the first loop.
/// The multiplication then gathers the lowest bits of eight bytes in the highest byte of the product, that of
/// the first byte in the lowest place.
#[inline]
fn bits(block: &[u8; SIZE], is: impl Fn(u8) -> bool) -> u64 {
    let hits = block.map(|byte| u8::from(is(byte)));
    let (eights, _) = hits.as_chunks::<8>();
    let gather =
        |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |bits, eight| bits << 8 | gather(eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_the_bytes_are() {
        let every: Vec<u8> = (0..=255).chain(*b"{\"a\":[1,\"\\n\"]}\n").collect();
        for len in 0..every.len() {
            for at in 0..=len {
                let marks = Marks::of(&every[..len], at);
                let block = &every[at..len.min(at + SIZE)];
                let found = |wanted: &[u8]| -> u64 {
                    let is_wanted = |(index, byte)| u64::from(wanted.contains(byte)) << index;
                    block.iter().enumerate().map(is_wanted).sum()
                };
                let expected = Marks {
                    quotes: found(b"\""),
                    backslashes: found(b"\\"),
                    feeds: found(b"\n"),
                    brackets: found(b"{}[]Yy_\x7f"),
                };
                assert_eq!(marks, expected, "{at} of {len}");
            }
        }
    }
}
