//! What becomes of bytes: framed, parsed, counted, and booked under one reason or another.
//!
//! Runs on an ingest worker and owns that worker's parser and shard. Per message it takes no lock,
//! allocates nothing and logs nothing; what is refused leaves an excerpt for main, at most one at a
//! time per reason.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::config::ShutdownFrom;
use crate::control::Control;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::shapes::{Meaning, Shapes};
use crate::ingest::{Handler, Listener};
use crate::metric::{Coercion, Op, OpType, Rejection, Sample};
use crate::registry::local::{CellHandle, LocalRegistry};
use crate::sinks::outbox::Outboxes;
use crate::stats::Stats;
use crate::stats::{Transport, WorkerStats};
use crate::sys::recv::Datagrams;
use crate::wire::frame::{Frame, Framer};
use crate::wire::json::{Parsed, Parser};
use crate::wire::shape::Key;

/// What one worker does with bytes.
#[derive(Debug)]
pub struct Dispatch {
    number: usize,
    message_max_bytes: usize,
    /// Of the datagram at hand; a datagram's end ends the frame.
    framer: Framer,
    messages: Messages,
}

/// All that a single message needs.
#[derive(Debug)]
struct Messages {
    parser: Parser,
    shapes: Shapes,
    local_registry: LocalRegistry,
    outboxes: Outboxes,
    shared: Shared,
    now_ns: u64,
    number: usize,
}

/// What all workers' handlers share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// By number, as sources tell it.
    pub listeners: Arc<[Listener]>,
    /// All workers' counters.
    pub stats: Stats,
    /// Excerpts for main to print.
    pub log: Arc<LogSlots>,
    /// For `op: shutdown`.
    pub control: Arc<Control>,
    /// From where it is followed.
    pub shutdown_from: ShutdownFrom,
    /// The bound of a message.
    pub message_max_bytes: usize,
    /// The bound of a message's labels.
    pub labels_max: usize,
    /// The bound of one worker's shapes.
    pub shapes_max_bytes: usize,
}

/// What is kept of a unix connection between reads.
#[derive(Debug, Default)]
pub struct Stream {
    framer: Option<Framer>,
    kept: Vec<u8>,
}

impl Dispatch {
    /// For the worker with this number.
    pub fn new(
        number: usize,
        local_registry: LocalRegistry,
        outboxes: Outboxes,
        shared: Shared,
    ) -> Self {
        // With -debug each message is to be seen, so none is short-cut.
        let shapes_max_bytes = if shared.log.debug() { 0 } else { shared.shapes_max_bytes };
        Self {
            number,
            message_max_bytes: shared.message_max_bytes,
            framer: Framer::new(shared.message_max_bytes),
            messages: Messages {
                parser: Parser::new(shared.labels_max),
                shapes: Shapes::new(shapes_max_bytes, Arc::clone(local_registry.registry())),
                local_registry,
                outboxes,
                shared,
                now_ns: 0,
                number,
            },
        }
    }

    fn stats(&self) -> &WorkerStats {
        &self.messages.shared.stats[self.number]
    }
}

impl Handler for Dispatch {
    type Stream = Stream;

    fn between(&mut self, now_ns: u64) {
        let Messages { local_registry, shapes, .. } = &mut self.messages;
        let given_up = local_registry.handle_requests();
        if given_up > 0 {
            shapes.sweep(given_up, local_registry);
            self.messages.tell_shapes();
        }
        self.messages.now_ns = now_ns;
    }

    fn datagrams(&mut self, listener: usize, batch: &mut Datagrams, now_ns: u64) {
        self.messages.now_ns = now_ns;
        let (mut datagrams, mut bytes) = (0, 0);
        self.messages.foresee(listener, batch);
        for (number, datagram) in batch.iter_mut().enumerate() {
            datagrams += 1;
            bytes += datagram.len as u64;
            if datagram.truncated {
                self.stats().truncated.add(1);
                continue;
            }
            self.messages.shapes.begin_foreseen(number);
            self.messages.all(listener, &mut self.framer, datagram.padded, 0, datagram.len);
            if let Some(frame) = self.framer.finish(datagram.len) {
                self.messages.frame(listener, datagram.padded, frame, None);
            }
        }
        self.messages.outboxes.flush();
        let garbage = self.framer.garbage_bytes();
        let stats = self.stats();
        stats.garbage_bytes.add(garbage);
        stats.bytes[Transport::Udp as usize].add(bytes);
        stats.datagrams.add(datagrams); // last: who sees it sees the messages booked
    }

