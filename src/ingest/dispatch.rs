//! The server's handler: what workers do with the bytes that they have read.
//!
//! ```text
//!  datagrams ─▶ ┐                           hit: counted
//!               ├ Processor: template cache ┤
//!  reads ─────▶ ┘                           miss: framed, parsed, counted (SampleCounter), perhaps admitted
//! ```
//!
//! Runs on an ingest worker and owns that worker's parser and its local registry. For a message it takes no
//! lock, allocates nothing and logs nothing. It must not know sockets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::TagStyles;
use crate::ingest::Handler;
use crate::metric::Rejection;
use crate::registry::local::LocalRegistry;
use crate::sinks::outbox::Outboxes;
use crate::stats::{Transport, WorkerStats};
use crate::sys::recv::{self, Datagrams};
use crate::wire::frame::{Frame, Framer};
use crate::wire::json;
use crate::wire::padded::{Padded, ReadBytes};
use crate::wire::template::TemplateCache;
use counter::{Meaning, SampleCounter};
use kept::KeptBytes;
use processor::Processor;
pub use shared::Shared;

mod counter;
mod kept;
mod processor;
mod proof;
mod scalings;
mod shared;

const _: () = assert!(recv::PADDING >= json::PADDING, "datagrams are parsed without a copy");

/// How large a message may be, and what is remembered of messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimits {
    message_max_bytes: usize,
    labels_max: usize,
    templates_max_bytes: usize,
    tag_styles: TagStyles,
}

impl MessageLimits {
    /// At most so many bytes and labels for a message, and so many bytes for one worker's templates. The tags of StatsD
    /// lines are taken in every style.
    pub fn new(message_max_bytes: usize, labels_max: usize, templates_max_bytes: usize) -> Self {
        let tag_styles = TagStyles::all();
        Self { message_max_bytes, labels_max, templates_max_bytes, tag_styles }
    }

    /// The same with tags in these styles alone.
    pub(crate) fn with_tag_styles(self, tag_styles: TagStyles) -> Self {
        Self { tag_styles, ..self }
    }
}

/// The handler of one worker.
#[derive(Debug)]
pub struct Dispatch {
    message_max_bytes: usize,
    /// The framer of datagrams, which keeps nothing between two of them.
    framer: Framer,
    /// A template without a meaning stands for messages whose proof has failed: they are parsed each time.
    templates: TemplateCache<Option<Meaning>>,
    processor: Processor,
}

/// What is kept of a unix connection between two reads.
#[derive(Debug, Default)]
pub struct Stream {
    /// The user who has connected, where it matters.
    peer_uid: Option<u32>,
    /// Why each of its messages is refused.
    refusal: Option<Rejection>,
    framer: Option<Framer>,
    /// The beginning of a message that has not arrived whole.
    kept: KeptBytes,
}

impl Dispatch {
    /// The handler of the worker with this number.
    pub fn new(
        number: usize,
        local_registry: LocalRegistry,
        outboxes: Outboxes,
        limits: MessageLimits,
        shared: Shared,
    ) -> Self {
        // With -debug every message is logged, so every message has to be framed.
        let MessageLimits { message_max_bytes, labels_max, templates_max_bytes, tag_styles } =
            limits;
        let templates_max_bytes = if shared.debug() { 0 } else { templates_max_bytes };
        let counter = SampleCounter::new(number, local_registry, outboxes, shared);
        Self {
            message_max_bytes,
            framer: Framer::new(message_max_bytes),
            templates: TemplateCache::new(templates_max_bytes),
            processor: Processor::new(labels_max, tag_styles, counter),
        }
    }

    fn stats(&self) -> &WorkerStats {
        self.processor.counter.stats()
    }
}

impl Handler for Dispatch {
    type Stream = Stream;

    fn open(peer_uid: Option<u32>, refusal: Option<Rejection>) -> Stream {
        Stream { peer_uid, refusal, ..Stream::default() }
    }

    fn between(&mut self, now_ns: u64) {
        self.processor.counter.attend(&mut self.templates);
        self.processor.counter.set_time(now_ns);
    }

