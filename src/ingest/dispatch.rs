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
use crate::ingest::{Handler, Listener};
use crate::metric::{Op, OpType, Rejection, Sample};
use crate::registry::shard::Shard;
use crate::stats::Stats;
use crate::stats::{Transport, WorkerStats};
use crate::sys::recv::Datagrams;
use crate::wire::frame::{Frame, Framer};
use crate::wire::json::{Parsed, Parser};

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
    shard: Shard,
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
}

/// What is kept of a unix connection between reads.
#[derive(Debug, Default)]
pub struct Stream {
    framer: Option<Framer>,
    kept: Vec<u8>,
}

impl Dispatch {
    /// For the worker with this number.
    pub fn new(number: usize, shard: Shard, shared: Shared) -> Self {
        Self {
            number,
            message_max_bytes: shared.message_max_bytes,
            framer: Framer::new(shared.message_max_bytes),
            messages: Messages {
                parser: Parser::new(shared.labels_max),
                shard,
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
        self.messages.now_ns = now_ns;
        self.messages.shard.attend();
    }

    fn datagrams(&mut self, listener: usize, batch: &mut Datagrams, now_ns: u64) {
        self.messages.now_ns = now_ns;
        let (mut datagrams, mut bytes) = (0, 0);
        for datagram in batch.iter_mut() {
            datagrams += 1;
            bytes += datagram.len as u64;
            if datagram.truncated {
                self.stats().truncated.add(1);
                continue;
            }
            let mut pos = 0;
            while let Some(frame) = self.framer.next(&datagram.padded[..datagram.len], &mut pos) {
                self.messages.frame(listener, datagram.padded, frame);
            }
            if let Some(frame) = self.framer.finish(datagram.len) {
                self.messages.frame(listener, datagram.padded, frame);
            }
        }
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
        let mut pos = kept;
        while let Some(frame) = framer.next(&buffer[..filled], &mut pos) {
            self.messages.frame(listener, buffer, frame);
        }
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
            self.messages.frame(listener, &mut stream.kept, frame);
        }
    }

    fn refuse(&mut self, listener: usize, stream: &mut Stream, reason: Rejection) {
        if let Some(framer) = &mut stream.framer
            && let Some(frame) = framer.give_up(reason, stream.kept.len())
        {
            self.messages.frame(listener, &mut stream.kept, frame);
        }
        stream.kept = Vec::new();
    }
}

impl Messages {
    /// Books one frame. `bytes` are those that the framer has seen, and padding.
    fn frame(&mut self, listener: usize, bytes: &mut [u8], frame: Frame) {
        match frame {
            Frame::Object { start, end, escaped } => {
                self.object(listener, &mut bytes[start..], end - start, escaped);
            }
            Frame::Refused { reason, start, end } => {
                self.stats().reject(OpType::Empty, reason);
                self.note(reason, listener, &bytes[start..end]);
            }
        }
    }

    /// One whole object: `bytes[..len]`, and padding. A fault of ours costs this message alone.
    fn object(&mut self, listener: usize, bytes: &mut [u8], len: usize, escaped: bool) {
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
        if let Err(reason) = outcome {
            self.note(reason, listener, &bytes[..len]);
        }
    }

    /// Parses, counts and books.
    fn judge(
        &mut self,
        listener: usize,
        bytes: &mut [u8],
        len: usize,
        escaped: bool,
    ) -> Result<(), Rejection> {
        let Self { parser, shard, shared, now_ns, number } = self;
        let stats = &shared.stats[*number];
        parser.parse(bytes, len, escaped, |Parsed { op_type, coercions, result }| {
            let counted = result.and_then(|sample| {
                count(&sample, &shared.listeners[listener], shard, shared, *now_ns)?;
                Ok(sample.op)
            });
            match counted {
                Ok(op) => {
                    stats.accept(op, coercions);
                    Ok(())
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

/// Does what the op asks for.
fn count(
    sample: &Sample<'_>,
    listener: &Listener,
    shard: &mut Shard,
    shared: &Shared,
    now_ns: u64,
) -> Result<(), Rejection> {
    if let Some(kind) = sample.op.kind() {
        return shard.count(kind, sample, &listener.constants, now_ns).map(|_| ());
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
                Ok(())
            } else {
                Err(Rejection::ShutdownRefused)
            }
        }
        _ => Err(Rejection::NoSink),
    }
}
