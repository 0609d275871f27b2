//! What stands between a sink's spooler and its sender: blocks in memory, and behind them segments on
//! disk.
//!
//! ```text
//!  spooler ─ put ─▶ [memory, bounded in bytes] ─ take ─▶ sender
//!      └─ memory full, or anything on disk ─▶ [segments] ─▶ once memory is empty
//! ```
//!
//! One lock, taken a few times per block and never held during I/O but at the end. The spooler alone appends
//! to the newest segment, the sender alone removes the oldest; where both are the same, [`Disk::Writing`]
//! keeps it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::sinks::block::Block;
use crate::sinks::counters::SinkCounters;
use crate::sinks::spill::{Recovered, Segment, SegmentWriter, Spill, Written};
use crate::sinks::{BatchLimits, DropReason};

/// How long the disk rests after an error.
const DISK_REST: Duration = Duration::from_secs(1);
/// How long the end waits for the spooler, which has only to take what workers left for it.
const LAST_BLOCKS: Duration = Duration::from_secs(1);

/// Rows of one sink that wait.
#[derive(Debug)]
pub struct SinkQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
    /// Where rows go that memory has no room for.
    pub spill: Option<Spill>,
    /// Of the sink.
    pub counters: Arc<SinkCounters>,
    max_bytes: u64,
    limits: BatchLimits,
}

#[derive(Debug, Default)]
struct QueueState {
    /// With the time of their coming.
    blocks: VecDeque<(Block, Instant)>,
    bytes: usize,
    rows: usize,
    segments: VecDeque<Segment>,
    disk: Disk,
    stage: Stage,
    /// When the sender has to end; none while the server runs.
    deadline: Option<Instant>,
}

/// What the spooler does with the disk.
#[derive(Debug, Default, PartialEq, Eq)]
enum Disk {
    /// Nothing now.
    #[default]
    Idle,
    /// It is writing behind the newest segment, whichever that was.
    Writing,
    /// Nothing until then, after an error.
    RestsUntil(Instant),
}

impl Disk {
    fn rests(&self) -> bool {
        matches!(self, Self::RestsUntil(until) if Instant::now() < *until)
    }
}

/// How far the queue's life has come; it never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Rows may come.
    #[default]
    Open,
    /// The spooler has ended: nothing more comes.
    Closed,
    /// The sender has ended, and what was left is kept or dropped.
    Ended,
}

/// What there is to take.
#[derive(Debug)]
pub enum NextRows {
    /// A block from memory and when it came.
    Block(Block, Instant),
    /// Memory is empty; this is the oldest segment.
    Segment(Segment),
    /// Nothing now.
    Nothing,
    /// Nothing ever.
    End,
}

impl SinkQueue {
    /// Holds up to `max_bytes` in memory; `found` is what was on disk.
    pub fn new(
        counters: Arc<SinkCounters>,
        limits: BatchLimits,
        max_bytes: usize,
        spill: Option<(Spill, Recovered)>,
    ) -> Self {
        let mut state = QueueState::default();
        let spill = spill.map(|(spill, found)| {
            let rows = found.segments.iter().map(|segment| segment.rows).sum();
            let bytes = found.segments.iter().map(|segment| segment.end).sum();
            counters.recovered.store(rows + found.unreadable_rows, Relaxed);
            counters.drop_rows(DropReason::Damaged, found.unreadable_rows);
            counters.spilled_rows.store(rows, Relaxed);
            counters.spilled_bytes.store(bytes, Relaxed);
            counters.torn_bytes.store(found.torn_bytes, Relaxed);
            state.segments = found.segments;
            spill
        });
        let state = Mutex::new(state);
        Self {
            state,
            changed: Condvar::new(),
            spill,
            counters,
            max_bytes: max_bytes as u64,
            limits,
        }
    }

    /// Takes a block in, to memory or to disk, or drops it. For the spooler.
    pub fn put(&self, block: Block, writer: &mut SegmentWriter) {
        let mut state = self.state.lock();
        let held = self.counters.queued_bytes.load(Relaxed);
        let fits = held == 0 || held + block.bytes.len() as u64 <= self.max_bytes;
        if state.segments.is_empty() && fits {
            self.put_in_memory(&mut state, block);
        } else {
            self.put_on_disk(state, &block, writer);
        }
    }

