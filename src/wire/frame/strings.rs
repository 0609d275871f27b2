//! Which bytes of a block are in strings, from where its quotes and backslashes are.
//!
//! Runs on an ingest worker inside the framer; one bit for each byte, as in `block`.

/// Which bytes of a block are escaped, one bit each.
pub(super) struct Escapes {
    /// The bytes right behind a backslash that is not escaped itself.
    pub(super) escaped: u64,
    /// Whether the block's last byte is a backslash that escapes the next block's first byte.
    pub(super) pending: bool,
}

impl Escapes {
    /// Those of a block of `count` bytes.
    #[inline]
    pub(super) fn of(backslashes: u64, count: usize) -> Self {
        let (mut rest, mut escaped) = (backslashes, 0);
        while rest != 0 {
            let next = (rest & rest.wrapping_neg()) << 1;
            escaped |= next;
            rest &= !next & (rest - 1);
        }
        let last = 1 << (count - 1);
        Self { escaped, pending: backslashes & !escaped & last != 0 }
    }
}

/// The bytes in strings, one bit each: each opening quote and what follows it, without the closing quote. A
/// byte is in a string if the number of quotes up to it is odd, or even where the block begins in a string.
#[inline]
pub(super) fn in_text(quotes: u64, begins_in_text: bool) -> u64 {
    let mut text = quotes;
    for shift in [1, 2, 4, 8, 16, 32] {
        text ^= text << shift;
    }
    if begins_in_text { !text } else { text }
}