    fn datagrams(&mut self, listener: usize, batch: &mut Datagrams, now_ns: u64) {
        self.processor.counter.set_time(now_ns);
        self.processor.counter.set_peer_uid(None);
        let (mut datagrams, mut bytes, mut whole) = (0, 0, 0);
        let mut padded: [Padded<'_>; recv::BATCH] = std::array::from_fn(|_| Padded::default());
        for datagram in batch.iter_mut() {
            datagrams += 1;
            bytes += datagram.len as u64;
            if datagram.truncated {
                self.stats().truncated.add(1);
            } else {
                padded[whole] = Padded::new(datagram.padded, datagram.len);
                whole += 1;
            }
        }
        let Self { message_max_bytes, framer, templates, processor } = self;
        let mut batch = templates.batch(listener, &mut padded[..whole]);
        for _ in 0..whole {
            let process = AssertUnwindSafe(|| processor.next_datagram(&mut batch, framer));
            if catch_unwind(process).is_err() {
                *framer = Framer::new(*message_max_bytes);
                processor.counter.book_panic(listener, batch.last_bytes());
            }
        }
        processor.counter.flush();
        let garbage = framer.garbage_bytes();
        let stats = self.stats();
        stats.garbage_bytes.add(garbage);
        let transport = self.processor.counter.transport(listener);
        stats.bytes[transport as usize].add(bytes);
        // Last, so that a reader who sees the datagrams sees their messages.
        match transport {
            Transport::Udp => stats.datagrams.add(datagrams),
            Transport::Unix | Transport::Unixgram => stats.unix_datagrams.add(datagrams),
        }
    }

    fn stream(&mut self, listener: usize, stream: &mut Stream, read: ReadBytes<'_>) -> usize {
        let Stream { peer_uid, refusal, framer, kept } = stream;
        self.processor.counter.set_peer_uid(*peer_uid);
        let framer = framer.get_or_insert_with(|| Framer::new(self.message_max_bytes));
        let (from, read_bytes) = (kept.len(), read.len() as u64);
        kept.extend_by(read, self.message_max_bytes, |received| {
            self.received(listener, *refusal, framer, received.reborrow(), from);
            framer.keep(received.bytes().len())
        });
        self.processor.counter.flush();
        let garbage = framer.garbage_bytes();
        let stats = self.stats();
        stats.garbage_bytes.add(garbage);
        stats.bytes[Transport::Unix as usize].add(read_bytes);
        kept.len()
    }

    fn held_bytes(stream: &Stream) -> usize {
        stream.kept.held_bytes()
    }

    fn end(&mut self, listener: usize, stream: &mut Stream) {
        let Stream { peer_uid, refusal, framer, kept } = stream;
        let Some(framer) = framer else { return };
        match (framer.finish(kept.bytes()), *refusal) {
            (Some(Frame::Line { start, end }), None) => {
                self.processor.counter.set_peer_uid(*peer_uid);
                self.last_line(listener, &kept.bytes()[start..end]);
            }
            (Some(Frame::Line { start, end }), Some(reason)) => {
                self.processor.counter.book_refused(listener, reason, &kept.bytes()[start..end]);
            }
            (frame, _) => self.refuse_frame(listener, kept.bytes(), frame),
        }
        self.stats().garbage_bytes.add(framer.garbage_bytes());
    }

    fn refuse(&mut self, listener: usize, stream: &mut Stream, reason: Rejection) {
        let give_up = |framer: &mut Framer| framer.give_up(reason, stream.kept.len());
        let frame = stream.framer.as_mut().and_then(give_up);
        self.refuse_frame(listener, stream.kept.bytes(), frame);
        stream.kept = KeptBytes::default();
        let garbage = stream.framer.as_mut().map_or(0, Framer::garbage_bytes);
        self.stats().garbage_bytes.add(garbage);
    }

    fn finish(self) {
        self.processor.counter.finish();
    }
}

impl Dispatch {
    /// Processes the messages of a stream in the received bytes, of which the framer has seen those before `from`.
    #[inline]
    fn received(
        &mut self,
        listener: usize,
        refusal: Option<Rejection>,
        framer: &mut Framer,
        mut received: Padded<'_>,
        from: usize,
    ) {
        let Self { message_max_bytes, templates, processor, .. } = self;
        let process = AssertUnwindSafe(|| {
            let mut cursor = templates.read(listener, received.reborrow());
            match refusal {
                None => {
                    processor.messages(&mut cursor, framer, from);
                }
                Some(reason) => processor.refuse_messages(&cursor, framer, from, reason),
            }
        });
        if catch_unwind(process).is_err() {
            *framer = Framer::new(*message_max_bytes);
            processor.counter.book_panic(listener, received.bytes());
        }
    }

    /// Processes the line with which a stream has ended.
    #[cold]
    fn last_line(&mut self, listener: usize, line: &[u8]) {
        let process = AssertUnwindSafe(|| self.processor.parse_line(listener, line));
        if catch_unwind(process).is_err() {
            self.processor.counter.book_panic(listener, line);
        }
        self.processor.counter.flush();
    }

    /// Counts the frame that a framer gives up, if there is one. `bytes` are what was kept of it.
    fn refuse_frame(&self, listener: usize, bytes: &[u8], frame: Option<Frame>) {
        if let Some(Frame::Refused { reason, start, end }) = frame {
            self.processor.counter.book_refused(listener, reason, &bytes[start..end]);
        }
    }
}
