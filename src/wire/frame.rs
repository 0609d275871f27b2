//! Finds the JSON objects in a stream of bytes, whatever lies between them and however it was cut.
//!
//! Runs on an ingest worker, one [`Framer`] per source. It reads each byte once, looks no deeper than
//! strings, brackets and line ends, and must not know what an object means or where the bytes are kept.
//!
//! A datagram: [`Framer::next`] until `None`, then [`Framer::finish`]. A stream: after `None` the caller
//! keeps `bytes[framer.keep()..]` and puts what it reads next behind it; at the end [`Framer::finish`].

use crate::metric::Rejection;

/// What was found: one per object that began, so that framed = accepted + refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole object: `bytes[start..end]`, from `{` to the `}` that closes it. It may yet be no JSON.
    Object {
        /// Where its `{` is.
        start: usize,
        /// One past its `}`.
        end: usize,
        /// A backslash occurs in it.
        escaped: bool,
    },
    /// An object that is given up: `bytes[start..end]` is what was seen of it.
    Refused {
        /// Why.
        reason: Rejection,
        /// Where its `{` is.
        start: usize,
        /// One past what was seen of it.
        end: usize,
    },
}

/// The state of one source between its bytes.
#[derive(Debug)]
pub struct Framer {
    message_max_bytes: usize,
    /// Where the open object began in the bytes of the next call; says nothing while `skipping`.
    start: usize,
    /// The open object is refused already: only its end is looked for.
    skipping: bool,
    garbage: u64,
    open: Open,
}

/// Where in the grammar the scan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In an object, between strings.
    Plain,
    /// As `Plain`, with only blanks since a line feed.
    LineStart,
    /// In a string.
    Text,
    /// In a string, behind a backslash.
    Escape,
}

/// The open object, small enough to live in registers while it is scanned.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Brackets open; 0 outside an object.
    depth: u32,
    /// One bit per open bracket of the first [`KNOWN`], the innermost lowest: 1 for `[`. Deeper ones
    /// are only counted; the parser refuses such messages anyway.
    arrays: u128,
    place: Place,
    /// The last byte outside strings that was no blank.
    last: u8,
    escaped: bool,
}

/// Up to this depth brackets are told apart.
const KNOWN: u32 = u128::BITS;

/// Why a scan stopped.
enum Stop {
    /// All bytes are read.
    OutOfBytes,
    /// The object's `}` was read.
    Closed,
    /// A line feed in a string was read.
    LineInText,
    /// A new object begins on its own line where this one cannot hold it; its `{` is not read.
    Restart,
}

impl Framer {
    /// A framer that refuses objects longer than `message_max_bytes`.
    pub fn new(message_max_bytes: usize) -> Self {
        Self { message_max_bytes, start: 0, skipping: false, garbage: 0, open: Open::outside() }
    }

    /// The next object in `bytes` from `pos` on, which moves behind all that was read. `None`: all
    /// bytes are read and an object may be open.
    ///
    /// Between two calls with different `bytes` of one source comes [`Self::keep`].
    #[inline]
    pub fn next(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Frame> {
        loop {
            if self.open.depth == 0 && !self.find_start(bytes, pos) {
                return None;
            }
            let within = self.bound(bytes.len());
            let stop = self.open.scan(&bytes[..within], pos);
            let frame = match stop {
                Stop::OutOfBytes if within < bytes.len() => {
                    let frame = self.refused(Rejection::TooLong, within);
                    self.skipping = true;
                    return frame;
                }
                Stop::OutOfBytes => return None,
                Stop::Closed => self.closed(*pos),
                Stop::LineInText => self.refused(Rejection::Unterminated, *pos - 1),
                Stop::Restart => self.refused(Rejection::Unterminated, *pos),
            };
            self.open = Open::outside();
            self.skipping = false;
            if frame.is_some() {
                return frame;
            }
        }
    }

    /// The source ended, or the datagram did, with `len` bytes in the last call of [`Self::next`]: an
    /// open object is refused, unless it was before. The framer is as new, but for the garbage.
    pub fn finish(&mut self, len: usize) -> Option<Frame> {
        let open = self.open.depth > 0;
        let frame = if open { self.refused(Rejection::Unterminated, len) } else { None };
        self.open = Open::outside();
        self.skipping = false;
        frame
    }

    /// Refuses the open object now, for instance as [`Rejection::TimedOut`]; `len` as in
    /// [`Self::finish`]. What comes of it later is skipped, and nothing of it is kept.
    pub fn give_up(&mut self, reason: Rejection, len: usize) -> Option<Frame> {
        if self.open.depth == 0 {
            return None;
        }
        let frame = self.refused(reason, len);
        self.skipping = true;
        frame
    }

    /// Where the open object begins that has to be kept; `None` if nothing has.
    pub fn open_start(&self) -> Option<usize> {
        (self.open.depth > 0 && !self.skipping).then_some(self.start)
    }

    /// Moves on to the next bytes of a stream: returns where the open object begins in the `len`
    /// bytes of the last call, and takes the next call's bytes to begin there, with `pos` at the end
    /// of what was kept. Returns `len` if nothing has to be kept.
    pub fn keep(&mut self, len: usize) -> usize {
        let start = self.open_start().unwrap_or(len);
        self.start = 0;
        start
    }

    /// Takes the number of bytes outside objects that were no blank, tab, CR or LF.
    pub fn garbage_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.garbage)
    }

    /// Goes to the next `{` and opens an object there; false if there is none.
    fn find_start(&mut self, bytes: &[u8], pos: &mut usize) -> bool {
        while let Some(&byte) = bytes.get(*pos) {
            if byte == b'{' {
                self.start = *pos;
                self.open = Open { depth: 1, ..Open::outside() };
                *pos += 1;
                return true;
            }
            self.garbage += u64::from(!is_blank(byte) && byte != b'\n');
            *pos += 1;
        }
        false
    }

    /// How far the open object may be scanned.
    fn bound(&self, len: usize) -> usize {
        if self.skipping { len } else { len.min(self.start.saturating_add(self.message_max_bytes)) }
    }

    fn closed(&self, end: usize) -> Option<Frame> {
        let object = Frame::Object { start: self.start, end, escaped: self.open.escaped };
        (!self.skipping).then_some(object)
    }

    fn refused(&self, reason: Rejection, end: usize) -> Option<Frame> {
        (!self.skipping).then_some(Frame::Refused { reason, start: self.start, end })
    }
}

