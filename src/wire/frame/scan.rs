//! Reads on in an open object until it ends, 64 bytes at a time.
//!
//! Runs on an ingest worker inside the framer; it must not know where objects begin or how long they
//! may be.

use super::block::{self, Marks};

/// The open object, small enough to live in registers while it is scanned.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenObject {
    /// Brackets open; 0 outside an object.
    depth: u32,
    /// One bit per open bracket of the first [`KNOWN`], the innermost lowest: 1 for `[`. Deeper ones
    /// are only counted; the parser refuses such messages anyway.
    arrays: u128,
    state: ScanState,
    /// The last byte outside strings that was no blank, before this call.
    last: u8,
    /// A backslash was read.
    escaped: bool,
}

/// Where in the grammar the scan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanState {
    /// Between strings.
    Plain,
    /// As `Plain`, with only blanks since a line feed.
    LineStart,
    /// In a string.
    Text,
    /// In a string, behind a backslash.
    Escape,
}

/// Up to this depth brackets are told apart.
const KNOWN: u32 = u128::BITS;

/// Why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All bytes are read.
    OutOfBytes,
    /// The object's `}` was read.
    Closed,
    /// A line feed in a string was read.
    LineInText,
    /// A new object begins on its own line where this one cannot hold it; its `{` is not read.
    Restart,
}

impl OpenObject {
    /// No object is open.
    pub(super) const fn none() -> Self {
        Self { depth: 0, arrays: 0, state: ScanState::Plain, last: b'{', escaped: false }
    }

    /// An object whose `{` has just been read.
    pub(super) const fn begun() -> Self {
        Self { depth: 1, ..Self::none() }
    }

    /// Whether an object is open.
    pub(super) fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// Whether a backslash was read in the object.
    pub(super) fn escaped(&self) -> bool {
        self.escaped
    }

    /// Reads on from `pos` in an open object.
    #[inline]
    pub(super) fn scan(&mut self, bytes: &[u8], pos: &mut usize) -> Stop {
        let mut open = *self;
        let from = *pos;
        let stop = loop {
            let stop = match open.state {
                ScanState::Plain | ScanState::Text => open.block(bytes, from, pos),
                ScanState::LineStart => open.line_start(bytes, pos),
                ScanState::Escape => open.escape(bytes, pos),
            };
            if let Some(stop) = stop {
                break stop;
            }
        };
        if stop == Stop::OutOfBytes && open.state == ScanState::Plain {
            open.look_back(&bytes[from..]);
        }
        *self = open;
        stop
    }

    /// Reads up to [`block::SIZE`] bytes: to the end of the object, or to a byte that needs a closer
    /// look.
    #[inline]
    fn block(&mut self, bytes: &[u8], from: usize, pos: &mut usize) -> Option<Stop> {
        let at = *pos;
        let count = block::SIZE.min(bytes.len() - at);
        if count == 0 {
            return Some(Stop::OutOfBytes);
        }
        let marks = Marks::of(bytes, at);
        let (escaped, pending) = escaped(marks.backslashes, count);
        let text = in_text(marks.quotes & !escaped, self.state == ScanState::Text);
        // Backslashes outside strings are no JSON and escape nothing: what stands behind the first of
        // them is judged anew.
        let stray = marks.backslashes & !escaped & !text;
        let mut looked_at = (marks.brackets & !text) | marks.feeds | stray;
        while looked_at != 0 {
            let index = looked_at.trailing_zeros();
            let here = at + index as usize;
            *pos = here + 1;
            match bytes[here] {
                b'\n' if text >> index & 1 == 1 => return Some(Stop::LineInText),
                b'\n' => {
                    self.escaped |= marks.backslashes & below(index) != 0;
                    self.look_back(&bytes[from..here]);
                    self.state = ScanState::LineStart;
                    return None;
                }
                b'\\' => {
                    self.escaped = true;
                    self.state = ScanState::Plain;
                    return None;
                }
                byte => self.bracket(byte),
            }
            if self.depth == 0 {
                self.escaped |= marks.backslashes & below(index) != 0;
                return Some(Stop::Closed);
            }
            looked_at &= looked_at - 1;
        }
        *pos = at + count;
        self.escaped |= marks.backslashes != 0;
        self.state = match text >> (count - 1) & 1 {
            _ if pending => ScanState::Escape,
            1 => ScanState::Text,
            _ => ScanState::Plain,
        };
        None
    }

    /// Behind a backslash in a string.
    fn escape(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Stop> {
        let Some(&byte) = bytes.get(*pos) else { return Some(Stop::OutOfBytes) };
        *pos += 1;
        self.state = ScanState::Text;
        (byte == b'\n').then_some(Stop::LineInText)
    }

    /// Behind a line feed: does a new object begin where this one has no place for a value?
    #[cold]
    fn line_start(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Stop> {
        while let Some(&byte) = bytes.get(*pos) {
            if !is_blank(byte) {
                self.state = ScanState::Plain;
                return (byte == b'{' && !self.value_due()).then_some(Stop::Restart);
            }
            *pos += 1;
        }
        Some(Stop::OutOfBytes)
    }

    /// Notes the last byte that is no blank, if there is one.
    #[inline]
    fn look_back(&mut self, bytes: &[u8]) {
        if let Some(&byte) = bytes.iter().rev().find(|&&byte| !is_blank(byte)) {
            self.last = byte;
        }
    }

    /// Whether the grammar has a place for a value behind what was read last.
    fn value_due(&self) -> bool {
        let may_be_array = self.depth > KNOWN || self.arrays & 1 == 1;
        matches!(self.last, b':' | b'[') || (self.last == b',' && may_be_array)
    }

    #[inline]
    fn bracket(&mut self, byte: u8) {
        match byte {
            b'{' => self.push(0),
            b'[' => self.push(1),
            b'}' | b']' if self.depth > KNOWN => self.depth -= 1,
            // Closes the arrays of its object as well: a cut array cannot eat the next object.
            b'}' => self.pop(self.arrays.trailing_ones() + 1),
            // Closes nothing but an array.
            b']' => self.pop(u32::from(self.arrays & 1 == 1)),
            _ => {}
        }
    }

    fn push(&mut self, array: u128) {
        if self.depth < KNOWN {
            self.arrays = self.arrays << 1 | array;
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn pop(&mut self, levels: u32) {
        self.arrays = self.arrays.checked_shr(levels).unwrap_or(0);
        self.depth = self.depth.saturating_sub(levels);
    }
}

/// Blank, tab, CR and LF.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The bytes behind a backslash that is not behind one itself, and whether the last of `count` is
/// such a backslash.
#[inline]
fn escaped(backslashes: u64, count: usize) -> (u64, bool) {
    let (mut rest, mut escaped) = (backslashes, 0);
    while rest != 0 {
        let next = (rest & rest.wrapping_neg()) << 1;
        escaped |= next;
        rest &= !next & (rest - 1);
    }
    let last = 1 << (count - 1);
    (escaped, backslashes & !escaped & last != 0)
}

/// The bytes in strings, opening quotes included and closing ones not.
#[inline]
fn in_text(quotes: u64, begins_in_text: bool) -> u64 {
    let mut text = quotes;
    for shift in [1, 2, 4, 8, 16, 32] {
        text ^= text << shift;
    }
    if begins_in_text { !text } else { text }
}

/// All bits below this one.
fn below(index: u32) -> u64 {
    (1 << index) - 1
}
