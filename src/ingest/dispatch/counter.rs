//! Counts samples into the worker's own cells, hands rows to the sinks, and keeps the books of both.
//!
//! Runs on an ingest worker. What is refused leaves an excerpt for main, at most one at a time per reason.
//! It must not know how messages are found or parsed.

use std::hint::black_box;
use std::sync::Arc;

use crate::config::ShutdownFrom;
use crate::control::Control;
use crate::ingest::Listener;
use crate::ingest::log_slots::LogSlots;
use crate::metric::{Coercion, Coercions, Op, OpType, Rejection, Sample};
use crate::registry::local::{CellHandle, LocalRegistry};
use crate::sinks::outbox::Outboxes;
use crate::stats::{Stats, WorkerStats};
use crate::wire::json::Parsed;
use crate::wire::template::{Cursor, Hit, Lookup, Miss, TemplateCache};

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
    /// The bound of one worker's templates.
    pub templates_max_bytes: usize,
}

/// What a known message means apart from its number: all that its books need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    op: Op,
    /// What is put right in the message each time.
    coercions: Coercions,
    /// The cell that it counts into.
    cell: CellHandle,
}

/// A sample that was counted into a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) meaning: Meaning,
    pub(super) value: f64,
}

/// The worker's local registry, its way to the sinks, and its books.
#[derive(Debug)]
pub(super) struct SampleCounter {
    worker: usize,
    local_registry: LocalRegistry,
    outboxes: Outboxes,
    shared: Shared,
    now_ns: u64,
    /// Who sends what is counted now, where that matters and can be told.
    peer_uid: Option<u32>,
}

impl SampleCounter {
    pub(super) fn new(
        worker: usize,
        local_registry: LocalRegistry,
        outboxes: Outboxes,
        shared: Shared,
    ) -> Self {
        Self { worker, local_registry, outboxes, shared, now_ns: 0, peer_uid: None }
    }

    /// The worker's own counters.
    #[inline]
    pub(super) fn stats(&self) -> &WorkerStats {
        &self.shared.stats[self.worker]
    }

    /// The time that samples count at from now on.
    pub(super) fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// The user whose messages count from now on; none for those of datagrams.
    pub(super) fn set_peer_uid(&mut self, peer_uid: Option<u32>) {
        self.peer_uid = peer_uid;
    }

    /// Counts the message at `at` if it is known; returns how long it is.
    ///
    /// # Errors
    /// Why it has to be parsed; nothing is counted then.
    #[inline]
    pub(super) fn count_known(
        &self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        at: usize,
    ) -> Result<usize, Miss> {
        match cursor.lookup(at, |meaning| self.prefetch(meaning)) {
            Lookup::Miss(miss) => Err(miss),
            Lookup::Hit(Hit { meaning: None, .. }) => Err(Miss::Parse),
            Lookup::Hit(Hit { id, meaning: Some(meaning), value, len }) => {
                if meaning.op == Op::Inc && value < 0.0 {
                    return Err(Miss::Parse); // which refuses it, with all its books
                }
                if !self.local_registry.count_in(meaning.cell, value, self.now_ns) {
                    let before = cursor.cache().bytes();
                    cursor.remove(id);
                    self.book_templates(cursor.cache(), before);
                    return Err(Miss::Parse);
                }
                self.stats().accept(meaning.op, meaning.coercions);
                Ok(len)
            }
        }
    }

    /// Reads the memory that counting will need, so that it is in the processor's cache by then.
    #[inline]
    pub(super) fn prefetch(&self, meaning: Option<Meaning>) {
        if let Some(meaning) = meaning {
            black_box(self.local_registry.touch(meaning.cell));
        }
    }

