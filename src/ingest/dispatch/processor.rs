//! Goes through the messages of one datagram or one read. Messages that fit a template are counted at once;
//! others are framed, parsed and counted, and become templates when they come again.
//!
//! Runs on an ingest worker. It must not know where the bytes come from.

use std::ops::Range;

use super::counter::{Counted, Meaning, SampleCounter};
use super::proof;
use crate::metric::Rejection;
use crate::planted;
use crate::wire::frame::{Frame, Framer};
use crate::wire::json::Parser;
use crate::wire::template::{Cursor, DatagramBatch, Miss, TemplateKey};

/// The worker's parser, and what counts the messages.
#[derive(Debug)]
pub(super) struct Processor {
    parser: Parser,
    pub(super) counter: SampleCounter,
}

impl Processor {
    pub(super) fn new(labels_max: usize, counter: SampleCounter) -> Self {
        Self { parser: Parser::new(labels_max), counter }
    }

    /// Processes the next datagram of a batch. A message that is not complete at its end is refused.
    pub(super) fn next_datagram(
        &mut self,
        batch: &mut DatagramBatch<'_, '_, Option<Meaning>>,
        framer: &mut Framer,
    ) {
        let Some(mut cursor) = batch.next(|meaning| self.counter.prefetch(meaning)) else { return };
        planted::panic_now_and_then();
        self.messages(&mut cursor, framer, 0);
        if let Some(frame) = framer.finish(cursor.bytes().len()) {
            self.framed(&mut cursor, frame, Miss::Parse);
        }
    }

    /// Processes the received bytes from `from` on. The framer has seen the bytes before.
    #[inline]
    pub(super) fn messages(
        &mut self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        framer: &mut Framer,
        from: usize,
    ) {
        let mut pos = from;
        loop {
            let mut miss = Miss::Parse;
            if framer.at_object(cursor.bytes(), &mut pos) {
                match self.counter.count_known(cursor, pos) {
                    Ok(len) => {
                        pos += len;
                        continue;
                    }
                    Err(missed) => miss = missed,
                }
            }
            match framer.next(cursor.bytes(), &mut pos) {
                Some(frame) => self.framed(cursor, frame, miss),
                None => return,
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
                Frame::Object { start, end, .. } => (reason, start..end),
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
            Frame::Refused { reason, start, end } => {
                self.counter.book_refused(cursor.listener(), reason, &cursor.bytes()[start..end]);
            }
        }
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
        let Self { parser, counter } = self;
        let padded = cursor.padded_from(message.start);
        let counted =
            parser.parse(padded, len, escaped, |parsed| counter.count_parsed(listener, parsed));
        match (counted, miss) {
            (Ok(Some(counted)), Miss::Admissible(key)) => self.admit(cursor, key, message, counted),
            (Err(reason), _) => counter.leave_excerpt(listener, reason, &cursor.bytes()[message]),
            _ => {}
        }
    }

    /// Makes a template of a message that was counted, if it has come for the second time and there is room.
    fn admit(
        &mut self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        key: TemplateKey,
        message: Range<usize>,
        Counted { meaning, value }: Counted,
    ) {
        if !cursor.seen_before(key, message.clone()) || self.counter.memory_is_full() {
            return;
        }
        let before = cursor.cache().bytes();
        let text = &cursor.bytes()[message.clone()];
        let proved = proof::only_the_number_counts(key, text, value, &mut self.parser);
        cursor.admit(key, message, proved.then_some(meaning));
        self.counter.book_templates(cursor.cache(), before);
    }
}
