//! What stands between a sink's spooler and its sender: blocks in memory, and behind them segments on disk.
//!
//! ```text
//!  spooler ─ put ─▶ [memory, bounded in bytes] ─ take ─▶ sender
//!      └─ memory is full, or there are segments ─▶ [segments] ─▶ once memory is empty
//! ```
//!
//! Each thread's side has a file of its own: `spooling`, `sending`, and `ending` for what main and the sender do
//! when the server stops. They share one lock, which is taken a few times per block and never held during I/O but
//! at the end. The spooler alone appends to the newest segment, and the sender alone removes the oldest one. While
//! the spooler writes, [`Disk::Writing`] keeps the sender from removing a segment that is both.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::sinks::block::Block;
use crate::sinks::counters::SinkCounters;
use crate::sinks::spill::{Recovered, Segment, Spill};
use crate::sinks::{BatchLimits, DropReason};

mod ending;
pub(crate) mod sending;
mod spooling;

/// The rows of one sink that wait.
#[derive(Debug)]
pub struct SinkQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
    /// Where rows go for which memory has no room; `None` without `-spill-dir`.
    spill: Option<Spill>,
    counters: Arc<SinkCounters>,
    max_bytes: u64,
    limits: BatchLimits,
}

#[derive(Debug, Default)]
struct QueueState {
    blocks: VecDeque<QueuedBlock>,
    /// Bytes of the rows in `blocks`.
    bytes: usize,
    /// Rows in `blocks`.
    rows: usize,
    segments: VecDeque<Segment>,
    disk: Disk,
    stage: Stage,
    /// When the sender has to end; `None` while the server runs.
    deadline: Option<Instant>,
}

/// A block in memory.
#[derive(Debug)]
pub(crate) struct QueuedBlock {
    /// Its rows.
    pub(crate) block: Block,
    /// When its first row came into the queue.
    pub(crate) arrived: Instant,
}

/// What the spooler does with the disk.
#[derive(Debug, Default, PartialEq, Eq)]
enum Disk {
    /// Nothing now.
    #[default]
    Idle,
    /// It is appending a block: to the newest segment, or to a new one behind it.
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
    /// The spooler has ended: no more rows come.
    Closed,
    /// The sender has ended: rows that were left are on disk or dropped.
    Ended,
}

impl SinkQueue {
    /// A queue that holds up to `max_bytes` in memory, and on disk what was found there.
    pub fn new(
        counters: Arc<SinkCounters>,
        limits: BatchLimits,
        max_bytes: usize,
        spill: Option<(Spill, Recovered)>,
    ) -> Self {
        let mut state = QueueState::default();
        let spill = spill.map(|(spill, found)| {
            count_recovered(&counters, &found);
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

    /// The sink's counters.
    pub(crate) fn counters(&self) -> &SinkCounters {
        &self.counters
    }

    /// How many bytes of rows memory holds at most.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Where rows go for which memory has no room.
    pub(crate) fn spill(&self) -> Option<&Spill> {
        self.spill.as_ref()
    }
}

fn count_recovered(counters: &SinkCounters, found: &Recovered) {
    let rows = found.segments.iter().map(Segment::undelivered_rows).sum::<u64>();
    let bytes = found.segments.iter().map(Segment::bytes).sum();
    counters.recovered.store(rows + found.unreadable_rows, Relaxed);
    counters.drop_rows(DropReason::Damaged, found.unreadable_rows);
    counters.spilled_rows.store(rows, Relaxed);
    counters.spilled_bytes.store(bytes, Relaxed);
    counters.torn_bytes.store(found.torn_bytes, Relaxed);
}
