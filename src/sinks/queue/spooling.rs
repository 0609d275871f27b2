//! The spooler's side of the queue: blocks come in, to memory or to disk.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::{Disk, QueueState, QueuedBlock, SinkQueue, Stage};
use crate::planted::{self, Fault};
use crate::sinks::DropReason;
use crate::sinks::block::Block;
use crate::sinks::spill::{Segment, SegmentPosition, SegmentWriter};

/// For how long nothing is written after an error of the disk.
const DISK_REST: Duration = Duration::from_secs(1);

/// What a block in memory has room for: the allocator takes whole pages for it, which go back to the system when it
/// is shrunk or freed.
const ROOM_BYTES: usize = 256 * 1024;

/// Appends a block. Many small ones become one of some size: memory is full of rows then, and of little else.
fn push_back(blocks: &mut VecDeque<QueuedBlock>, mut block: Block) {
    if let Some(last) = blocks.back_mut() {
        if last.block.has_room(block.bytes().len()) {
            last.block.push_encoded(block.bytes(), block.row_count());
            return;
        }
        last.block.shrink();
    }
    if block.bytes().len() < ROOM_BYTES {
        let mut with_room = Block::with_room(ROOM_BYTES);
        with_room.push_encoded(block.bytes(), block.row_count());
        block = with_room;
    } else {
        block.shrink();
    }
    blocks.push_back(QueuedBlock { block, arrived: Instant::now() });
}

impl SinkQueue {
    /// Takes a block to memory or to disk, or drops it.
    pub(crate) fn put(&self, block: Block, writer: &mut SegmentWriter) {
        let mut state = self.state.lock();
        let held = self.counters.queued_bytes.load(Relaxed);
        // An empty queue takes a block of any size, or a long row could never be sent.
        let fits = held == 0 || held + block.bytes().len() as u64 <= self.max_bytes;
        if state.segments.is_empty() && fits {
            self.put_in_memory(&mut state, block);
        } else {
            self.put_on_disk(state, &block, writer);
        }
    }

    fn put_in_memory(&self, state: &mut QueueState, block: Block) {
        let rows = u64::from(block.row_count());
        self.counters.enter_memory(rows, block.bytes().len());
        self.counters.taken.fetch_add(rows, Relaxed);
        let was_empty = state.blocks.is_empty();
        let was_full = self.is_full(state);
        state.bytes += block.bytes().len();
        state.rows += block.row_count() as usize;
        push_back(&mut state.blocks, block);
        // In all other cases the sender knows already that there are blocks, and when they are due.
        if was_empty || (!was_full && self.is_full(state)) {
            self.changed.notify_one();
        }
    }

    fn is_full(&self, state: &QueueState) -> bool {
        self.limits.is_due(state.bytes, state.rows)
    }

    /// Appends a block to the segments, or drops it if there is no room. Releases the lock while it writes.
    fn put_on_disk(
        &self,
        mut state: MutexGuard<'_, QueueState>,
        block: &Block,
        writer: &mut SegmentWriter,
    ) {
        let rows = u64::from(block.row_count());
        let bytes = block.bytes().len() as u64;
        let spill = self.spill.as_ref().filter(|_| !state.disk.rests());
        let Some(spill) = spill.filter(|spill| spill.has_room(&state.segments, bytes)) else {
            self.counters.taken.fetch_add(rows, Relaxed);
            self.counters.drop_rows(DropReason::QueueFull, rows);
            return;
        };
        state.disk = Disk::Writing;
        let newest = state.segments.back().copied();
        drop(state);
        let written = spill.append(writer, newest.as_ref(), block);
        let mut state = self.state.lock();
        self.counters.taken.fetch_add(rows, Relaxed);
        match written {
            Ok(end) => self.spilled(&mut state, end, rows),
            Err(error) => self.cannot_spill(&mut state, &error, rows),
        }
        // Also after an error: the sender may be waiting to remove a segment whose rows are all delivered, which
        // it had to leave because this block might have gone into it.
        self.changed.notify_one();
    }

    /// Notes that so many rows were written, up to `end`.
    fn spilled(&self, state: &mut QueueState, end: SegmentPosition, rows: u64) {
        state.disk = Disk::Idle;
        let newest = state.segments.back_mut().filter(|newest| newest.number() == end.number);
        let grown_bytes = if let Some(newest) = newest {
            newest.grow(end.offset, rows)
        } else {
            state.segments.push_back(Segment::new(end.number, end.offset, rows));
            end.offset
        };
        self.counters.enter_disk(rows, grown_bytes);
    }

    /// Drops rows that could not be written, and lets the disk rest.
    fn cannot_spill(&self, state: &mut QueueState, error: &io::Error, rows: u64) {
        state.disk = Disk::RestsUntil(Instant::now() + DISK_REST);
        if !planted::is(Fault::FullDiskUncounted) {
            self.counters.drop_rows(DropReason::QueueFull, rows);
        }
        // Logged the 1st, 2nd, 4th, 8th time, and so on.
        let errors = self.counters.spill_errors.fetch_add(1, Relaxed) + 1;
        if errors.is_power_of_two() {
            log::warn!(
                "-spill-dir: cannot keep rows of {} on disk: {error}; they are dropped until it works",
                self.counters.sink
            );
        }
    }

    /// Notes that no more rows come.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.stage = state.stage.max(Stage::Closed);
        drop(state);
        self.changed.notify_all();
    }
}
