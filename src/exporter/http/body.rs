//! The bytes of a response, kept in pieces.
//!
//! A page may have a hundred megabytes: pieces are written as they are made, and no contiguous buffer of
//! the whole is ever needed. Knows nothing of HTTP.

/// Pieces that are sent one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Body {
    pieces: Vec<Vec<u8>>,
    len: usize,
}

impl Body {
    /// A body of these pieces, 64 to 256 KiB each by habit.
    pub fn new(pieces: Vec<Vec<u8>>) -> Self {
        let len = pieces.iter().map(Vec::len).sum();
        Self { pieces, len }
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Vec<u8>] {
        &self.pieces
    }

    /// Bytes in all.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::new(vec![text.into_bytes()])
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