    fn put_in_memory(&self, state: &mut QueueState, block: Block) {
        let rows = u64::from(block.rows);
        self.counters.queued_rows.fetch_add(rows, Relaxed);
        self.counters.queued_bytes.fetch_add(block.bytes.len() as u64, Relaxed);
        self.counters.taken.fetch_add(rows, Relaxed);
        let was_empty = state.blocks.is_empty();
        let was_full = self.is_full(state);
        state.bytes += block.bytes.len();
        state.rows += block.rows as usize;
        state.blocks.push_back((block, Instant::now()));
        // Otherwise the sender knows of blocks already, and when they are due.
        if was_empty || (!was_full && self.is_full(state)) {
            self.changed.notify_one();
        }
    }

    /// Writes a block behind all others, without the lock, or drops it where there is no room.
    fn put_on_disk(
        &self,
        mut state: MutexGuard<'_, QueueState>,
        block: &Block,
        writer: &mut SegmentWriter,
    ) {
        let rows = u64::from(block.rows);
        let bytes = block.bytes.len();
        let spill = self.spill.as_ref().filter(|_| !state.disk.rests());
        let Some(spill) = spill.filter(|spill| spill.has_room(&state.segments, bytes)) else {
            self.counters.taken.fetch_add(rows, Relaxed);
            self.counters.drop_rows(DropReason::QueueFull, rows);
            return;
        };
        state.disk = Disk::Writing;
        let newest = state.segments.back().copied();
        drop(state);
        let written = writer.append(spill, newest.as_ref(), block);
        let mut state = self.state.lock();
        self.counters.taken.fetch_add(rows, Relaxed);
        match written {
            Ok(written) => self.spilled(&mut state, written, rows),
            Err(error) => self.cannot_spill(&mut state, &error, rows),
        }
        // Also after an error: the sender may have settled all of a segment that was kept for this block.
        self.changed.notify_one();
    }

    /// Notes that so many rows were written.
    fn spilled(&self, state: &mut QueueState, written: Written, rows: u64) {
        state.disk = Disk::Idle;
        let grown = state.segments.back_mut().filter(|last| last.number == written.number);
        let end_before = if let Some(last) = grown {
            last.rows += rows;
            std::mem::replace(&mut last.end, written.end)
        } else {
            state.segments.push_back(written.first(rows));
            0
        };
        self.counters.spilled_rows.fetch_add(rows, Relaxed);
        self.counters.spilled_total.fetch_add(rows, Relaxed);
        self.counters.spilled_bytes.fetch_add(written.end - end_before, Relaxed);
    }

    /// Drops rows that could not be written, and lets the disk rest.
    fn cannot_spill(&self, state: &mut QueueState, error: &io::Error, rows: u64) {
        state.disk = Disk::RestsUntil(Instant::now() + DISK_REST);
        self.counters.drop_rows(DropReason::QueueFull, rows);
        if self.counters.spill_errors.fetch_add(1, Relaxed).is_power_of_two() {
            log::warn!(
                "-spill-dir: cannot keep rows of {} on disk: {error}; they are dropped until it works",
                self.counters.sink
            );
        }
    }

    fn is_full(&self, state: &QueueState) -> bool {
        self.limits.is_due(state.bytes, state.rows)
    }

    /// The oldest there is. For the sender, which has read `seen` bytes of the oldest segment.
    pub fn take(&self, seen: Option<(u64, u64)>) -> NextRows {
        let mut state = self.state.lock();
        if let Some((block, came)) = state.blocks.pop_front() {
            state.bytes -= block.bytes.len();
            state.rows -= block.rows as usize;
            return NextRows::Block(block, came);
        }
        match state.segments.front() {
            Some(segment) if seen != Some((segment.number, segment.end)) => {
                NextRows::Segment(*segment)
            }
            None if state.stage >= Stage::Closed => NextRows::End,
            Some(_) | None => NextRows::Nothing,
        }
    }

    /// Notes that the oldest segment's rows are delivered up to `position`; removes it if there are no more.
    /// Returns whether it did. For the sender.
    pub fn delivered(&self, number: u64, position: u64, rows: u64) -> bool {
        let mut state = self.state.lock();
        let only = state.segments.len() == 1;
        let writing = state.disk == Disk::Writing;
        let Some(oldest) = state.segments.front_mut().filter(|oldest| oldest.number == number)
        else {
            return false;
        };
        oldest.rows = oldest.rows.saturating_sub(rows);
        oldest.position = position;
        if position < oldest.end || (only && writing) {
            return false;
        }
        let gone = state.segments.pop_front();
        drop(state);
        if let (Some(spill), Some(gone)) = (&self.spill, gone) {
            self.counters.spilled_bytes.fetch_sub(gone.end, Relaxed);
            // Rows that are left could not be read.
            self.counters.spilled_rows.fetch_sub(gone.rows, Relaxed);
            self.counters.drop_rows(DropReason::Damaged, gone.rows);
            let done =
                if gone.rows == 0 { spill.remove(&gone) } else { spill.set_aside(gone.number) };
            if let Err(error) = done {
                log::warn!("-spill-dir: cannot remove a segment that is done with: {error}");
            }
        }
        true
    }

