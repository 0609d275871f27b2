//! The sender: takes rows in their order, hands them to the sink batch by batch, repeats what was not
//! taken, and counts what became of them.
//!
//! Runs on its own thread, one per sink. A batch is settled before the next is taken, so rows arrive in
//! order; only rows that the far end asks for again come behind others of their own batch.

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
    /// How old a row may become before it is given up; `None`: as old as need be.
    retry_max: Option<Duration>,
    chance: ahash::RandomState,
    tries: u64,
    /// Of log lines about failures.
    throttle: Throttle,
}

impl BatchSender {
    /// For this sink and its queue.
    pub fn new(sink: Box<dyn Sink>, queue: Arc<SinkQueue>, retry_max: Option<Duration>) -> Self {
        let chance = ahash::RandomState::new();
        Self { sink, queue, retry_max, chance, tries: 0, throttle: Throttle::default() }
    }

    /// Runs until everything is delivered and nothing more comes, or until the end that main has set.
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
            // What came from disk is still there.
            let left = if origin == Origin::Memory { left } else { Vec::new() };
            self.queue.keep(batcher.into_left(left));
            return;
        }
        self.queue.keep(batcher.into_left(Vec::new()));
    }

    /// Repeats until each row is settled. What is left at the end of the server comes back.
    fn settle(&mut self, batch: Batch) -> Vec<Block> {
        let origin = batch.origin;
        let mut parts = VecDeque::from([batch.rows]);
        let mut backoff = Backoff::default();
        while let Some(mut part) = parts.pop_front() {
            if self.queue.is_over() {
                parts.push_front(part);
                return parts.into();
            }
            if part.iter().count() != part.rows as usize {
                self.reject_unreadable(&part, origin);
                continue;
            }
            let (outcome, results) = self.send(&part, batch.trigger);
            match outcome {
                Outcome::Rows => {
                    let before = part.rows;
                    part = self.count_results(&part, &results, origin);
                    if part.rows < before {
                        backoff.reset();
                    }
                    if part.rows > 0 {
                        self.pause(&mut backoff, None, None);
                        part = self.expire(part, origin);
                    }
                }
                Outcome::Retry { why, after } => {
                    self.pause(&mut backoff, after, Some(&why));
                    part = self.expire(part, origin);
                }
                Outcome::Split { why, reason } if part.rows <= 1 => {
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
            if part.rows > 0 {
                parts.push_front(part);
            }
        }
        Vec::new()
    }

    /// One request.
    fn send(&mut self, part: &Block, trigger: Trigger) -> (Outcome, Vec<RowResult>) {
        let rows: Vec<Row<'_>> = part.iter().collect();
        let mut results = Vec::with_capacity(rows.len());
        let began = Instant::now();
        let sink = &mut self.sink;
        let deliver = AssertUnwindSafe(|| sink.deliver(&rows, trigger, &mut results));
        let mut outcome = catch_unwind(deliver).unwrap_or_else(|_| Outcome::Split {
            why: "a fault of the server; the line before names the place".to_owned(),
            reason: RejectReason::Unreadable,
        });
        if outcome == Outcome::Rows && results.len() != rows.len() {
            let why = format!("{} results for {} rows", results.len(), rows.len());
            outcome = Outcome::Retry { why, after: None };
        }
        let counters = &self.queue.counters;
        let sent = match &outcome {
            Outcome::Rows => RequestOutcome::Done,
            Outcome::Retry { .. } => RequestOutcome::Retried,
            Outcome::Split { .. } => RequestOutcome::Split,
        };
        counters.requests[sent as usize].fetch_add(1, Relaxed);
        counters.request_rows.fetch_add(rows.len() as u64, Relaxed);
        counters
            .request_ns
            .fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        let up = !matches!(outcome, Outcome::Retry { .. });
        if counters.up.swap(up, Relaxed) != up && up {
            log::info!("{} takes rows again", counters.sink);
        }
        (outcome, results)
    }

    /// Counts the rows that are settled and returns the others.
    fn count_results(&self, part: &Block, results: &[RowResult], origin: Origin) -> Block {
        let counters = &self.queue.counters;
        let mut rest = Block::default();
        let (mut delivered, mut settled) = (0, 0);
        for (row, result) in part.iter().zip(results) {
            match result {
                RowResult::Delivered => delivered += 1,
                RowResult::Rejected(reason) => {
                    counters.rejected[*reason as usize].fetch_add(1, Relaxed);
                }
                RowResult::Retry => {
                    rest.push_row(&row);
                    continue;
                }
            }
            settled += 1;
        }
        let bytes = part.bytes.len() - rest.bytes.len();
        counters.delivered.fetch_add(delivered, Relaxed);
        self.release(origin, settled, bytes);
        rest
    }

    /// Of a block whose bytes are not all rows none can be trusted.
    fn reject_unreadable(&mut self, part: &Block, origin: Origin) {
        let rows = u64::from(part.rows);
        self.complain(&format!("{rows} rows cannot be read back and are rejected"));
        self.queue.counters.rejected[RejectReason::Unreadable as usize].fetch_add(rows, Relaxed);
        self.release(origin, rows, part.bytes.len());
    }

    /// Gives up rows that are too old.
    fn expire(&self, part: Block, origin: Origin) -> Block {
        let Some(retry_max) = self.retry_max else { return part };
        let retry_max_ns = u64::try_from(retry_max.as_nanos()).unwrap_or(u64::MAX);
        let oldest_ns = clock::unix_ns().saturating_sub(retry_max_ns);
        if part.iter().next().is_none_or(|row| row.time_ns >= oldest_ns) {
            return part;
        }
        let mut rest = Block::default();
        part.iter().filter(|row| row.time_ns >= oldest_ns).for_each(|row| rest.push_row(&row));
        let gone = u64::from(part.rows - rest.rows);
        self.queue.counters.drop_rows(DropReason::TooOld, gone);
        self.release(origin, gone, part.bytes.len() - rest.bytes.len());
        rest
    }

    /// Rows are settled: they leave the gauge of the place they came from.
    fn release(&self, origin: Origin, rows: u64, bytes: usize) {
        let counters = &self.queue.counters;
        match origin {
            Origin::Memory => {
                counters.queued_rows.fetch_sub(rows, Relaxed);
                counters.queued_bytes.fetch_sub(bytes as u64, Relaxed);
            }
            Origin::Disk => {
                counters.spilled_rows.fetch_sub(rows, Relaxed);
            }
        }
    }

    /// Waits before the next try, after it was said why.
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
            log::warn!("{}: {what}", self.queue.counters.sink);
        }
    }
}

fn halves(part: &Block) -> (Block, Block) {
    let middle = part.rows / 2;
    let (mut first, mut second) = (Block::default(), Block::default());
    for (row, index) in part.iter().zip(0..) {
        if index < middle { &mut first } else { &mut second }.push_row(&row);
    }
    (first, second)
}