impl Open {
    const fn outside() -> Self {
        Self { depth: 0, arrays: 0, place: Place::Plain, last: b'{', escaped: false }
    }

    /// Reads on from `pos` in an open object.
    #[inline]
    fn scan(&mut self, bytes: &[u8], pos: &mut usize) -> Stop {
        let mut open = *self;
        let mut at = *pos;
        let stop = loop {
            let stop = match open.place {
                Place::Text | Place::Escape => open.text(bytes, &mut at),
                Place::LineStart => open.line_start(bytes, &mut at),
                Place::Plain => open.plain(bytes, &mut at),
            };
            if let Some(stop) = stop {
                break stop;
            }
        };
        *self = open;
        *pos = at;
        stop
    }

    /// Between strings, up to the next change of place.
    #[inline]
    fn plain(&mut self, bytes: &[u8], at: &mut usize) -> Option<Stop> {
        while let Some(&byte) = bytes.get(*at) {
            *at += 1;
            match byte {
                b'"' => {
                    self.place = Place::Text;
                    self.last = byte;
                    return None;
                }
                b'\n' => {
                    self.place = Place::LineStart;
                    return None;
                }
                b' ' | b'\t' | b'\r' => continue,
                b'{' => self.push(0),
                b'[' => self.push(1),
                b'}' if self.close_object() => return Some(Stop::Closed),
                b']' => self.close_array(),
                b'\\' => self.escaped = true,
                _ => {}
            }
            self.last = byte;
        }
        Some(Stop::OutOfBytes)
    }

    /// Behind a line feed: does a new object begin where this one has no place for a value?
    #[cold]
    fn line_start(&mut self, bytes: &[u8], at: &mut usize) -> Option<Stop> {
        while let Some(&byte) = bytes.get(*at) {
            if !is_blank(byte) && byte != b'\n' {
                self.place = Place::Plain;
                return (byte == b'{' && !self.value_due()).then_some(Stop::Restart);
            }
            *at += 1;
        }
        Some(Stop::OutOfBytes)
    }

    /// In a string, up to its end.
    #[inline]
    fn text(&mut self, bytes: &[u8], at: &mut usize) -> Option<Stop> {
        loop {
            if self.place == Place::Text {
                *at += plain_text(&bytes[*at..]);
            }
            let Some(&byte) = bytes.get(*at) else { return Some(Stop::OutOfBytes) };
            *at += 1;
            match (byte, self.place) {
                (b'\n', _) => return Some(Stop::LineInText),
                (b'"', Place::Text) => {
                    self.place = Place::Plain;
                    return None;
                }
                (b'\\', Place::Text) => {
                    self.place = Place::Escape;
                    self.escaped = true;
                }
                _ => self.place = Place::Text,
            }
        }
    }

    /// Whether the grammar has a place for a value here.
    fn value_due(&self) -> bool {
        let may_be_array = self.depth > KNOWN || self.arrays & 1 == 1;
        matches!(self.last, b':' | b'[') || (self.last == b',' && may_be_array)
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

    /// Reads a `}`, which closes the arrays that were opened in its object as well, so that a cut
    /// array cannot eat the next object. True if that was the outermost.
    fn close_object(&mut self) -> bool {
        if self.depth > KNOWN {
            self.depth -= 1;
            return false;
        }
        self.pop(self.arrays.trailing_ones() + 1);
        self.depth == 0
    }

    /// Reads a `]`, which closes nothing but an array.
    fn close_array(&mut self) {
        if self.depth > KNOWN {
            self.depth -= 1;
        } else if self.arrays & 1 == 1 {
            self.pop(1);
        }
    }
}

/// Blank, tab and CR; LF is looked at where blanks are.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// How many bytes at the front are neither quote nor backslash nor line feed: eight at a time, since
/// strings of messages are too short for the set-up of a vectorised search to pay.
#[inline]
fn plain_text(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let found = zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES) | zeros(word ^ LINE_FEEDS);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n');
    at + bytes[at..].iter().position(is_special).unwrap_or(bytes.len() - at)
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;
const LINE_FEEDS: u64 = ONES * b'\n' as u64;

/// The high bit of each byte that is zero, exact up to the lowest such byte.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}
