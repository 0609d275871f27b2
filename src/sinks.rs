//! Sinks: where rows go that do not stay here. What a sink is, and what all of them share.
//!
//! ```text
//!  ingest-N ─ Outbox: blocks of rows ─▶ spooler ─▶ memory ─────────────▶ sender ─▶ Sink ─▶ far end
//!                                          └─▶ segments on disk ─────────▲
//! ```
//!
//! Per sink there are two threads. The *spooler* takes blocks into memory or, when that is full, into
//! segments on disk; the *sender* takes rows in their order, hands batches to the [`Sink`], and
//! repeats what was not taken. A sink only encodes a batch, sends it and returns each row's result: it
//! must not know queues, retries or counters, and keeps no row.

use std::fmt;
use std::time::Duration;

use crate::metric::reasons;

pub(crate) mod all_counters;
pub(crate) mod backoff;
pub(crate) mod batch_sender;
pub(crate) mod batcher;
pub(crate) mod block;
pub(crate) mod counters;
pub(crate) mod gzip;
pub(crate) mod http;
pub(crate) mod loki;
pub(crate) mod opensearch;
pub(crate) mod outbox;
pub(crate) mod pyroscope;
pub(crate) mod queue;
pub(crate) mod remote;
pub(crate) mod row;
pub(crate) mod scylla;
pub(crate) mod spill;
pub(crate) mod spooler;

pub use row::Row;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowResult {
    /// The far end has it.
    Delivered,
    /// It may take it later, or may have it: to be sent again as it is.
    Retry,
    /// It will never take it.
    Rejected(RejectReason),
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Each row has a result.
    Rows,
    /// Nothing is known of any row: all are to be sent again, after this time if the far end named one.
    Retry {
        /// For the log, with the far end's address: what happened and what the operator can do.
        why: String,
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// The far end took none of them and the fault lies with the batch, as too many bytes or one row
    /// that spoils the rest: halves are to be sent, and a row that is alone is rejected.
    Split {
        /// For the log.
        why: String,
        /// Of a row that is alone.
        reason: RejectReason,
    },
}

/// When a batch is sent and what it may hold; the sender keeps to it, but for a single row that is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of rows, as blocks hold them, past which a batch is sent at once.
    pub bytes: usize,
    /// Rows past which a batch is sent at once.
    pub rows: usize,
    /// How long the oldest row waits for others.
    pub period: Duration,
    /// Bytes that a batch takes at most, where so much waits: behind a slow far end large ones are cheaper.
    pub max_bytes: usize,
    /// Rows that it takes at most.
    pub max_rows: usize,
}

impl BatchLimits {
    /// Whether so much is sent at once.
    pub fn is_due(&self, bytes: usize, rows: usize) -> bool {
        bytes >= self.bytes || rows >= self.rows
    }
}

/// Why a batch is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It is full.
    Size,
    /// Its oldest row has waited for the period, or the server stops.
    Time,
}

/// A destination for rows. Runs on its sender, which owns it.
pub trait Sink: Send + fmt::Debug {
    /// What its batches may hold.
    fn limits(&self) -> BatchLimits;

    /// Sends the rows, which are in order, and pushes one result for each unless the outcome speaks for
    /// all. May wait as long as the far end is given; returns early once [`Sink::cancel`]'s word was said.
    fn deliver(
        &mut self,
        rows: &[Row<'_>],
        trigger: Trigger,
        results: &mut Vec<RowResult>,
    ) -> Outcome;

    /// What ends a delivery that is under way and makes later ones fail at once; for another thread.
    fn cancel(&self) -> Box<dyn Fn() + Send + Sync>;
}

reasons! {
    /// Why a row is rejected for good.
    RejectReason {
        /// The far end said so: it does not fit its schema, is too old for it, or the like.
        Refused => "refused",
        /// Longer than the far end takes.
        TooLong => "too_long",
        /// Its index name is none.
        IndexName => "index_name",
        /// Its index would be one more than allowed.
        IndicesLimit => "indices_limit",
        /// The far end has stopped to take anything, and says that it dropped it.
        Blocked => "blocked",
        /// Its text cannot be read back: a fault of ours, or of the disk.
        Unreadable => "unreadable",
    }
}

reasons! {
    /// Why a row was dropped before a far end could judge it.
    DropReason {
        /// The queue in memory was full, and there was no room on disk or none was given.
        QueueFull => "queue_full",
        /// The far end did not take it for longer than `-sink-retry-max`.
        TooOld => "too_old",
        /// The server stopped before it was delivered, and it could not be kept on disk.
        Shutdown => "shutdown",
        /// What was read back from disk was damaged.
        Damaged => "damaged",
    }
}
