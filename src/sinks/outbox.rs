//! A worker's side of a sink: messages become rows in blocks, and blocks leave for the spooler.
//!
//! Runs on an ingest worker, which never waits here: a block that finds no room is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam::channel::Sender;

use crate::clock;
use crate::metric::{Op, Sample};
use crate::sinks::block::Block;
use crate::sinks::counters::SinkCounters;
use crate::text::labels::ConstantLabel;

/// Once a block holds so many bytes it is sent.
const BLOCK_BYTES: usize = 64 * 1024;
/// Bytes that may be on their way to one spooler. At 100,000 rows of 160 bytes a second they are the rows of one
/// second, so a disk may take that long to answer before rows are dropped.
const ON_THE_WAY_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Memory that a block takes besides its rows.
const BLOCK_OVERHEAD_BYTES: usize = 64;

/// What a block counts for while it is on its way to the spooler.
pub(crate) fn on_the_way_bytes(block: &Block) -> u64 {
    (block.bytes().len() + BLOCK_OVERHEAD_BYTES) as u64
}

/// Where one worker puts rows for one sink.
#[derive(Debug)]
pub struct Outbox {
    worker: usize,
    block: Block,
    sender: Sender<Block>,
    counters: Arc<SinkCounters>,
}

impl Outbox {
    /// The outbox of the worker with this number.
    pub fn new(worker: usize, sender: Sender<Block>, counters: Arc<SinkCounters>) -> Self {
        Self { worker, block: Block::default(), sender, counters }
    }

    /// Takes a message. `constants` are labels that override its own.
    pub fn push(&mut self, sample: &Sample<'_>, constants: &[ConstantLabel]) {
        self.block.push(clock::unix_ns(), sample, constants);
        self.counters.workers[self.worker].enqueued.add(1);
        if self.block.bytes().len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Sends the rows that are here. Called when the worker is through with what it has read.
    pub fn flush(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let block = std::mem::take(&mut self.block);
        let rows = u64::from(block.row_count());
        let bytes = on_the_way_bytes(&block);
        let has_room = self.counters.on_the_way_bytes.load(Relaxed) + bytes <= ON_THE_WAY_MAX_BYTES;
        if has_room {
            self.counters.on_the_way_bytes.fetch_add(bytes, Relaxed);
        }
        // Sending fails only if the spooler is gone, which takes a fault that ends the server.
        if !has_room || self.sender.send(block).is_err() {
            self.counters.workers[self.worker].lost.add(rows);
        }
    }
}

/// All outboxes of one worker.
#[derive(Debug, Default)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    /// By the index of an op: which of the outboxes takes its messages.
    by_op: [Option<usize>; Op::ALL.len()],
}

impl Outboxes {
    /// Adds an outbox for messages with these ops.
    pub fn add(&mut self, outbox: Outbox, ops: &[Op]) {
        for op in ops {
            self.by_op[*op as usize] = Some(self.boxes.len());
        }
        self.boxes.push(outbox);
    }

    /// Whether there is a sink for messages with this op.
    pub(crate) fn take(&self, op: Op) -> bool {
        self.by_op[op as usize].is_some()
    }

    /// Takes the message if there is a sink for its op; returns whether there is.
    #[inline]
    pub fn push(&mut self, sample: &Sample<'_>, constants: &[ConstantLabel]) -> bool {
        let Some(number) = self.by_op[sample.op as usize] else { return false };
        self.boxes[number].push(sample, constants);
        true
    }

    /// Sends the rows that are here.
    #[inline]
    pub fn flush(&mut self) {
        self.boxes.iter_mut().for_each(Outbox::flush);
    }

    /// Sends the rows that are here and drops the outboxes, since the worker ends. Once all workers' are dropped
    /// the spoolers end.
    pub fn finish(mut self) {
        self.flush();
    }
}
