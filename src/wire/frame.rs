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
mod strings;

/// What was found. Each object that begins gives exactly one, so that the number of frames is the number of
/// messages accepted and refused.
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
    /// An object that is refused before it has ended: `bytes[start..end]` is what was read of it.
    Refused {
        /// Why.
        reason: Rejection,
        /// Where its `{` is.
        start: usize,
        /// One past what was read of it.
        end: usize,
    },
}

/// What is remembered of one source from one call to the next.
#[derive(Debug)]
pub struct Framer {
    message_max_bytes: usize,
    /// Where the open object begins, as an index into the bytes of the next call. Not used while `skipping`.
    start: usize,
    /// Whether the open object is refused already, so that only its end is looked for.
    skipping: bool,
    /// Bytes outside objects, blanks and line ends not counted.
    garbage: u64,
    open: OpenObject,
}

impl Framer {
    /// A framer that refuses objects longer than `message_max_bytes`.
    pub fn new(message_max_bytes: usize) -> Self {
        Self { message_max_bytes, start: 0, skipping: false, garbage: 0, open: OpenObject::none() }
    }

    /// The next object in `bytes` from `pos` on; `pos` is moved behind what was read. `None` means that all
    /// bytes are read; an object may be open then.
    ///
    /// Before a call with other bytes of the same source, [`Self::keep`] must be called.
    #[expect(clippy::inline_always, reason = "as a call it costs a known counter 10 instructions")]
    #[inline(always)]
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

    /// Ends the source or the datagram, of which the last call of [`Self::next`] got `len` bytes. An open
    /// object is refused, unless it is refused already. Only the count of garbage outlives this call.
    pub fn finish(&mut self, len: usize) -> Option<Frame> {
        let frame =
            if self.open.is_open() { self.refused(Rejection::Unterminated, len) } else { None };
        self.open = OpenObject::none();
        self.skipping = false;
        frame
    }

    /// Refuses the open object now, for instance as [`Rejection::TimedOut`]; `len` as in
    /// [`Self::finish`]. The rest of the object is skipped when it comes, and nothing of it need be kept.
    pub fn give_up(&mut self, reason: Rejection, len: usize) -> Option<Frame> {
        if !self.open.is_open() {
            return None;
        }
        let frame = self.refused(reason, len);
        self.skipping = true;
        frame
    }

    /// Where the open object begins, whose bytes have to be kept; `None` if no bytes have to be kept.
    pub fn open_start(&self) -> Option<usize> {
        (self.open.is_open() && !self.skipping).then_some(self.start)
    }

    /// Prepares for the next bytes of a stream. Returns from where on the caller has to keep the `len` bytes
    /// of the last call: from where the open object begins, or `len` if nothing has to be kept. The bytes of
    /// the next call must begin with what was kept, and its `pos` must be behind that.
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

    /// Up to where the open object may be scanned: to the end of the `len` bytes, or to its greatest length.
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
