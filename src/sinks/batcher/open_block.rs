//! A block that is being cut into batches.
//!
//! Pure data.

use std::time::Instant;

use crate::sinks::BatchLimits;
use crate::sinks::block::Block;
use crate::sinks::queue::QueuedBlock;
use crate::sinks::queue::sending::HeldRows;
use crate::sinks::spill::SegmentPosition;

/// Where rows came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From memory.
    Memory,
    /// From a segment on disk.
    Disk,
}

/// A block of which some rows are in batches already.
#[derive(Debug)]
pub(super) struct OpenBlock {
    block: Block,
    /// Bytes of the rows that are in batches.
    batched_bytes: usize,
    /// How many rows that is.
    batched_rows: u32,
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Memory {
        arrived: Instant,
    },
    /// The block's frame begins there.
    Disk {
        frame: SegmentPosition,
    },
}

impl OpenBlock {
    /// A block from memory.
    pub(super) fn from_memory(queued: QueuedBlock) -> Self {
        let source = Source::Memory { arrived: queued.arrived };
        Self { block: queued.block, batched_bytes: 0, batched_rows: 0, source }
    }

    /// A block from a segment, whose frame begins there.
    pub(super) fn from_disk(block: Block, frame: SegmentPosition) -> Self {
        Self { block, batched_bytes: 0, batched_rows: 0, source: Source::Disk { frame } }
    }

    pub(super) fn origin(&self) -> Origin {
        match self.source {
            Source::Memory { .. } => Origin::Memory,
            Source::Disk { .. } => Origin::Disk,
        }
    }

    /// The rows that are left, if the block came from memory.
    pub(super) fn held(&self) -> Option<HeldRows> {
        match self.source {
            Source::Memory { arrived } => Some(HeldRows {
                bytes: self.bytes_left(),
                rows: self.rows_left() as usize,
                arrived,
            }),
            Source::Disk { .. } => None,
        }
    }

    /// Where the block's frame begins, if it came from disk.
    pub(super) fn frame(&self) -> Option<SegmentPosition> {
        match self.source {
            Source::Memory { .. } => None,
            Source::Disk { frame } => Some(frame),
        }
    }

    /// The time of the oldest row that is in no batch; 0 if it cannot be read.
    pub(super) fn oldest_ns(&self) -> u64 {
        self.block.iter_from(self.batched_bytes).next().map_or(0, |row| row.time_ns)
    }

    /// Whether all rows are in batches.
    pub(super) fn is_used_up(&self) -> bool {
        self.bytes_left() == 0
    }

    fn bytes_left(&self) -> usize {
        self.block.bytes().len() - self.batched_bytes
    }

    fn rows_left(&self) -> u32 {
        self.block.row_count() - self.batched_rows
    }

    /// Moves rows into the batch, as many as fit. Returns whether the batch is full.
    pub(super) fn cut(&mut self, batch: &mut Block, limits: BatchLimits) -> bool {
        let fits = batch.bytes().len() + self.bytes_left() <= limits.max_bytes
            && (batch.row_count() + self.rows_left()) as usize <= limits.max_rows;
        if fits {
            self.move_rest(batch);
        } else {
            for row in self.block.iter_from(self.batched_bytes) {
                let bytes = row.encoded().len();
                let is_over = batch.bytes().len() + bytes > limits.max_bytes
                    || batch.row_count() as usize >= limits.max_rows;
                // A row that alone is too long is sent alone.
                if is_over && !batch.is_empty() {
                    return true;
                }
                batch.push_row(&row);
                self.batched_bytes += bytes;
                self.batched_rows += 1;
            }
            // What is left cannot be read. It makes a batch of its own, which the sender rejects.
            if !self.is_used_up() {
                if batch.is_empty() {
                    self.move_rest(batch);
                }
                return true;
            }
        }
        batch.bytes().len() >= limits.max_bytes || batch.row_count() as usize >= limits.max_rows
    }

    /// Moves all rows that are left into the batch, whether or not they can be read.
    fn move_rest(&mut self, batch: &mut Block) {
        batch.push_encoded(&self.block.bytes()[self.batched_bytes..], self.rows_left());
        self.batched_bytes = self.block.bytes().len();
        self.batched_rows = self.block.row_count();
    }

    /// The rows that are in no batch.
    pub(super) fn into_left(mut self) -> Block {
        let mut left = Block::default();
        self.move_rest(&mut left);
        left
    }
}
