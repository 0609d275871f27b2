//! What becomes of rows, in the counters: the sender's side of the books.
//!
//! Runs on the sender. Each function takes rows that are out of the queue and returns those that are left.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock;
use crate::planted::{self, Fault};
use crate::sinks::batcher::Origin;
use crate::sinks::block::Block;
use crate::sinks::queue::SinkQueue;
use crate::sinks::{DropReason, RejectReason, RowResult};

/// The books of one sink.
#[derive(Debug)]
pub(super) struct Books {
    queue: Arc<SinkQueue>,
    /// How old a row may become before it is given up; `None` for no bound.
    retry_max: Option<Duration>,
}

impl Books {
    /// The books of this queue's sink.
    pub(super) fn new(queue: Arc<SinkQueue>, retry_max: Option<Duration>) -> Self {
        Self { queue, retry_max }
    }

    /// Counts the rows that are settled and returns the others, which are to be sent again.
    pub(super) fn settle(&self, rows: &Block, results: &[RowResult], origin: Origin) -> Block {
        let counters = self.queue.counters();
        let mut rest = Block::default();
        let (mut delivered, mut settled) = (0, 0);
        for (row, result) in rows.iter().zip(results) {
            match result {
                RowResult::Delivered => delivered += 1,
                RowResult::Rejected(reason) => {
                    counters.reject_rows(*reason, 1);
                }
                RowResult::Retry if planted::is(Fault::RepeatedIsDelivered) => delivered += 1,
                RowResult::Retry => {
                    rest.push_row(&row);
                    continue;
                }
            }
            settled += 1;
        }
        let bytes = rows.bytes().len() - rest.bytes().len();
        counters.delivered.fetch_add(delivered, Relaxed);
        self.release(origin, settled, bytes);
        rest
    }

    /// Rejects all rows.
    pub(super) fn reject(&self, rows: &Block, reason: RejectReason, origin: Origin) {
        let count = u64::from(rows.row_count());
        self.queue.counters().reject_rows(reason, count);
        self.release(origin, count, rows.bytes().len());
    }

    /// Gives up rows that wait aside, since others need their room.
    pub(super) fn drop_aside(&self, rows: &Block) {
        let count = u64::from(rows.row_count());
        self.queue.counters().drop_rows(DropReason::AsideFull, count);
        self.release(Origin::Memory, count, rows.bytes().len());
    }

    /// Gives up rows that are older than `retry_max` and returns the others.
    pub(super) fn expire(&self, rows: Block, origin: Origin) -> Block {
        let Some(retry_max) = self.retry_max else { return rows };
        let retry_max_ns = u64::try_from(retry_max.as_nanos())
            .expect("the flag holds 292 years at most, and a u64 584 years of nanoseconds");
        let oldest_ns = clock::unix_ns().saturating_sub(retry_max_ns);
        if rows.iter().next().is_none_or(|row| row.time_ns >= oldest_ns) {
            return rows;
        }
        let mut rest = Block::default();
        rows.iter().filter(|row| row.time_ns >= oldest_ns).for_each(|row| rest.push_row(&row));
        let gone = u64::from(rows.row_count() - rest.row_count());
        self.queue.counters().drop_rows(DropReason::TooOld, gone);
        self.release(origin, gone, rows.bytes().len() - rest.bytes().len());
        rest
    }

    /// Notes that rows are in memory from now on, wherever they came from.
    pub(super) fn move_to_memory(&self, rows: &Block, origin: Origin) {
        if origin == Origin::Disk {
            let count = u64::from(rows.row_count());
            self.release(origin, count, rows.bytes().len());
            self.queue.counters().enter_memory(count, rows.bytes().len());
        }
    }

    /// Takes settled rows off the gauges of the place that they came from.
    fn release(&self, origin: Origin, rows: u64, bytes: usize) {
        let counters = self.queue.counters();
        match origin {
            Origin::Memory => {
                counters.leave_memory(rows, bytes);
            }
            // Bytes on disk are those of segments, which are removed as a whole.
            Origin::Disk => {
                counters.spilled_rows.fetch_sub(rows, Relaxed);
            }
        }
    }
}
