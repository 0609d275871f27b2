//! Goes through the messages of one datagram or one read. Messages that fit a template are counted at once;
//! others are framed, parsed and counted, and become templates when they come again.
//!
//! Runs on an ingest worker. It must not know where the bytes come from.

use std::ops::Range;

use super::counter::{Counted, Meaning, SampleCounter};
use super::proof;
use crate::config::TagStyles;
use crate::metric::Rejection;
use crate::planted;
use crate::wire::frame::{Begin, Frame, Framer};
use crate::wire::json::Parser;
use crate::wire::statsd::LineParser;
use crate::wire::template::{Cursor, DatagramBatch, Miss, TemplateKey};

/// The worker's parsers, and what counts the messages.
#[derive(Debug)]
pub(super) struct Processor {
    parser: Parser,
    line_parser: LineParser,
    pub(super) counter: SampleCounter,
}

impl Processor {
    pub(super) fn new(labels_max: usize, tag_styles: TagStyles, counter: SampleCounter) -> Self {
        let line_parser = LineParser::new(labels_max, tag_styles);
        Self { parser: Parser::new(labels_max), line_parser, counter }
    }

    /// Processes the next datagram of a batch. A message that is not complete at its end is refused.
    pub(super) fn next_datagram(
        &mut self,
        batch: &mut DatagramBatch<'_, '_, Option<Meaning>>,
        framer: &mut Framer,
    ) {
        let Some(mut cursor) = batch.next(|meaning| self.counter.prefetch(meaning)) else { return };
        planted::panic_now_and_then();
        let miss = self.messages(&mut cursor, framer, 0);
        if let Some(frame) = framer.finish(cursor.bytes()) {
            self.framed(&mut cursor, frame, miss);
        }
    }

    /// Processes the received bytes from `from` on. The framer has seen the bytes before. Returns what may become of a
    /// message that is open at the end.
    #[inline]
    pub(super) fn messages(
        &mut self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        framer: &mut Framer,
        from: usize,
    ) -> Miss {
        let mut pos = from;
        loop {
            let known = match framer.begin(cursor.bytes(), &mut pos) {
                Begin::Object => self.counter.count_known(cursor, pos),
                Begin::Line => self.counter.count_known_line(cursor, pos),
                Begin::Nothing => Err(Miss::Parse),
            };
            let miss = match known {
                Ok(len) => {
                    pos += len;
                    continue;
                }
                Err(miss) => miss,
            };
            match framer.next(cursor.bytes(), &mut pos) {
                Some(frame) => self.framed(cursor, frame, miss),
                None => return miss,
            }
        }
    }

    /// Refuses the messages of the received bytes from `from` on. The framer has seen the bytes before.
    #[cold]
    pub(super) fn refuse_messages(
        &self,
        cursor: &Cursor<'_, Option<Meaning>>,
        framer: &mut Framer,
        from: usize,
        reason: Rejection,
    ) {
        let mut pos = from;
        while let Some(frame) = framer.next(cursor.bytes(), &mut pos) {
            let (reason, message) = match frame {
                Frame::Object { start, end, .. } | Frame::Line { start, end } => {
                    (reason, start..end)
                }
                Frame::Refused { reason, start, end } => (reason, start..end),
            };
            self.counter.book_refused(cursor.listener(), reason, &cursor.bytes()[message]);
        }
    }

    /// Processes one frame, whose message fitted no template.
    fn framed(&mut self, cursor: &mut Cursor<'_, Option<Meaning>>, frame: Frame, miss: Miss) {
        match frame {
            Frame::Object { start, end, escaped } => {
                self.object(cursor, start..end, escaped, miss);
            }
            Frame::Line { start, end } => self.line(cursor, start..end, miss),
            Frame::Refused { reason, start, end } => {
                self.counter.book_refused(cursor.listener(), reason, &cursor.bytes()[start..end]);
            }
        }
    }

    /// Processes one whole line.
    fn line(&mut self, cursor: &mut Cursor<'_, Option<Meaning>>, line: Range<usize>, miss: Miss) {
        let counted = self.parse_line(cursor.listener(), &cursor.bytes()[line.clone()]);
        if let (Some(counted), Miss::Admissible(key)) = (counted, miss) {
            self.admit(cursor, key, line, counted, |processor, text| {
                let parser = &mut processor.line_parser;
                proof::only_the_number_counts_in_line(key, text, counted.number, parser)
            });
        }
    }

    /// Parses and counts all samples of a line. Returns what was counted if there is one sample.
    pub(super) fn parse_line(&mut self, listener: usize, line: &[u8]) -> Option<Counted> {
        let Self { line_parser, counter, .. } = self;
        counter.parsing(listener, line);
        let (mut counted, mut samples) = (None, 0);
        line_parser.parse(line, |parsed| {
            samples += 1;
            counted =
                counter.count_parsed_line(listener, parsed, counted).unwrap_or_else(|reason| {
                    counter.leave_excerpt(listener, reason, line);
                    None
                });
        });
        counted.filter(|_| samples == 1)
    }

    /// Parses and counts one whole object. `escaped` is false only if no backslash is in it.
    fn object(
        &mut self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        message: Range<usize>,
        escaped: bool,
        miss: Miss,
    ) {
        let (listener, len) = (cursor.listener(), message.len());
        self.counter.parsing(listener, &cursor.bytes()[message.clone()]);
        let Self { parser, counter, .. } = self;
        let padded = cursor.padded_from(message.start);
        let counted =
            parser.parse(padded, len, escaped, |parsed| counter.count_parsed(listener, parsed));
        match (counted, miss) {
            (Ok(Some(counted)), Miss::Admissible(key)) => {
                self.admit(cursor, key, message, counted, |processor, text| {
                    let parser = &mut processor.parser;
                    proof::only_the_number_counts(key, text, counted.number, parser)
                });
            }
            (Err(reason), _) => counter.leave_excerpt(listener, reason, &cursor.bytes()[message]),
            _ => {}
        }
    }

    /// Makes a template of a message that was counted, if it has come for the second time and there is room. `prove`
    /// tells whether only its number counts.
    fn admit(
        &mut self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        key: TemplateKey,
        message: Range<usize>,
        counted: Counted,
        prove: impl FnOnce(&mut Self, &[u8]) -> bool,
    ) {
        if !cursor.seen_before(key, message.clone()) || self.counter.memory_is_full() {
            return;
        }
        let before = cursor.cache().bytes();
        let proved = prove(self, &cursor.bytes()[message.clone()]);
        cursor.admit(key, message, proved.then_some(counted.meaning));
        self.counter.book_templates(cursor.cache(), before);
    }
}