    fn restore(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> usize {
        buffer[..stream.kept.len()].copy_from_slice(&stream.kept);
        stream.kept.len()
    }

    fn stream(
        &mut self,
        listener: usize,
        stream: &mut Stream,
        buffer: &mut [u8],
        kept: usize,
        filled: usize,
    ) -> usize {
        let framer = stream.framer.get_or_insert_with(|| Framer::new(self.message_max_bytes));
        self.messages.shapes.begin();
        self.messages.all(listener, framer, buffer, kept, filled);
        self.messages.outboxes.flush();
        let garbage = framer.garbage_bytes();
        let open = &buffer[framer.keep(filled)..filled];
        stream.kept.clear();
        if open.is_empty() {
            stream.kept = Vec::new(); // thousands of idle connections keep nothing
        } else {
            stream.kept.extend_from_slice(open);
        }
        let stats = self.stats();
        stats.garbage_bytes.add(garbage);
        stats.bytes[Transport::Unix as usize].add((filled - kept) as u64);
        stream.kept.len()
    }

    fn end(&mut self, listener: usize, stream: &mut Stream) {
        if let Some(framer) = &mut stream.framer
            && let Some(frame) = framer.finish(stream.kept.len())
        {
            self.messages.frame(listener, &mut stream.kept, frame, None);
        }
    }

    fn refuse(&mut self, listener: usize, stream: &mut Stream, reason: Rejection) {
        if let Some(framer) = &mut stream.framer
            && let Some(frame) = framer.give_up(reason, stream.kept.len())
        {
            self.messages.frame(listener, &mut stream.kept, frame, None);
        }
        stream.kept = Vec::new();
    }

    fn finish(self) {
        self.messages.outboxes.finish();
    }
}

impl Messages {
    /// Looks at the first message of each datagram. A fault of ours in that costs no message.
    #[inline]
    fn foresee(&mut self, listener: usize, batch: &mut Datagrams) {
        let Self { shapes, local_registry, .. } = self;
        let whole = batch.iter_mut().map(|datagram| &datagram.padded[..datagram.len]);
        let look = AssertUnwindSafe(|| shapes.foresee(listener, whole, local_registry));
        if catch_unwind(look).is_err() {
            self.stats().panics.add(1);
        }
    }

    /// All messages of `bytes[from..len]`, behind which there is padding; the shapes know that these
    /// begin. A fault of ours outside a
    /// single message costs the rest of these bytes.
    #[inline]
    fn all(
        &mut self,
        listener: usize,
        framer: &mut Framer,
        bytes: &mut [u8],
        from: usize,
        len: usize,
    ) {
        let each = AssertUnwindSafe(|| self.each(listener, framer, bytes, from, len));
        if catch_unwind(each).is_err() {
            *framer = Framer::new(self.shared.message_max_bytes);
            self.stats().panics.add(1);
            self.stats().reject(OpType::Empty, Rejection::Panic);
        }
    }

    /// Known messages are counted without being framed; the others are framed and parsed.
    #[inline]
    fn each(
        &mut self,
        listener: usize,
        framer: &mut Framer,
        bytes: &mut [u8],
        from: usize,
        len: usize,
    ) {
        let mut pos = from;
        loop {
            let mut key = None;
            if framer.at_object(&bytes[..len], &mut pos) {
                let Self { shapes, local_registry, shared, now_ns, number, .. } = self;
                let stats = &shared.stats[*number];
                match shapes.count(listener, (&bytes[..len], pos), local_registry, stats, *now_ns) {
                    Ok(message) => {
                        pos += message;
                        continue;
                    }
                    Err(could_become) => key = could_become,
                }
            }
            match framer.next(&bytes[..len], &mut pos) {
                Some(frame) => self.frame(listener, bytes, frame, key),
                None => return,
            }
        }
    }

    /// Books one frame. `bytes` are those that the framer has seen, and padding; `key` is that of the
    /// object, if it could become a shape.
    fn frame(&mut self, listener: usize, bytes: &mut [u8], frame: Frame, key: Option<Key>) {
        match frame {
            Frame::Object { start, end, escaped } => {
                self.object(listener, &mut bytes[start..], end - start, escaped, key);
            }
            Frame::Refused { reason, start, end } => {
                self.stats().reject(OpType::Empty, reason);
                self.note(reason, listener, &bytes[start..end]);
            }
        }
    }

