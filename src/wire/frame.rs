//! Finds the JSON objects in a stream of bytes, whatever lies between them and however it was cut.
//!
//! Runs on an ingest worker, one [`Framer`] per source. It reads each byte once, looks no deeper than
//! strings, brackets and line ends, and must not know what an object means or where the bytes are kept.
//!
//! A datagram: [`Framer::next`] until `None`, then [`Framer::finish`]. A stream: after `None` the caller
//! keeps `bytes[framer.keep()..]` and puts what it reads next behind it; at the end [`Framer::finish`].

use crate::metric::Rejection;
use scan::{OpenObject, Stop, is_blank};

mod block;
mod scan;

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
    open: OpenObject,
}

impl Framer {
    /// A framer that refuses objects longer than `message_max_bytes`.
    pub fn new(message_max_bytes: usize) -> Self {
        Self { message_max_bytes, start: 0, skipping: false, garbage: 0, open: OpenObject::none() }
    }

    /// The next object in `bytes` from `pos` on, which moves behind all that was read. `None`: all
    /// bytes are read and an object may be open.
    ///
    /// Between two calls with different `bytes` of one source comes [`Self::keep`].
    #[inline]
    pub fn next(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Frame> {
        loop {
            if !self.open.is_open() && !self.find_start(bytes, pos) {
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
            self.open = OpenObject::none();
            self.skipping = false;
            if frame.is_some() {
                return frame;
            }
        }
    }

    /// Moves `pos` over blanks and line ends outside objects; whether an object begins there.
    #[inline]
    pub fn at_object(&self, bytes: &[u8], pos: &mut usize) -> bool {
        if self.open.is_open() {
            return false;
        }
        while matches!(bytes.get(*pos), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            *pos += 1;
        }
        bytes.get(*pos) == Some(&b'{')
    }

    /// The source ended, or the datagram did, with `len` bytes in the last call of [`Self::next`]: an
    /// open object is refused, unless it was before. The framer is as new, but for the garbage.
    pub fn finish(&mut self, len: usize) -> Option<Frame> {
        let frame =
            if self.open.is_open() { self.refused(Rejection::Unterminated, len) } else { None };
        self.open = OpenObject::none();
        self.skipping = false;
        frame
    }

    /// Refuses the open object now, for instance as [`Rejection::TimedOut`]; `len` as in
    /// [`Self::finish`]. What comes of it later is skipped, and nothing of it is kept.
    pub fn give_up(&mut self, reason: Rejection, len: usize) -> Option<Frame> {
        if !self.open.is_open() {
            return None;
        }
        let frame = self.refused(reason, len);
        self.skipping = true;
        frame
    }

    /// Where the open object begins that has to be kept; `None` if nothing has.
    pub fn open_start(&self) -> Option<usize> {
        (self.open.is_open() && !self.skipping).then_some(self.start)
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
                self.open = OpenObject::begun();
                *pos += 1;
                return true;
            }
            self.garbage += u64::from(!is_blank(byte));
            *pos += 1;
        }
        false
    }

    /// How far the open object may be scanned.
    fn bound(&self, len: usize) -> usize {
        if self.skipping { len } else { len.min(self.start.saturating_add(self.message_max_bytes)) }
    }

    fn closed(&self, end: usize) -> Option<Frame> {
        let object = Frame::Object { start: self.start, end, escaped: self.open.escaped() };
        (!self.skipping).then_some(object)
    }

    fn refused(&self, reason: Rejection, end: usize) -> Option<Frame> {
        (!self.skipping).then_some(Frame::Refused { reason, start: self.start, end })
    }
}
