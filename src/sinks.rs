//! Sinks: destinations outside this server for messages, which travel as rows. Here is what a sink is, and what all
//! sinks share.
//!
//! ```text
//!  ingest-N ─ Outbox: blocks of rows ─▶ spooler ─▶ memory ─────────────▶ sender ─▶ Sink ─▶ far end
//!                                          └─▶ segments on disk ─────────▲
//! ```
//!
//! Each sink has two threads. The *spooler* receives blocks and keeps them in memory or, when memory is full, in
//! segments on disk. The *sender* takes rows in their order, hands them to the [`Sink`] in batches, and sends again
//! what the far end did not take. A `Sink` only encodes a batch, sends it, and returns the result of each row: it must
//! not know queues or retries, and it keeps no row.

use std::fmt;
use std::time::Duration;

use crate::metric::reasons;

pub(crate) mod all_counters;
pub(crate) mod backoff;
pub(crate) mod batch_sender;
pub(crate) mod batcher;
pub(crate) mod block;
pub(crate) mod counters;
pub(crate) mod drop_log;
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
    /// The far end may take it later, or may have it without saying so: it is sent again as it is.
    Retry,
    /// The far end will never take it.
    Rejected(RejectReason),
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Each row has a result of its own.
    Rows,
    /// Nothing is known of any row, so all are sent again.
    Retry {
        /// For the log, with the far end's address: what happened, and what the operator can do.
        why: String,
        /// The shortest wait before that, if the far end asks for one (`Retry-After`).
        after: Option<Duration>,
    },
    /// The far end was given the rows and said nothing of them: no answer in time, a connection that it ended, a fault
    /// of its own. One row may be the cause, and all are sent again; if that goes on while the far end answers
    /// otherwise, the row is looked for.
    NoVerdict {
        /// For the log.
        why: String,
        /// As for [`Self::Retry`].
        after: Option<Duration>,
    },
    /// The far end refuses the batch as a whole, because it is too long or one of its rows spoils it. It is sent again
    /// in halves, and a row that is refused alone is rejected.
    Split {
        /// For the log.
        why: String,
        /// Why a row that is refused alone is rejected.
        reason: RejectReason,
    },
}

/// When a batch is sent, and what it may hold. The sender keeps to it, but sends a row that alone is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of rows, as blocks hold them, past which a batch is sent at once.
    pub bytes: usize,
    /// Rows past which a batch is sent at once.
    pub rows: usize,
    /// How long the oldest row waits for others.
    pub period: Duration,
    /// Bytes of rows that a batch holds at most. This may be more than `bytes`: while the far end is slow and rows wait,
    /// large batches are cheaper.
    pub max_bytes: usize,
    /// Rows that a batch holds at most; this may be more than `rows` for the same reason.
    pub max_rows: usize,
}

impl BatchLimits {
    /// Whether so many bytes or rows are sent at once.
    pub fn is_due(&self, bytes: usize, rows: usize) -> bool {
        bytes >= self.bytes || rows >= self.rows
    }
}

/// Why a batch is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// There are enough bytes or rows.
    Size,
    /// The oldest row has waited for the period, or the server stops.
    Time,
}

/// A destination for rows. Runs on its sender, which owns it.
pub trait Sink: Send + fmt::Debug {
    /// What its batches may hold.
    fn limits(&self) -> BatchLimits;

    /// The longest random wait before a batch is sent again. The wait that a far end asks for is added to it.
    fn longest_wait(&self) -> Duration {
        backoff::LONGEST
    }

    /// Sends the rows, which are in order. If the outcome is [`Outcome::Rows`], pushes one result for each row. May
    /// wait as long as the far end is given; returns early once the function of [`Sink::cancel`] was called.
    fn deliver(
        &mut self,
        rows: &[Row<'_>],
        trigger: Trigger,
        results: &mut Vec<RowResult>,
    ) -> Outcome;

    /// How long each request of later deliveries may take at most. Without a call it is for the sink to say.
    fn limit_time(&mut self, _limit: Duration) {}

    /// Whether the far end answers a request that has nothing to do with rows, within a short time. The sender asks
    /// after an [`Outcome::NoVerdict`]; a sink without such an outcome need not know.
    fn is_well(&mut self) -> bool {
        false
    }

    /// A number that is the same for rows which the far end may take or leave together, as those of one index: that
    /// it takes one of them says most about another.
    fn kin(&self, _row: &Row<'_>) -> u64 {
        0
    }

    /// Returns a function that ends a delivery that is under way and makes later ones fail at once; for another thread.
    fn cancel(&self) -> Box<dyn Fn() + Send + Sync>;
}

reasons! {
    /// Why a row is rejected for good.
    RejectReason {
        /// The far end said so, because the row does not fit its schema, is too old for it, or the like.
        Refused => "refused",
        /// It is longer than the far end takes.
        TooLong => "too_long",
        /// No index can have the name that it gives.
        IndexName => "index_name",
        /// Too many routers have passed it on: it goes round in a ring of them.
        HopsLimit => "hops_limit",
        /// Its index would be one more than allowed.
        IndicesLimit => "indices_limit",
        /// A label's name has more parts between dots than `-opensearch-label-depth-max`.
        LabelDepth => "label_depth",
        /// The far end takes no rows by order of its operator, and says that it dropped this one.
        Blocked => "blocked",
        /// The far end never gave a verdict on it, even alone, while it took others.
        Poison => "poison",
        /// It cannot be read back, or a sink panicked over it: a fault of this server.
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
        /// The far end took none of its index or stream while it took others, and too many such rows waited aside.
        AsideFull => "aside_full",
        /// The server stopped before it was delivered, and it could not be kept on disk.
        Shutdown => "shutdown",
        /// What was read back from disk was damaged.
        Damaged => "damaged",
    }
}
