//! Counts samples into the worker's own cells, hands rows to the sinks, and counts messages by what became of
//! them.
//!
//! Runs on an ingest worker. Of rejected messages it leaves an excerpt for `main` to log, one for each reason at a
//! time. It must not know how messages are found or parsed.

use std::hint::black_box;

use super::scalings::{ScalingId, Scalings};
use super::shared::Shared;
use crate::metric::{Coercion, Coercions, Kind, Op, OpType, Rejection, Sample};
use crate::planted::{self, Fault};
use crate::registry::local::{CellHandle, LocalRegistry};
use crate::registry::worker_time::WorkerTime;
use crate::sinks::outbox::Outboxes;
use crate::stats::{Transport, WorkerStats};
use crate::wire::json::Parsed;
use crate::wire::statsd::{LineSample, ParsedLine};
use crate::wire::template::{Cursor, Hit, Lookup, Miss, TemplateCache, TemplateId};

/// What a known message means apart from its number: all that is needed to count it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    op: Op,
    /// What has to be put right in the message, each time that it comes.
    coercions: Coercions,
    /// What becomes of the number of a line; nothing of that of an object.
    scaling: ScalingId,
    /// The cell that the message counts into.
    cell: CellHandle,
}

/// A sample that was counted into a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) meaning: Meaning,
    /// The number that stands in the message; that of a line without its sign.
    pub(super) number: f64,
}

/// A router sends an observation as often as it counts, since its messages have no sample rate. More than this would
/// make one line a flood.
const FORWARDED_MAX: u64 = 1_000;

/// The worker's local registry, its way to the sinks, and its counters.
#[derive(Debug)]
pub(super) struct SampleCounter {
    worker: usize,
    local_registry: LocalRegistry,
    outboxes: Outboxes,
    shared: Shared,
    time: WorkerTime,
    /// The user who has sent what is counted now, where that matters and the kernel tells it.
    peer_uid: Option<u32>,
    /// Those of known lines.
    scalings: Scalings,
}

impl SampleCounter {
    pub(super) fn new(
        worker: usize,
        local_registry: LocalRegistry,
        outboxes: Outboxes,
        shared: Shared,
    ) -> Self {
        let (time, scalings) = (WorkerTime::new(0), Scalings::new());
        Self { worker, local_registry, outboxes, shared, time, peer_uid: None, scalings }
    }

    /// The worker's own counters.
    #[inline]
    pub(super) fn stats(&self) -> &WorkerStats {
        self.shared.stats(self.worker)
    }

    /// What the messages of a listener come in by.
    pub(super) fn transport(&self, listener: usize) -> Transport {
        self.shared.transport(listener)
    }

