//! A worker's side of a sink: rows become blocks, and blocks leave for the spooler.
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

/// Bytes past which a block is full.
const BLOCK_BYTES: usize = 64 * 1024;
/// Bytes that may be on their way to one spooler: those of a second in which a disk does not answer, at
/// 100,000 rows of 160 bytes.
const ON_THE_WAY_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// What a block takes besides its rows.
pub(crate) const BLOCK_OVERHEAD_BYTES: usize = 64;

/// Where one worker leaves rows for one sink.
#[derive(Debug)]
pub struct Outbox {
    worker: usize,
    block: Block,
    sender: Sender<Block>,
    counters: Arc<SinkCounters>,
}

impl Outbox {
    /// Of the worker with this number.
    pub fn new(worker: usize, sender: Sender<Block>, counters: Arc<SinkCounters>) -> Self {
        Self { worker, block: Block::default(), sender, counters }
    }

    /// Takes a message. `constants` are the labels that override its own.
    pub fn push(&mut self, sample: &Sample<'_>, constants: &[ConstantLabel]) {
        self.block.push(clock::unix_ns(), sample, constants);
        self.counters.workers[self.worker].enqueued.add(1);
        if self.block.bytes.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Sends what there is; at the end of what the worker has read.
    pub fn flush(&mut self) {
        if self.block.rows == 0 {
            return;
        }
        let block = std::mem::take(&mut self.block);
        let rows = u64::from(block.rows);
        let bytes = (block.bytes.len() + BLOCK_OVERHEAD_BYTES) as u64;
        let room = self.counters.on_the_way_bytes.load(Relaxed) + bytes <= ON_THE_WAY_MAX_BYTES;
        if room {
            self.counters.on_the_way_bytes.fetch_add(bytes, Relaxed);
        }
        // The spooler is gone only after a fault that ends the server.
        if !room || self.sender.send(block).is_err() {
            self.counters.workers[self.worker].lost.add(rows);
        }
    }
}

/// All outboxes of one worker.
#[derive(Debug, Default)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    /// Which one takes messages of an op, by the op's index.
    by_op: [Option<usize>; Op::ALL.len()],
}

impl Outboxes {
    /// Adds one, for these ops.
    pub fn add(&mut self, outbox: Outbox, ops: &[Op]) {
        for op in ops {
            self.by_op[*op as usize] = Some(self.boxes.len());
        }
        self.boxes.push(outbox);
    }

    /// Takes the message, if there is a sink for its op; tells whether.
    #[inline]
    pub fn push(&mut self, sample: &Sample<'_>, constants: &[ConstantLabel]) -> bool {
        let Some(number) = self.by_op[sample.op as usize] else { return false };
        self.boxes[number].push(sample, constants);
        true
    }

    /// Sends what there is.
    #[inline]
    pub fn flush(&mut self) {
        self.boxes.iter_mut().for_each(Outbox::flush);
    }

    /// The worker ends: what is still here is sent, and the spoolers hear that nothing more comes.
    pub fn finish(mut self) {
        self.flush();
    }
}
