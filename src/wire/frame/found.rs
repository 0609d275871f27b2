//! What the framer finds.
//!
//! Plain values; used by an ingest worker alone.

use crate::metric::Rejection;

/// What was found. Each object that begins gives exactly one, and so does each StatsD line, so that no message is
/// lost or counted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole object: `bytes[start..end]`, from `{` to the `}` that closes it. Whether it is JSON is not known.
    Object {
        /// Where its `{` is.
        start: usize,
        /// One past its `}`.
        end: usize,
        /// Whether a backslash is in it.
        escaped: bool,
    },
    /// A whole StatsD line: `bytes[start..end]`, without its line end.
    Line {
        /// Where its first byte is.
        start: usize,
        /// One past its last byte.
        end: usize,
    },
    /// An object or a StatsD line that is refused before it has ended: `bytes[start..end]` is what was read of it.
    Refused {
        /// Why.
        reason: Rejection,
        /// Where its first byte is.
        start: usize,
        /// One past what was read of it.
        end: usize,
    },
}

/// What may begin at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// An object: its `{` is there.
    Object,
    /// A line, if what is there has the form of one.
    Line,
    /// Neither, or a message is open.
    Nothing,
}