    /// Waits until a batch is due: full, its oldest row as old as the period, or nothing more to come. `open`
    /// are the bytes, rows and coming of what the sender holds already, `seen` as for [`Self::take`].
    pub fn wait(&self, open: Option<(usize, usize, Instant)>, seen: Option<(u64, u64)>) {
        let mut state = self.state.lock();
        loop {
            let (open_bytes, open_rows) = open.map_or((0, 0), |(bytes, rows, _)| (bytes, rows));
            let full = self.limits.is_due(state.bytes + open_bytes, state.rows + open_rows);
            if full || state.stage >= Stage::Closed {
                return;
            }
            let came = open.map(|open| open.2).or(state.blocks.front().map(|(_, came)| *came));
            let due = came.map(|came| came + self.limits.period);
            let unread = state.segments.front().map(|oldest| (oldest.number, oldest.end));
            if due.is_none() && unread.is_some() && unread != seen {
                return;
            }
            match [due, state.deadline].into_iter().flatten().min() {
                Some(until) if Instant::now() >= until => return,
                Some(until) => drop(self.changed.wait_until(&mut state, until)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Waits for `pause`, or until the server begins to stop, or has to end.
    pub fn pause(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut state = self.state.lock();
        let stopping = state.deadline.is_some();
        loop {
            let until = state.deadline.map_or(end, |deadline| deadline.min(end));
            if Instant::now() >= until || (!stopping && state.deadline.is_some()) {
                return;
            }
            self.changed.wait_until(&mut state, until);
        }
    }

    /// Nothing more comes. For the spooler.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.stage = state.stage.max(Stage::Closed);
        drop(state);
        self.changed.notify_all();
    }

    /// The sender is to end by then. For main.
    pub fn stop_by(&self, deadline: Instant) {
        self.state.lock().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// Whether the sender has to end.
    pub fn is_over(&self) -> bool {
        self.state.lock().deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits until the sender has ended; returns whether it has by then. For main.
    pub fn wait_ended(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while state.stage < Stage::Ended && !self.changed.wait_until(&mut state, until).timed_out()
        {
        }
        state.stage == Stage::Ended
    }

    /// Keeps what is left in memory on disk, before all that is there, or drops it. `left` was taken already.
    /// For the sender, at its end: the spooler's last blocks are waited for.
    pub fn keep(&self, mut left: Vec<Block>) {
        let until = Instant::now() + LAST_BLOCKS;
        let mut state = self.state.lock();
        while state.stage < Stage::Closed && !self.changed.wait_until(&mut state, until).timed_out()
        {
        }
        left.extend(state.blocks.drain(..).map(|(block, _)| block));
        if !left.is_empty() {
            self.keep_blocks(&state.segments, &left);
        }
        state.stage = Stage::Ended;
        self.changed.notify_all();
    }

    /// As many as there is room for.
    fn keep_blocks(&self, segments: &VecDeque<Segment>, left: &[Block]) {
        let rows = |blocks: &[Block]| blocks.iter().map(|block| u64::from(block.rows)).sum::<u64>();
        let bytes: usize = left.iter().map(|block| block.bytes.len()).sum();
        let kept = self.spill.as_ref().map_or(0, |spill| {
            let (kept, end, result) = spill.write_before(segments, left);
            self.counters.spilled_rows.fetch_add(rows(&left[..kept]), Relaxed);
            self.counters.spilled_total.fetch_add(rows(&left[..kept]), Relaxed);
            self.counters.spilled_bytes.fetch_add(end, Relaxed);
            if let Err(error) = result {
                log::error!("-spill-dir: cannot keep rows of {}: {error}", self.counters.sink);
            }
            kept
        });
        let dropped = rows(&left[kept..]);
        if dropped > 0 {
            log::warn!(
                "{}: {dropped} rows were not delivered and are dropped: -spill-dir would keep them, where it has room",
                self.counters.sink
            );
            self.counters.drop_rows(DropReason::Shutdown, dropped);
        }
        self.counters.queued_rows.fetch_sub(rows(left), Relaxed);
        self.counters.queued_bytes.fetch_sub(bytes as u64, Relaxed);
    }
}
