//! The counters of one sink: rows that came, and what became of them.
//!
//! ```text
//! enqueued + recovered = delivered + rejected + dropped + queued + spilled
//! ```
//!
//! Workers count on lines of their own; spooler and sender on shared ones, a few times per batch.
//! Read by the exporter. It must not know how rows are kept or sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam::utils::CachePadded;

use crate::sinks::{DropReason, RejectReason};
use crate::stats::Counter;

/// How a request to the far end went; the `outcome` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// It took the batch, or judged each row.
    Done,
    /// It did not, or gave no answer: sent again later.
    Retried,
    /// It refused the batch, which is sent again in halves.
    Split,
}

impl RequestOutcome {
    /// Label values, in the order of their index.
    pub(crate) const NAMES: [&'static str; 3] = ["done", "retried", "split"];
}

/// A worker's part.
#[derive(Debug, Default)]
pub struct WorkerRowCounters {
    /// Rows that messages became.
    pub enqueued: Counter,
    /// Of those, rows that could not be handed over.
    pub lost: Counter,
}

/// Counters of one sink.
#[derive(Debug)]
pub struct SinkCounters {
    /// The `sink` label.
    pub sink: &'static str,
    /// By worker.
    pub workers: Box<[CachePadded<WorkerRowCounters>]>,
    /// Bytes between workers and spooler.
    pub on_the_way_bytes: AtomicU64,
    /// Rows that the spooler has taken from workers.
    pub taken: AtomicU64,
    /// Rows found on disk at start.
    pub recovered: AtomicU64,
    /// Rows that the far end has.
    pub delivered: AtomicU64,
    /// By reason.
    pub rejected: [AtomicU64; RejectReason::COUNT],
    /// By reason, without those that workers could not hand over.
    pub dropped: [AtomicU64; DropReason::COUNT],
    /// Rows in memory, with those in the sender's hands.
    pub queued_rows: AtomicU64,
    /// Their bytes.
    pub queued_bytes: AtomicU64,
    /// Rows on disk that are not delivered.
    pub spilled_rows: AtomicU64,
    /// Bytes of segments on disk.
    pub spilled_bytes: AtomicU64,
    /// Rows that were ever written to disk.
    pub spilled_total: AtomicU64,
    /// Times that writing to disk failed.
    pub spill_errors: AtomicU64,
    /// Bytes cut off from segments, whose writing a crash had interrupted.
    pub torn_bytes: AtomicU64,
    /// When the oldest row that is not delivered was received, on the wall clock; 0 for none.
    pub oldest_unix_ns: AtomicU64,
    /// Requests, by how they went.
    pub requests: [AtomicU64; RequestOutcome::NAMES.len()],
    /// Time spent in them.
    pub request_ns: AtomicU64,
    /// Rows in them, again in each repeated one.
    pub request_rows: AtomicU64,
    /// Whether the far end answered the last request as one that works does.
    pub up: AtomicBool,
}

impl SinkCounters {
    /// Counters at 0 of the sink with this name, for so many workers.
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

    /// Counts rows that are given up.
    pub fn drop_rows(&self, reason: DropReason, rows: u64) {
        self.dropped[reason as usize].fetch_add(rows, Relaxed);
    }

    /// Rows given up, by reason, with those that workers could not hand over.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let lost =
            if reason == DropReason::QueueFull { self.sum(|worker| &worker.lost) } else { 0 };
        self.dropped[reason as usize].load(Relaxed) + lost
    }

    /// Rows that messages became.
    pub fn enqueued(&self) -> u64 {
        self.sum(|worker| &worker.enqueued)
    }

    /// Rows in memory: with workers, on their way to the spooler, queued, and being delivered.
    pub fn queued(&self) -> u64 {
        let taken = self.taken.load(Relaxed); // first: never more than what came
        let lost = self.sum(|worker| &worker.lost);
        self.enqueued().saturating_sub(taken + lost) + self.queued_rows.load(Relaxed)
    }

    fn sum(&self, count: fn(&WorkerRowCounters) -> &Counter) -> u64 {
        self.workers.iter().map(|worker| count(worker).get()).sum()
    }
}