    /// The time that samples count at from now on.
    pub(super) fn set_time(&self, now_ns: u64) {
        self.time.advance(now_ns);
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
                    return Err(Miss::Parse); // the parser rejects it, and counts why
                }
                if !self.local_registry.count_in(meaning.cell, value, self.time.now_ns()) {
                    let added = self.add_known(cursor, id, value);
                    return if added { Ok(len) } else { Err(Miss::Parse) };
                }
                self.stats().accept(meaning.op, meaning.coercions);
                Ok(len)
            }
        }
    }

    /// The same for a line.
    ///
    /// # Errors
    /// As there.
    pub(super) fn count_known_line(
        &self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        at: usize,
    ) -> Result<usize, Miss> {
        match cursor.lookup_line(at) {
            Lookup::Miss(miss) => Err(miss),
            Lookup::Hit(Hit { meaning: None, .. }) => Err(Miss::Parse),
            Lookup::Hit(Hit { id, meaning: Some(meaning), value: number, len }) => {
                let scaling = self.scalings.get(meaning.scaling);
                let value = scaling.scale(number);
                if !value.is_finite() {
                    return Err(Miss::Parse); // the parser rejects it, and counts why
                }
                if !self.local_registry.count_in(meaning.cell, value, self.time.now_ns()) {
                    let added = self.add_known(cursor, id, value);
                    return if added { Ok(len) } else { Err(Miss::Parse) };
                }
                let again = scaling.weight() - 1;
                self.local_registry.count_again(meaning.cell, value, again, self.time.now_ns());
                self.stats().accept(meaning.op, meaning.coercions);
                Ok(len)
            }
        }
    }

    /// Removes a template whose cell was given up.
    #[cold]
    fn forget(&self, cursor: &mut Cursor<'_, Option<Meaning>>, id: TemplateId) {
        let before = cursor.cache().bytes();
        cursor.remove(id);
        self.book_templates(cursor.cache(), before);
    }

    /// Counts a message that is known and adds to a gauge. If it is another one, its cell was given up, and the template
    /// is removed; then it returns `false`. It reads the meaning anew: as an argument it would be written to memory for
    /// every message.
    #[cold]
    fn add_known(
        &self,
        cursor: &mut Cursor<'_, Option<Meaning>>,
        id: TemplateId,
        value: f64,
    ) -> bool {
        if let Some(Meaning { op: Op::Add, coercions, cell, .. }) = cursor.cache().meaning(id)
            && self.local_registry.add_in(cell, value, &self.time)
        {
            self.stats().accept(Op::Add, coercions);
            return true;
        }
        self.forget(cursor, id);
        false
    }

    /// Reads the memory that counting will need, so that the processor has it in its cache by then.
    #[inline]
    pub(super) fn prefetch(&self, meaning: Option<Meaning>) {
        if let Some(meaning) = meaning {
            black_box(self.local_registry.touch(meaning.cell));
        }
    }

    /// Counts a message that the parser has read, as accepted or as rejected. Returns what was counted into a
    /// cell, if the message was a sample.
    ///
    /// # Errors
    /// Why the message is rejected.
    pub(super) fn count_parsed(
        &mut self,
        listener: usize,
        Parsed { op_type, mut coercions, result }: Parsed<'_>,
    ) -> Result<Option<Counted>, Rejection> {
        // By reference: a sample is too large to be moved for nothing.
        let counted = result.as_ref().map_err(|&reason| reason).and_then(|sample| {
            let cell = self.count(sample, listener)?;
            let is_ignored = |cell| self.local_registry.ignores_buckets(cell, &sample.buckets);
            if sample.op == Op::Obs && cell.is_some_and(is_ignored) {
                coercions.insert(Coercion::BucketsIgnored);
            }
            self.stats().accept(sample.op, coercions);
            let scaling = ScalingId::NONE;
            let meaning = |cell| Meaning { op: sample.op, coercions, scaling, cell };
            Ok(cell.map(|cell| Counted { meaning: meaning(cell), number: sample.value }))
        });
        if let Err(reason) = counted {
            self.stats().reject(op_type, reason);
        }
        counted
    }

    /// Counts a sample of a line, as accepted or as rejected; `before` is what came of the one before it. Returns what was
    /// counted into a cell, if it was counted.
    ///
    /// # Errors
    /// Why the sample is rejected.
    pub(super) fn count_parsed_line(
        &mut self,
        listener: usize,
        ParsedLine { op_type, coercions, result }: ParsedLine<'_>,
        before: Option<Counted>,
    ) -> Result<Option<Counted>, Rejection> {
        let counted = result.as_ref().map_err(|&reason| reason).and_then(|line| {
            let LineSample { sample, number, scaling, .. } = line;
            let cell = match self.count_further(line, before) {
                Some(cell) => Some(cell),
                None => self.count_weighted(sample, scaling.weight(), listener)?,
            };
            self.stats().accept(sample.op, coercions);
            // The sign is a part of the template's text.
            let scaling = if number.is_sign_negative() { scaling.negated() } else { *scaling };
            let Some((cell, scaling)) = cell.zip(self.scalings.id(scaling)) else {
                return Ok(None);
            };
            let meaning = Meaning { op: sample.op, coercions, scaling, cell };
            Ok(Some(Counted { meaning, number: number.abs() }))
        });
        if let Err(reason) = counted {
            self.stats().reject(op_type, reason);
        }
        counted
    }

    /// Counts a further value into the cell of the one before it, so that each of many values in a line need not be looked
    /// up. `None` if it is none, or the other went elsewhere.
    fn count_further(&self, line: &LineSample<'_>, before: Option<Counted>) -> Option<CellHandle> {
        let LineSample { sample, scaling, is_further, .. } = line;
        let Meaning { op, cell, .. } = before.filter(|_| *is_further)?.meaning;
        let now_ns = self.time.now_ns();
        if op != sample.op || !self.local_registry.count_in(cell, sample.value, now_ns) {
            return None;
        }
        self.local_registry.count_again(cell, sample.value, scaling.weight() - 1, now_ns);
        Some(cell)
    }

    /// Does what the op asks for, as often as the sample counts.
    fn count_weighted(
        &mut self,
        sample: &Sample<'_>,
        weight: u64,
        listener: usize,
    ) -> Result<Option<CellHandle>, Rejection> {
        if weight > FORWARDED_MAX && self.outboxes.take(sample.op) {
            return Err(Rejection::SampleRate);
        }
        let cell = self.count(sample, listener)?;
        match cell {
            Some(cell) => {
                self.local_registry.count_again(cell, sample.value, weight - 1, self.time.now_ns());
            }
            None => {
                for _ in 1..weight {
                    self.count(sample, listener)?;
                }
            }
        }
        Ok(cell)
    }

    /// Does what the op asks for. Returns the cell that the sample was counted into, if it was counted.
    fn count(
        &mut self,
        sample: &Sample<'_>,
        listener: usize,
    ) -> Result<Option<CellHandle>, Rejection> {
        let Self { local_registry, outboxes, shared, time, peer_uid, .. } = self;
        let listener = shared.listener(listener);
        // The sinks come first: a router forwards samples instead of counting them.
        if outboxes.push(sample, &listener.row_constants) {
            return Ok(None);
        }
        let constants = &listener.constants;
        let kind = match sample.op {
            Op::Inc => Kind::Counter,
            Op::Set => Kind::Gauge,
            Op::Obs => Kind::Histogram,
            Op::Add => return local_registry.add_to_gauge(sample, constants, time).map(Some),
            Op::Shutdown => return shared.shut_down(listener, *peer_uid).map(|()| None),
            Op::Event | Op::Index | Op::Raw => return Err(Rejection::NoSink),
        };
        local_registry.count(kind, sample, constants, time.now_ns()).map(Some)
    }

    /// Counts a message that is about to be parsed, and leaves it to be logged with `-debug`.
    #[inline]
    pub(super) fn parsing(&self, listener: usize, message: &[u8]) {
        self.stats().parsed.add(1);
        if self.shared.debug() {
            self.shared.show(listener, message);
        }
    }

    /// Counts a message that was rejected without being parsed. `bytes` are what was seen of it.
    pub(super) fn book_refused(&self, listener: usize, reason: Rejection, bytes: &[u8]) {
        self.stats().reject(OpType::Empty, reason);
        self.leave_excerpt(listener, reason, bytes);
    }

    /// Counts a panic that was caught as one rejected message. `bytes` are the datagram or the read in which it
    /// happened; the messages in them behind the one at hand are lost.
    #[cold]
    pub(super) fn book_panic(&self, listener: usize, bytes: &[u8]) {
        self.stats().panics.add(1);
        if planted::is(Fault::PanicUncounted) {
            return;
        }
        self.book_refused(listener, Rejection::Panic, bytes);
    }

    /// Leaves an excerpt of a rejected message, unless one for this reason waits to be logged.
    pub(super) fn leave_excerpt(&self, listener: usize, reason: Rejection, bytes: &[u8]) {
        self.shared.leave_excerpt(listener, reason, bytes);
    }

    /// Does what the exporter has asked for. If that gave up series, looks through some templates and removes
    /// those whose series are gone: eight for each series, so that all have been looked through by the time that
    /// an eighth as many series have gone as there are templates.
    #[inline]
    pub(super) fn attend(&mut self, templates: &mut TemplateCache<Option<Meaning>>) {
        let given_up = self.local_registry.handle_requests();
        if given_up > 0 {
            self.sweep(templates, given_up);
        }
    }

    #[cold]
    fn sweep(&self, templates: &mut TemplateCache<Option<Meaning>>, given_up: usize) {
        /// A series has one template as a rule, and some more if several listeners or programs send it.
        const TEMPLATES_PER_SERIES: usize = 8;
        let before = templates.bytes();
        templates.sweep(given_up * TEMPLATES_PER_SERIES, |meaning| {
            meaning.is_some_and(|meaning| !self.local_registry.owns(meaning.cell))
        });
        if self.local_registry.is_empty() {
            // None leads anywhere, also of those that the sweep has not come to.
            templates.sweep(usize::MAX, |_| true);
        }
        self.book_templates(templates, before);
    }

    /// Accounts for the memory of the templates after a change, before which they took `before` bytes.
    #[cold]
    pub(super) fn book_templates(&self, templates: &TemplateCache<Option<Meaning>>, before: usize) {
        self.local_registry.registry().change_bytes(before, templates.bytes());
        self.stats().templates.set(templates.count() as u64);
        self.stats().template_bytes.set(templates.bytes() as u64);
    }

    /// Whether `-memory-max` is reached, so that templates must not grow.
    pub(super) fn memory_is_full(&self) -> bool {
        self.local_registry.registry().memory_is_full()
    }

    /// Hands the rows of a batch of datagrams, or of one read, to their sinks.
    #[inline]
    pub(super) fn flush(&mut self) {
        self.outboxes.flush();
    }

    /// Hands the last rows to their sinks.
    pub(super) fn finish(self) {
        self.outboxes.finish();
    }
}
