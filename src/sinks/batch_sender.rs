//! The sender: takes rows in their order, hands them to the sink batch by batch, repeats what the far end did
//! not take, and counts what became of each row.
//!
//! Runs on its own thread, one per sink. All rows of a batch are settled (delivered, rejected or dropped) before
//! the next batch is taken, so rows arrive in order. Only within a batch a row that must be sent again comes
//! behind rows that were taken at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::clock;
use crate::logger::throttle::Throttle;
use crate::sinks::backoff::Backoff;
use crate::sinks::batcher::{Batch, Batcher, Origin};
use crate::sinks::block::Block;
use crate::sinks::counters::RequestOutcome;
use crate::sinks::queue::SinkQueue;
use crate::sinks::{DropReason, Outcome, RejectReason, Row, RowResult, Sink, Trigger};

/// One sink's sender.
#[derive(Debug)]
pub struct BatchSender {
    sink: Box<dyn Sink>,
    queue: Arc<SinkQueue>,
    /// How old a row may become before it is given up; `None` for no bound.
    retry_max: Option<Duration>,
    /// Makes random numbers for the waits between tries, as hashes of `tries`.
    chance: ahash::RandomState,
    tries: u64,
    /// For log lines about failures.
    throttle: Throttle,
}

impl BatchSender {
    /// Sends rows of this queue to this sink; rows older than `retry_max` are given up.
    pub fn new(sink: Box<dyn Sink>, queue: Arc<SinkQueue>, retry_max: Option<Duration>) -> Self {
        let chance = ahash::RandomState::new();
        Self { sink, queue, retry_max, chance, tries: 0, throttle: Throttle::default() }
    }

    /// Runs until all rows are settled and no more come, or until the deadline that main has set.
    pub fn run(mut self) {
        let limits = self.sink.limits();
        let mut batcher = Batcher::new(Arc::clone(&self.queue), limits);
        while let Some(batch) = batcher.collect() {
            let origin = batch.origin;
            let left = self.settle(batch);
            if left.is_empty() {
                batcher.settled();
                continue;
            }
            // Rows that came from disk are still there.
            let left = if origin == Origin::Memory { left } else { Vec::new() };
            self.queue.keep(batcher.into_left(left));
            return;
        }
        self.queue.keep(batcher.into_left(Vec::new()));
    }

    /// Sends a batch, and parts of it again, until each row is settled. If the sender has to end before that,
    /// returns the rows that are left.
    fn settle(&mut self, batch: Batch) -> Vec<Block> {
        let origin = batch.origin;
        let mut parts = VecDeque::from([batch.rows]);
        let mut backoff = Backoff::up_to(self.sink.longest_wait());
        while let Some(mut part) = parts.pop_front() {
            if self.queue.is_over() {
                parts.push_front(part);
                return parts.into();
            }
            if !part.is_readable() {
                self.reject_unreadable(&part, origin);
                continue;
            }
            let (outcome, results) = self.send(&part, batch.trigger);
            match outcome {
                Outcome::Rows => {
                    let rows_before = part.row_count();
                    part = self.count_results(&part, &results, origin);
                    if part.row_count() < rows_before {
                        backoff.reset();
                    }
                    if !part.is_empty() {
                        self.pause(&mut backoff, None, None);
                        part = self.expire(part, origin);
                    }
                }
                Outcome::Retry { why, after } => {
                    self.pause(&mut backoff, after, Some(&why));
                    part = self.expire(part, origin);
                }
                Outcome::Split { why, reason } if part.row_count() <= 1 => {
                    self.complain(&format!("{why}; the row is rejected"));
                    self.count_results(&part, &[RowResult::Rejected(reason)], origin);
                    part = Block::default();
                }
                Outcome::Split { .. } => {
                    let (first, second) = halves(&part);
                    parts.push_front(second);
                    part = first;
                }
            }
            if !part.is_empty() {
                parts.push_front(part);
            }
        }
        Vec::new()
    }