    /// Counts what the parser has made of a message, and books it. Returns what it counted into a cell, if it
    /// was a sample.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn count_parsed(
        &mut self,
        listener: usize,
        Parsed { op_type, mut coercions, result }: Parsed<'_>,
    ) -> Result<Option<Counted>, Rejection> {
        let counted = result.and_then(|sample| {
            let cell = self.count(&sample, listener)?;
            let is_ignored = |cell| self.local_registry.ignores_buckets(cell, &sample.buckets);
            if sample.op == Op::Obs && cell.is_some_and(is_ignored) {
                coercions.insert(Coercion::BucketsIgnored);
            }
            self.stats().accept(sample.op, coercions);
            let meaning = |cell| Meaning { op: sample.op, coercions, cell };
            Ok(cell.map(|cell| Counted { meaning: meaning(cell), value: sample.value }))
        });
        if let Err(reason) = counted {
            self.stats().reject(op_type, reason);
        }
        counted
    }

    /// Does what the op asks for; returns the cell that the sample was counted into, if it was.
    fn count(
        &mut self,
        sample: &Sample<'_>,
        listener: usize,
    ) -> Result<Option<CellHandle>, Rejection> {
        let Self { local_registry, outboxes, shared, now_ns, peer_uid, .. } = self;
        let listener = &shared.listeners[listener];
        // Before counting: a router passes on what others count.
        if outboxes.push(sample, &listener.row_constants) {
            return Ok(None);
        }
        if let Some(kind) = sample.op.kind() {
            return local_registry.count(kind, sample, &listener.constants, *now_ns).map(Some);
        }
        match sample.op {
            Op::Shutdown if may_shut_down(&shared.shutdown_from, listener, *peer_uid) => {
                shared.control.ask_shutdown();
                Ok(None)
            }
            Op::Shutdown => Err(Rejection::ShutdownRefused),
            _ => Err(Rejection::NoSink),
        }
    }

    /// Books a message that is parsed, and shows it with `-debug`.
    #[inline]
    pub(super) fn parsing(&self, listener: usize, message: &[u8]) {
        self.stats().parsed.add(1);
        if self.shared.log.debug() {
            self.shared.log.show(&self.shared.listeners[listener].data_source, message);
            self.shared.control.wake_main();
        }
    }

    /// Books a message that was refused unparsed. `bytes` are what was seen of it.
    pub(super) fn book_refused(&self, listener: usize, reason: Rejection, bytes: &[u8]) {
        self.stats().reject(OpType::Empty, reason);
        self.leave_excerpt(listener, reason, bytes);
    }

    /// Books a caught fault of ours as one refused message. `bytes` are the datagram or the read in which it
    /// happened; what was in them behind the message at hand is lost.
    #[cold]
    pub(super) fn book_panic(&self, listener: usize, bytes: &[u8]) {
        self.stats().panics.add(1);
        self.book_refused(listener, Rejection::Panic, bytes);
    }

    /// Leaves an excerpt of what was refused, unless one of this reason waits to be printed.
    pub(super) fn leave_excerpt(&self, listener: usize, reason: Rejection, bytes: &[u8]) {
        let log = &self.shared.log;
        if log.is_free(reason)
            && log.leave(reason, &self.shared.listeners[listener].data_source, bytes)
        {
            self.shared.control.wake_main();
        }
    }

    /// Does what the exporter asked for, and looks through some templates for those whose series are gone:
    /// all of them are looked at before as many series have gone as there are templates.
    #[inline]
    pub(super) fn attend(&mut self, templates: &mut TemplateCache<Option<Meaning>>) {
        let given_up = self.local_registry.handle_requests();
        if given_up > 0 {
            self.sweep(templates, given_up);
        }
    }

    #[cold]
    fn sweep(&self, templates: &mut TemplateCache<Option<Meaning>>, given_up: usize) {
        /// A series has one template as a rule, and a few if several listeners or programs send it.
        const TEMPLATES_PER_SERIES: usize = 8;
        let before = templates.bytes();
        templates.sweep(given_up * TEMPLATES_PER_SERIES, |meaning| {
            meaning.is_some_and(|meaning| !self.local_registry.owns(meaning.cell))
        });
        self.book_templates(templates, before);
    }

    /// Books what the templates take after a change; they took `before` bytes.
    #[cold]
    pub(super) fn book_templates(&self, templates: &TemplateCache<Option<Meaning>>, before: usize) {
        self.local_registry.registry().change_bytes(before, templates.bytes());
        self.stats().templates.set(templates.count() as u64);
        self.stats().template_bytes.set(templates.bytes() as u64);
    }

    /// Whether what memory there is belongs to series.
    pub(super) fn memory_is_full(&self) -> bool {
        self.local_registry.registry().memory_is_full()
    }

    /// Hands the rows of a batch or a read to their sinks.
    #[inline]
    pub(super) fn flush(&mut self) {
        self.outboxes.flush();
    }

    /// Hands the last rows to their sinks.
    pub(super) fn finish(self) {
        self.outboxes.finish();
    }
}

fn may_shut_down(from: &ShutdownFrom, listener: &Listener, peer_uid: Option<u32>) -> bool {
    match from {
        ShutdownFrom::Any => true,
        ShutdownFrom::Unix => listener.unix,
        ShutdownFrom::UnixUsers(allowed) => peer_uid.is_some_and(|uid| allowed.contains(&uid)),
        ShutdownFrom::None => false,
    }
}
