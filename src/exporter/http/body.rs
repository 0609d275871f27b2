//! The bytes of a response: kept in pieces, or made while they are sent.
//!
//! A page may have a hundred megabytes: no contiguous buffer of the whole is ever needed, and where it is
//! made while it is sent, no buffer of more than a piece. Knows nothing of HTTP.

use std::fmt::Debug;
use std::sync::Arc;

/// A body that is made while it is sent, on the thread that sends it.
pub trait Made: Debug {
    /// Appends the next piece; nothing at the end. May panic: the connection is closed then, so that the
    /// client does not take what it has for whole.
    fn next(&mut self, piece: &mut Vec<u8>);
}

/// Either kind of body.
#[derive(Debug)]
pub enum Content<'a> {
    /// All of it is there, perhaps shared.
    Whole(Arc<Body>),
    /// Its length is not known before its end.
    Made(Box<dyn Made + 'a>),
}

impl Content<'_> {
    /// Bytes in all, if that is known.
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Whole(body) => Some(body.len()),
            Self::Made(_) => None,
        }
    }

    /// Whether it is known that there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

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
