//! Finds the JSON objects and the StatsD lines in a stream of bytes, whatever lies between them and however it was
//! cut.
//!
//! Runs on an ingest worker, one [`Framer`] per source. It reads each byte once, looks no deeper than strings,
//! brackets, line ends and how a line begins, and must not know what a message means or where the bytes are kept.
//!
//! A `{` outside objects begins an object, also in the middle of a line. Where a line begins with another byte, or
//! something else follows right behind an object, it may be a StatsD line: then all is of it up to the line feed.
//!
//! A datagram: [`Framer::next`] until `None`, then [`Framer::finish`]. A stream: after `None` the caller
//! keeps `bytes[framer.keep()..]` and puts what it reads next behind it; at the end [`Framer::finish`].

use crate::metric::Rejection;
pub(crate) use found::Begin;
pub use found::Frame;
use outside::{Found, Outside};
use scan::{OpenObject, Stop};

mod block;
mod found;
mod line;
mod outside;
mod scan;
mod strings;

/// What is remembered of one source from one call to the next.
#[derive(Debug)]
pub struct Framer {
    message_max_bytes: usize,
    /// Where the open object begins, as an index into the bytes of the next call. Not used while `skipping`.
    start: usize,
    /// Whether the open object is refused already, so that only its end is looked for.
    skipping: bool,
    open: OpenObject,
    /// While an object is open no line is.
    outside: Outside,
}

impl Framer {
    /// A framer that refuses objects, and lines with their line feed, longer than `message_max_bytes`.
    pub fn new(message_max_bytes: usize) -> Self {
        let outside = Outside::new(message_max_bytes);
        Self { message_max_bytes, start: 0, skipping: false, open: OpenObject::none(), outside }
    }

    /// The next message in `bytes` from `pos` on; `pos` is moved behind what was read. `None` means that all
    /// bytes are read; a message may be open then.
    ///
    /// Before a call with other bytes of the same source, [`Self::keep`] must be called.
    #[expect(clippy::inline_always, reason = "as a call it costs a known counter 10 instructions")]
    #[inline(always)]
    pub fn next(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Frame> {
        loop {
            if !self.open.is_open() {
                match self.outside.read(bytes, pos) {
                    Found::Object => self.open_at(pos),
                    Found::Line(frame) => return Some(frame),
                    Found::OutOfBytes => return None,
                }
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

    /// Moves `pos` over blanks and line ends outside messages; what may begin there.
    #[inline]
    pub fn begin(&self, bytes: &[u8], pos: &mut usize) -> Begin {
        if self.open.is_open() || !self.outside.may_begin() {
            return Begin::Nothing;
        }
        while matches!(bytes.get(*pos), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            *pos += 1;
        }
        match bytes.get(*pos) {
            Some(b'{') => Begin::Object,
            Some(_) => Begin::Line,
            None => Begin::Nothing,
        }
    }

    /// Ends the source or the datagram, of which the last call of [`Self::next`] got `bytes`. A StatsD line ends
    /// there. An open object is refused, unless it is refused already. Only the count of garbage outlives this call.
    pub fn finish(&mut self, bytes: &[u8]) -> Option<Frame> {
        if !self.open.is_open() {
            return self.outside.finish(bytes);
        }
        let frame = self.refused(Rejection::Unterminated, bytes.len());
        self.open = OpenObject::none();
        self.skipping = false;
        frame
    }

    /// Refuses the open message now, for instance as [`Rejection::TimedOut`]; `len` is how many bytes the last call
    /// of [`Self::next`] got. The rest of the message is skipped when it comes, and nothing of it need be kept.
    pub fn give_up(&mut self, reason: Rejection, len: usize) -> Option<Frame> {
        if !self.open.is_open() {
            return self.outside.give_up(reason, len);
        }
        let frame = self.refused(reason, len);
        self.skipping = true;
        frame
    }

    /// Where the open message begins, whose bytes have to be kept; `None` if no bytes have to be kept.
    pub fn open_start(&self) -> Option<usize> {
        if self.open.is_open() {
            (!self.skipping).then_some(self.start)
        } else {
            self.outside.open_start()
        }
    }

    /// Prepares for the next bytes of a stream. Returns from where on the caller has to keep the `len` bytes
    /// of the last call: from where the open message begins, or `len` if nothing has to be kept. The bytes of
    /// the next call must begin with what was kept, and its `pos` must be behind that.
    pub fn keep(&mut self, len: usize) -> usize {
        let start = self.open_start().unwrap_or(len);
        self.start = 0;
        self.outside.keep();
        start
    }

    /// Takes the number of bytes outside messages that were no blank, tab, CR or LF.
    pub fn garbage_bytes(&mut self) -> u64 {
        self.outside.take_garbage()
    }

    /// Opens the object that begins at `pos`, and moves `pos` behind its `{`.
    fn open_at(&mut self, pos: &mut usize) {
        self.start = *pos;
        self.open = OpenObject::begun();
        *pos += 1;
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
