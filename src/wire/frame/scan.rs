//! Reads on in an open object until it ends, 64 bytes at a time.
//!
//! Runs on an ingest worker inside the framer; it must not know where objects begin or how long they
//! may be.

use super::block::{self, Marks};
use super::strings::{Escapes, in_text};

/// The open object, small enough to live in registers while it is scanned.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenObject {
    /// Brackets open; 0 outside an object.
    depth: u32,
    /// One bit for each open bracket, 1 for `[` and 0 for `{`; the innermost bracket has the lowest bit. Only
    /// the first [`KNOWN`] have a bit. Deeper ones are counted in `depth` alone: the parser refuses such messages.
    arrays: u128,
    state: ScanState,
    /// The last byte that is no blank and outside strings, among those that [`Self::look_back`] has seen.
    last: u8,
    /// Whether a backslash was read.
    escaped: bool,
}

/// Where in the grammar the scan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanState {
    /// Right behind the object's `{`.
    Begin,
    /// Between strings.
    Plain,
    /// Between strings, at the begin of a line: since the line feed only blanks were read.
    LineStart,
    /// In a string.
    Text,
    /// In a string, behind a backslash.
    Escape,
}

/// Brackets up to this depth are remembered as `{` or `[`.
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
    /// A `{` begins a line in a place where the open object cannot have a value, so it begins a new object.
    /// The `{` is not read.
    Restart,
}

impl OpenObject {
    /// No object is open.
    pub(super) const fn none() -> Self {
        Self { depth: 0, arrays: 0, state: ScanState::Plain, last: b'{', escaped: false }
    }

    /// An object whose `{` has just been read.
    pub(super) const fn begun() -> Self {
        Self { depth: 1, state: ScanState::Begin, ..Self::none() }
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
                ScanState::Begin => open.begin(bytes, from, pos),
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

    /// Looks how an object begins. Behind a `{` a message has a key. Anything else is read byte by byte, so that a
    /// flood of objects of a few bytes does not have a block looked at for each of them; and an empty object, the
    /// shortest that can be sent, ends here.
    #[inline]
    fn begin(&mut self, bytes: &[u8], from: usize, pos: &mut usize) -> Option<Stop> {
        self.state = ScanState::Plain;
        if matches!(bytes.get(*pos..*pos + 2), Some([b'"', first]) if *first != b'"') {
            return None;
        }
        if bytes.get(*pos) == Some(&b'}') {
            *pos += 1;
            self.depth = 0;
            return Some(Stop::Closed);
        }
        let end = bytes.len().min(*pos + block::SIZE);
        self.byte_by_byte(&bytes[..end], from, pos)
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
        let Escapes { escaped, pending } = Escapes::of(marks.backslashes, count);
        let text = in_text(marks.quotes & !escaped, self.state == ScanState::Text);
        // A backslash outside strings is no JSON and escapes nothing, but it was taken for an escape above. So
        // the marks hold up to the first of them, and the bytes behind it are read one by one.
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
                    return self.byte_by_byte(&bytes[..at + count], from, pos);
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

    /// Reads on to the end of the bytes, or to a byte at which [`Self::block`] would stop as well.
    #[cold]
    fn byte_by_byte(&mut self, bytes: &[u8], from: usize, pos: &mut usize) -> Option<Stop> {
        while let Some(&byte) = bytes.get(*pos) {
            *pos += 1;
            match (self.state, byte) {
                (ScanState::Text | ScanState::Escape, b'\n') => return Some(Stop::LineInText),
                (ScanState::Text, b'"') => self.state = ScanState::Plain,
                (ScanState::Text, b'\\') => (self.state, self.escaped) = (ScanState::Escape, true),
                (ScanState::Text, _) => {}
                (ScanState::Escape, _) | (_, b'"') => self.state = ScanState::Text,
                (_, b'\n') => {
                    self.look_back(&bytes[from..*pos - 1]);
                    self.state = ScanState::LineStart;
                    return None;
                }
                (_, b'\\') => self.escaped = true,
                _ => {
                    self.bracket(byte);
                    if self.depth == 0 {
                        return Some(Stop::Closed);
                    }
                }
            }
        }
        None
    }

    /// Behind a backslash in a string.
    fn escape(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Stop> {
        let Some(&byte) = bytes.get(*pos) else { return Some(Stop::OutOfBytes) };
        *pos += 1;
        self.state = ScanState::Text;
        (byte == b'\n').then_some(Stop::LineInText)
    }

    /// Reads the blanks at the begin of a line, and finds out whether a new object begins behind them.
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

    /// Whether JSON allows a value behind the byte that was read last.
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
            // Closes arrays that are open inside the object as well. So an array whose end is missing does
            // not make the next object a part of it.
            b'}' => self.pop(self.arrays.trailing_ones() + 1),
            // Closes an array; where the innermost open bracket is a `{` it closes nothing.
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
        self.arrays = self.arrays.checked_shr(levels).unwrap_or(0); // 0 if all bits are shifted out
        self.depth = self.depth.saturating_sub(levels);
    }
}

/// Blank, tab, CR and LF.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A bit for each index below this one.
fn below(index: u32) -> u64 {
    (1 << index) - 1
}