    /// Lets the sink send one request.
    fn send(&mut self, part: &Block, trigger: Trigger) -> (Outcome, Vec<RowResult>) {
        let rows: Vec<Row<'_>> = part.iter().collect();
        let mut results = Vec::with_capacity(rows.len());
        let began = Instant::now();
        let sink = &mut self.sink;
        // A panic in the sink must not end the sender. One row may be its cause, so the batch is halved until that
        // row is alone.
        let deliver = AssertUnwindSafe(|| sink.deliver(&rows, trigger, &mut results));
        let mut outcome = catch_unwind(deliver).unwrap_or_else(|_| Outcome::Split {
            why: "a fault of the server; the line before names the place".to_owned(),
            reason: RejectReason::Unreadable,
        });
        if outcome == Outcome::Rows && results.len() != rows.len() {
            let why = format!("{} results for {} rows", results.len(), rows.len());
            outcome = Outcome::Retry { why, after: None };
        }
        let counters = self.queue.counters();
        let sent = match &outcome {
            Outcome::Rows => RequestOutcome::Done,
            Outcome::Retry { .. } => RequestOutcome::Retried,
            Outcome::Split { .. } => RequestOutcome::Split,
        };
        counters.count_request(sent, rows.len(), began.elapsed());
        let up = !matches!(outcome, Outcome::Retry { .. });
        if counters.up.swap(up, Relaxed) != up && up {
            log::info!("{} takes rows again", counters.sink);
        }
        (outcome, results)
    }

    /// Counts the rows that are settled and returns the others, which are to be sent again.
    fn count_results(&self, part: &Block, results: &[RowResult], origin: Origin) -> Block {
        let counters = self.queue.counters();
        let mut rest = Block::default();
        let (mut delivered, mut settled) = (0, 0);
        for (row, result) in part.iter().zip(results) {
            match result {
                RowResult::Delivered => delivered += 1,
                RowResult::Rejected(reason) => {
                    counters.reject_rows(*reason, 1);
                }
                RowResult::Retry => {
                    rest.push_row(&row);
                    continue;
                }
            }
            settled += 1;
        }
        let bytes = part.bytes().len() - rest.bytes().len();
        counters.delivered.fetch_add(delivered, Relaxed);
        self.release(origin, settled, bytes);
        rest
    }

    /// Rejects all rows of a block that cannot be read to its end: none of them can be trusted.
    fn reject_unreadable(&mut self, part: &Block, origin: Origin) {
        let rows = u64::from(part.row_count());
        self.complain(&format!("{rows} rows cannot be read back and are rejected"));
        self.queue.counters().reject_rows(RejectReason::Unreadable, rows);
        self.release(origin, rows, part.bytes().len());
    }

    /// Gives up rows that are older than `retry_max` and returns the others.
    fn expire(&self, part: Block, origin: Origin) -> Block {
        let Some(retry_max) = self.retry_max else { return part };
        let retry_max_ns = u64::try_from(retry_max.as_nanos())
            .expect("the flag holds 292 years at most, and a u64 584 years of nanoseconds");
        let oldest_ns = clock::unix_ns().saturating_sub(retry_max_ns);
        if part.iter().next().is_none_or(|row| row.time_ns >= oldest_ns) {
            return part;
        }
        let mut rest = Block::default();
        part.iter().filter(|row| row.time_ns >= oldest_ns).for_each(|row| rest.push_row(&row));
        let gone = u64::from(part.row_count() - rest.row_count());
        self.queue.counters().drop_rows(DropReason::TooOld, gone);
        self.release(origin, gone, part.bytes().len() - rest.bytes().len());
        rest
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

    /// Waits before the next try; `why` is logged first. `asked` is the wait that the far end asks for.
    fn pause(&mut self, backoff: &mut Backoff, asked: Option<Duration>, why: Option<&str>) {
        self.tries += 1;
        let wait = backoff.next(self.chance.hash_one(self.tries), asked);
        if let Some(why) = why {
            self.complain(&format!("{why}; tried again after {wait:.1?}"));
        }
        self.queue.pause(wait);
    }

    fn complain(&mut self, what: &str) {
        if self.throttle.allows() {
            log::warn!("{}: {what}", self.queue.counters().sink);
        }
    }
}

/// The first half of the rows, and the second.
fn halves(part: &Block) -> (Block, Block) {
    let middle = part.row_count() / 2;
    let (mut first, mut second) = (Block::default(), Block::default());
    for (row, index) in part.iter().zip(0..) {
        if index < middle { &mut first } else { &mut second }.push_row(&row);
    }
    (first, second)
}
