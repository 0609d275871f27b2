//! The counters of one sink: rows that came in, and what became of them.
//!
//! ```text
//! enqueued + recovered = delivered + rejected + dropped + queued + spilled
//! ```
//!
//! A worker counts on a cache line of its own. Spooler and sender count on shared lines, a few times per batch,
//! through the methods below wherever several counters must move together to keep the equation. The exporter
//! reads. Counters must not know how rows are kept or sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam::utils::CachePadded;

use crate::sinks::{DropReason, RejectReason};
use crate::stats::Counter;

/// How a request to the far end went; the `outcome` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// The far end took the batch, or gave a result for each row.
    Done,
    /// It did not take the batch, or gave no answer: the batch is sent again later.
    Retried,
    /// It refused the batch, which is sent again in halves.
    Split,
}

impl RequestOutcome {
    /// Label values, in the order of their index.
    pub(crate) const NAMES: [&'static str; 3] = ["done", "retried", "split"];
}

/// What one worker counts.
#[derive(Debug, Default)]
pub struct WorkerRowCounters {
    /// Rows made from messages.
    pub enqueued: Counter,
    /// Of those, rows that could not be handed to the spooler.
    pub lost: Counter,
}

/// The counters of one sink. A plain table, whose fields are public because the exporter shows them one by one.
#[derive(Debug)]
pub struct SinkCounters {
    /// The `sink` label.
    pub sink: &'static str,
    /// By worker.
    pub workers: Box<[CachePadded<WorkerRowCounters>]>,
    /// Bytes of blocks that workers have sent and the spooler has not received.
    pub on_the_way_bytes: AtomicU64,
    /// Rows that the spooler has received and then queued, spilled or dropped.
    pub taken: AtomicU64,
    /// Rows found on disk at start.
    pub recovered: AtomicU64,
    /// Rows that the far end has.
    pub delivered: AtomicU64,
    /// Rows that the far end will never take, by reason.
    pub rejected: [AtomicU64; RejectReason::COUNT],
    /// Rows given up, by reason, without those that workers could not hand over.
    pub dropped: [AtomicU64; DropReason::COUNT],
    /// Rows in memory, also those that the sender is delivering.
    pub queued_rows: AtomicU64,
    /// The bytes of those rows.
    pub queued_bytes: AtomicU64,
    /// Rows on disk that are not delivered.
    pub spilled_rows: AtomicU64,
    /// Bytes of segments on disk.
    pub spilled_bytes: AtomicU64,
    /// Rows written to disk since start.
    pub spilled_total: AtomicU64,
    /// How often writing to disk failed.
    pub spill_errors: AtomicU64,
    /// Bytes found at start that are no whole frames, as when a crash interrupted a write; they were cut off.
    pub torn_bytes: AtomicU64,
    /// When the oldest row of the batch that is being delivered was received, on the wall clock; 0 if there is no
    /// batch.
    pub oldest_unix_ns: AtomicU64,
    /// Requests, by how they went.
    pub requests: [AtomicU64; RequestOutcome::NAMES.len()],
    /// Time spent in requests.
    pub request_ns: AtomicU64,
    /// Rows in requests; a row counts again in each request that repeats it.
    pub request_rows: AtomicU64,
    /// Whether the far end took rows of the last request, or refused some for good.
    pub up: AtomicBool,
}

impl SinkCounters {
    /// All at 0, for the sink with this name and so many workers.
    pub fn new(sink: &'static str, workers: usize) -> Self {
        Self {
            sink,
            workers: (0..workers).map(|_| CachePadded::default()).collect(),
            on_the_way_bytes: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            rejected: [const { AtomicU64::new(0) }; RejectReason::COUNT],
            dropped: [const { AtomicU64::new(0) }; DropReason::COUNT],
            queued_rows: AtomicU64::new(0),
            queued_bytes: AtomicU64::new(0),
            spilled_rows: AtomicU64::new(0),
            spilled_bytes: AtomicU64::new(0),
            spilled_total: AtomicU64::new(0),
            spill_errors: AtomicU64::new(0),
            torn_bytes: AtomicU64::new(0),
            oldest_unix_ns: AtomicU64::new(0),
            requests: [const { AtomicU64::new(0) }; RequestOutcome::NAMES.len()],
            request_ns: AtomicU64::new(0),
            request_rows: AtomicU64::new(0),
            up: AtomicBool::new(true),
        }
    }

    /// Counts rows that enter the queue in memory.
    pub(crate) fn enter_memory(&self, rows: u64, bytes: usize) {
        self.queued_rows.fetch_add(rows, Relaxed);
        self.queued_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts rows that leave the queue in memory, whatever became of them.
    pub(crate) fn leave_memory(&self, rows: u64, bytes: usize) {
        self.queued_rows.fetch_sub(rows, Relaxed);
        self.queued_bytes.fetch_sub(bytes as u64, Relaxed);
    }

    /// Bytes of rows in memory: in the queue, and on their way there.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.queued_bytes.load(Relaxed) + self.on_the_way_bytes.load(Relaxed)
    }

    /// Counts rows that were written to disk, where segments grew by so many bytes.
    pub(crate) fn enter_disk(&self, rows: u64, bytes: u64) {
        self.spilled_rows.fetch_add(rows, Relaxed);
        self.spilled_total.fetch_add(rows, Relaxed);
        self.spilled_bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts a segment that is removed or set aside. The rows that are left in it could not be read.
    pub(crate) fn leave_segment(&self, rows_left: u64, bytes: u64) {
        self.spilled_bytes.fetch_sub(bytes, Relaxed);
        self.spilled_rows.fetch_sub(rows_left, Relaxed);
        self.drop_rows(DropReason::Damaged, rows_left);
    }

    /// Counts a request with so many rows.
    pub(crate) fn count_request(&self, outcome: RequestOutcome, rows: usize, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).expect("no request takes 584 years");
        self.requests[outcome as usize].fetch_add(1, Relaxed);
        self.request_rows.fetch_add(rows as u64, Relaxed);
        self.request_ns.fetch_add(took_ns, Relaxed);
    }

    /// Counts rows that the far end will never take.
    pub(crate) fn reject_rows(&self, reason: RejectReason, rows: u64) {
        self.rejected[reason as usize].fetch_add(rows, Relaxed);
    }

    /// Counts rows that are given up.
    pub(crate) fn drop_rows(&self, reason: DropReason, rows: u64) {
        self.dropped[reason as usize].fetch_add(rows, Relaxed);
    }

    /// Rows given up for this reason, also those that workers could not hand over.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let lost =
            if reason == DropReason::QueueFull { self.sum(|worker| &worker.lost) } else { 0 };
        self.dropped[reason as usize].load(Relaxed) + lost
    }

    /// Rows made from messages.
    pub fn enqueued(&self) -> u64 {
        self.sum(|worker| &worker.enqueued)
    }

    /// Rows in memory: those that workers hold, those on their way to the spooler, those in the queue, and those
    /// being delivered.
    pub fn queued(&self) -> u64 {
        // Loaded before `enqueued`, so that a row taken meanwhile cannot make it the larger of the two.
        let taken = self.taken.load(Relaxed);
        let lost = self.sum(|worker| &worker.lost);
        self.enqueued().saturating_sub(taken + lost) + self.queued_rows.load(Relaxed)
    }

    fn sum(&self, count: fn(&WorkerRowCounters) -> &Counter) -> u64 {
        self.workers.iter().map(|worker| count(worker).get()).sum()
    }
}