    /// One whole object: `bytes[..len]`, and padding. A fault of ours costs this message alone.
    fn object(
        &mut self,
        listener: usize,
        bytes: &mut [u8],
        len: usize,
        escaped: bool,
        key: Option<Key>,
    ) {
        self.stats().parsed.add(1);
        if self.shared.log.debug() {
            self.shared.log.show(&self.shared.listeners[listener].data_source, &bytes[..len]);
            self.shared.control.wake_main();
        }
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(listener, bytes, len, escaped)));
        let outcome = judged.unwrap_or_else(|_| {
            self.stats().panics.add(1);
            self.stats().reject(OpType::Empty, Rejection::Panic);
            Err(Rejection::Panic)
        });
        match (outcome, key) {
            (Err(reason), _) => self.note(reason, listener, &bytes[..len]),
            (Ok(Some(counted)), Some(key)) => self.remember(listener, key, &bytes[..len], counted),
            (Ok(_), _) => {}
        }
    }

    /// Makes a message that was parsed and counted a shape, if it comes for the second time.
    fn remember(
        &mut self,
        listener: usize,
        key: Key,
        message: &[u8],
        (meaning, value): (Meaning, f64),
    ) {
        if self.shapes.seen_before(key, listener, message) {
            self.shapes.admit(key, listener, (message, value), meaning, &mut self.parser);
            self.tell_shapes();
        }
    }

    fn tell_shapes(&self) {
        let (shapes, bytes) = self.shapes.size();
        self.stats().shapes.set(shapes as u64);
        self.stats().shape_bytes.set(bytes as u64);
    }

    /// Parses, counts and books.
    fn judge(
        &mut self,
        listener: usize,
        bytes: &mut [u8],
        len: usize,
        escaped: bool,
    ) -> Result<Option<(Meaning, f64)>, Rejection> {
        let Self { parser, local_registry, outboxes, shared, now_ns, number, .. } = self;
        let stats = &shared.stats[*number];
        parser.parse(bytes, len, escaped, |Parsed { op_type, mut coercions, result }| {
            let counted = result.and_then(|sample| {
                let listener = &shared.listeners[listener];
                // Before counting: a router passes on what others count.
                let cell = if outboxes.push(&sample, &listener.row_constants) {
                    None
                } else {
                    count(&sample, listener, local_registry, shared, *now_ns)?
                };
                if sample.op == Op::Obs
                    && cell
                        .is_some_and(|cell| local_registry.ignores_buckets(cell, &sample.buckets))
                {
                    coercions.insert(Coercion::BucketsIgnored);
                }
                Ok((sample.op, cell, sample.value))
            });
            match counted {
                Ok((op, cell, value)) => {
                    stats.accept(op, coercions);
                    Ok(cell.map(|cell| (Meaning { op, coercions, cell }, value)))
                }
                Err(reason) => {
                    stats.reject(op_type, reason);
                    Err(reason)
                }
            }
        })
    }

    fn stats(&self) -> &WorkerStats {
        &self.shared.stats[self.number]
    }

    /// Leaves an excerpt of what was refused, if main has printed the last one of this reason.
    fn note(&self, reason: Rejection, listener: usize, bytes: &[u8]) {
        let log = &self.shared.log;
        if log.is_free(reason)
            && log.leave(reason, &self.shared.listeners[listener].data_source, bytes)
        {
            self.shared.control.wake_main();
        }
    }
}

/// Does what the op asks for; tells the cell that it has counted into, if it has.
fn count(
    sample: &Sample<'_>,
    listener: &Listener,
    local_registry: &mut LocalRegistry,
    shared: &Shared,
    now_ns: u64,
) -> Result<Option<CellHandle>, Rejection> {
    if let Some(kind) = sample.op.kind() {
        return local_registry.count(kind, sample, &listener.constants, now_ns).map(Some);
    }
    match sample.op {
        Op::Shutdown => {
            let allowed = match shared.shutdown_from {
                ShutdownFrom::Any => true,
                ShutdownFrom::Unix => listener.unix,
                ShutdownFrom::None => false,
            };
            if allowed {
                shared.control.ask_shutdown();
                Ok(None)
            } else {
                Err(Rejection::ShutdownRefused)
            }
        }
        _ => Err(Rejection::NoSink),
    }
}
