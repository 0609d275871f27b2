//! What stands outside objects: StatsD lines and garbage, up to the next object.
//!
//! Runs on an ingest worker inside the framer; it must not know how an object ends.

use super::found::Frame;
use super::line::{LineStop, OpenLine};
use super::scan::is_blank;
use crate::metric::Rejection;

/// What was found outside objects.
pub(super) enum Found {
    /// The next byte is a `{` that begins an object.
    Object,
    /// A StatsD line, whole or refused.
    Line(Frame),
    /// Nothing in all bytes; a line may be open.
    OutOfBytes,
}

/// What is remembered of the bytes outside objects from one call to the next.
#[derive(Debug)]
pub(super) struct Outside {
    message_max_bytes: usize,
    line: OpenLine,
    /// Where the open line begins, as an index into the bytes of the next call. Not used while `skipping`.
    start: usize,
    /// Whether the open line is refused already, so that only its end is looked for.
    skipping: bool,
    /// Bytes that belong to no line, blanks and line ends not counted.
    garbage: u64,
}

impl Outside {
    /// Nothing was read. Lines longer than `message_max_bytes`, with their line feed, will be refused.
    pub(super) fn new(message_max_bytes: usize) -> Self {
        Self { message_max_bytes, line: OpenLine::begin(), start: 0, skipping: false, garbage: 0 }
    }

    /// Whether a line may begin at the next byte.
    #[inline]
    pub(super) fn may_begin(&self) -> bool {
        self.line.may_begin()
    }

    /// Where the open line begins, whose bytes have to be kept; `None` if no bytes have to be kept.
    pub(super) fn open_start(&self) -> Option<usize> {
        (self.line.is_open() && !self.skipping).then_some(self.start)
    }

    /// The bytes of the next call begin with what was kept.
    pub(super) fn keep(&mut self) {
        self.start = 0;
    }

    /// Takes the number of bytes that belong to no message.
    pub(super) fn take_garbage(&mut self) -> u64 {
        std::mem::take(&mut self.garbage)
    }

    /// Goes on from `pos` to the next `{` that begins an object, or to the end of the next StatsD line.
    pub(super) fn read(&mut self, bytes: &[u8], pos: &mut usize) -> Found {
        while let Some(&byte) = bytes.get(*pos) {
            if self.line.is_open() {
                if let Some(frame) = self.go_on_in_line(bytes, pos) {
                    return Found::Line(frame);
                }
                continue;
            }
            match byte {
                b'{' => {
                    // A line may begin right behind the object.
                    self.line = OpenLine::begin();
                    return Found::Object;
                }
                b'\n' => self.line = OpenLine::begin(),
                _ if is_blank(byte) => {}
                _ if self.line.may_begin() => {
                    self.start = *pos;
                    self.line = OpenLine::begun();
                    continue;
                }
                _ => self.garbage += 1,
            }
            *pos += 1;
        }
        Found::OutOfBytes
    }

    /// Reads on in the open line. `None` if it has not ended, is no StatsD line, or was refused before.
    fn go_on_in_line(&mut self, bytes: &[u8], pos: &mut usize) -> Option<Frame> {
        let longest = self.start.saturating_add(self.message_max_bytes);
        let within = if self.skipping { bytes.len() } else { bytes.len().min(longest) };
        match self.line.scan(&bytes[..within], self.start, pos) {
            LineStop::OutOfBytes if within == bytes.len() => None,
            LineStop::OutOfBytes if self.line.is_statsd() => {
                self.refuse(Rejection::TooLong, within)
            }
            LineStop::OutOfBytes | LineStop::Garbage => {
                self.drop_line();
                None
            }
            LineStop::Ended => self.end_line(bytes, *pos - 1),
        }
    }

    /// Ends the source, of which all `bytes` were read. A StatsD line ends there.
    pub(super) fn finish(&mut self, bytes: &[u8]) -> Option<Frame> {
        if self.line.is_open() && !self.line.is_statsd() {
            self.drop_line();
        }
        let last = if self.line.is_open() { self.end_line(bytes, bytes.len()) } else { None };
        self.line = OpenLine::begin();
        last
    }

    /// Refuses the open line, of which `len` bytes were read, if it is one of StatsD; otherwise it is garbage.
    pub(super) fn give_up(&mut self, reason: Rejection, len: usize) -> Option<Frame> {
        if self.line.is_open() && !self.line.is_statsd() {
            self.drop_line();
        }
        if self.line.is_open() { self.refuse(reason, len) } else { None }
    }

    fn refuse(&mut self, reason: Rejection, end: usize) -> Option<Frame> {
        let was_refused = std::mem::replace(&mut self.skipping, true);
        self.line = OpenLine::statsd();
        (!was_refused).then_some(Frame::Refused { reason, start: self.start, end })
    }

    /// The open line, a StatsD line, ends at `end`, or with a CR before that.
    fn end_line(&mut self, bytes: &[u8], end: usize) -> Option<Frame> {
        self.line = OpenLine::begin();
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        let start = self.start;
        let has_cr = bytes[start..end].last() == Some(&b'\r');
        Some(Frame::Line { start, end: end - usize::from(has_cr) })
    }

    /// The open line is no StatsD line: what was read of it is garbage.
    fn drop_line(&mut self) {
        self.garbage += self.line.unjudged();
        self.line = OpenLine::garbage();
    }
}
