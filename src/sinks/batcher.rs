//! Batches: blocks, cut and joined to what one request may hold.
//!
//! Runs on the sender. A batch comes from memory or from one segment, never from both.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::sinks::block::Block;
use crate::sinks::queue::{NextRows, SinkQueue};
use crate::sinks::spill::{Segment, SegmentReader};
use crate::sinks::{BatchLimits, Trigger};

/// The pause after an error of the disk that may pass.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Where rows were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In memory.
    Memory,
    /// In a segment.
    Disk,
}

/// Rows for one request.
#[derive(Debug)]
pub(crate) struct Batch {
    /// In order.
    pub rows: Block,
    /// Of all of them.
    pub origin: Origin,
    /// Why now.
    pub trigger: Trigger,
}

/// A block that is being cut.
#[derive(Debug)]
struct OpenBlock {
    block: Block,
    /// Bytes and rows of it that are in batches.
    cut: (usize, u32),
    origin: Origin,
    came: Instant,
    /// Of a frame: where it begins.
    frame: u64,
}

/// Takes batches from a queue.
#[derive(Debug)]
pub(crate) struct Batcher {
    queue: Arc<SinkQueue>,
    limits: BatchLimits,
    open: Option<OpenBlock>,
    segment: Option<SegmentReader>,
    /// Rows of the batch at hand, if it came from the segment.
    from_disk: u64,
}

/// Whether there is a block to cut from.
enum Refill {
    Rows,
    Nothing,
    End,
}

impl Batcher {
    /// From this queue, batches within these limits.
    pub(crate) fn new(queue: Arc<SinkQueue>, limits: BatchLimits) -> Self {
        Self { queue, limits, open: None, segment: None, from_disk: 0 }
    }

    /// The next batch; waits until one is due. `None` at the end: nothing more comes, or the sender has
    /// to end.
    pub(crate) fn collect(&mut self) -> Option<Batch> {
        loop {
            if self.open.is_none() && self.segment_is_done() {
                self.segment = None;
            }
            let open = self.open.as_ref().filter(|open| open.origin == Origin::Memory);
            let held = open.map(|open| (open.bytes_left(), open.rows_left(), open.came));
            if self.open.is_none() || held.is_some() {
                self.queue.wait(held, self.seen());
            }
            if self.queue.is_over() {
                return None;
            }
            match self.gather() {
                (Some(batch), _) => {
                    let oldest = batch.rows.iter().next().map_or(0, |row| row.time_ns);
                    self.queue.counters.oldest_unix_ns.store(oldest, Relaxed);
                    return Some(batch);
                }
                (None, Refill::End) => return None,
                (None, _) => self.queue.counters.oldest_unix_ns.store(0, Relaxed),
            }
        }
    }

    /// A batch of what there is now.
    fn gather(&mut self) -> (Option<Batch>, Refill) {
        let mut batch: Option<Batch> = None;
        self.from_disk = 0;
        loop {
            let have = self.refill();
            let (Refill::Rows, Some(open)) = (&have, &mut self.open) else { return (batch, have) };
            let origin = open.origin;
            let batch_now = batch.get_or_insert_with(|| Batch {
                rows: Block::default(),
                origin,
                trigger: Trigger::Time,
            });
            if batch_now.origin != origin {
                return (batch, Refill::Rows);
            }
            let before = batch_now.rows.rows;
            let full = open.cut(&mut batch_now.rows, self.limits);
            if self.limits.is_due(batch_now.rows.bytes.len(), batch_now.rows.rows as usize) {
                batch_now.trigger = Trigger::Size;
            }
            if origin == Origin::Disk {
                self.from_disk += u64::from(batch_now.rows.rows - before);
            }
            if open.bytes_left() == 0 {
                self.open = None;
            }
            if full {
                return (batch, Refill::Rows);
            }
        }
    }

    /// Opens the next block if none is open.
    fn refill(&mut self) -> Refill {
        if self.open.is_some() {
            return Refill::Rows;
        }
        match self.queue.take(self.seen()) {
            NextRows::Block(block, came) => {
                self.open =
                    Some(OpenBlock { block, cut: (0, 0), origin: Origin::Memory, came, frame: 0 });
                Refill::Rows
            }
            NextRows::Segment(segment) => self.read(&segment),
            NextRows::Nothing => Refill::Nothing,
            NextRows::End => Refill::End,
        }
    }

    /// Opens the next block of the oldest segment.
    fn read(&mut self, oldest: &Segment) -> Refill {
        let Some(spill) = &self.queue.spill else { return Refill::Nothing };
        let opened = match self.segment.take().filter(|open| open.number == oldest.number) {
            Some(open) => Ok(open),
            None => spill.read(oldest),
        };
        let read = opened.and_then(|reader| {
            let reader = self.segment.insert(reader);
            let frame = reader.at;
            Ok((frame, reader.block()?))
        });
        match read {
            Ok((frame, block)) => {
                let (origin, came) = (Origin::Disk, Instant::now());
                self.open = Some(OpenBlock { block, cut: (0, 0), origin, came, frame });
                Refill::Rows
            }
            Err(error) => {
                self.cannot_read(oldest, &error);
                Refill::Nothing
            }
        }
    }

    /// A damaged segment is set aside, once the rows before the damage are settled; any other error, as for
    /// want of descriptors, may pass.
    fn cannot_read(&mut self, oldest: &Segment, error: &io::Error) {
        if self.from_disk > 0 {
            return; // met again with the next batch
        }
        let sink = self.queue.counters.sink;
        if matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::NotFound
        ) {
            log::error!(
                "-spill-dir: rows of {sink} cannot be read back: {error}; the rest of the segment is set aside"
            );
            self.segment = None;
            self.queue.delivered(oldest.number, oldest.end, 0);
        } else {
            log::warn!("-spill-dir: rows of {sink} cannot be read now: {error}; tried again");
            self.queue.pause(READ_AGAIN);
        }
    }

    /// How far the oldest segment was read.
    fn seen(&self) -> Option<(u64, u64)> {
        self.segment.as_ref().map(|reader| (reader.number, reader.at))
    }

    fn segment_is_done(&self) -> bool {
        self.segment
            .as_ref()
            .is_some_and(|reader| self.queue.delivered(reader.number, reader.at, 0))
    }

    /// The batch is settled.
    pub(crate) fn settled(&mut self) {
        let Some(reader) = &self.segment else { return };
        let cut = self.open.as_ref().filter(|open| open.origin == Origin::Disk);
        let position = cut.map_or(reader.at, |open| open.frame);
        if let Err(error) = reader.set_position(position) {
            log::warn!("-spill-dir: cannot note what is delivered: {error}; it may be sent again");
        }
        if self.queue.delivered(reader.number, position, std::mem::take(&mut self.from_disk)) {
            self.segment = None;
        }
    }

    /// What was taken from memory and is in no batch, behind `left`.
    pub(crate) fn into_left(self, mut left: Vec<Block>) -> Vec<Block> {
        if let Some(open) = self.open.filter(|open| open.origin == Origin::Memory) {
            let mut rest = Block::default();
            open.block.iter_from(open.cut.0).for_each(|row| rest.push_row(&row));
            left.push(rest);
        }
        left
    }
}

impl OpenBlock {
    fn bytes_left(&self) -> usize {
        self.block.bytes.len() - self.cut.0
    }

    fn rows_left(&self) -> usize {
        (self.block.rows - self.cut.1) as usize
    }

    /// Moves rows to the batch; returns whether that is full.
    fn cut(&mut self, batch: &mut Block, limits: BatchLimits) -> bool {
        let fits = batch.bytes.len() + self.bytes_left() <= limits.max_bytes
            && batch.rows as usize + self.rows_left() <= limits.max_rows;
        if fits {
            batch.bytes.extend_from_slice(&self.block.bytes[self.cut.0..]);
            batch.rows += self.block.rows - self.cut.1;
            self.cut = (self.block.bytes.len(), self.block.rows);
        } else {
            for row in self.block.iter_from(self.cut.0) {
                let bytes = row.encoded().len();
                let over = batch.bytes.len() + bytes > limits.max_bytes
                    || batch.rows as usize >= limits.max_rows;
                if over && batch.rows > 0 {
                    return true;
                }
                batch.push_row(&row);
                self.cut = (self.cut.0 + bytes, self.cut.1 + 1);
            }
        }
        batch.bytes.len() >= limits.max_bytes || batch.rows as usize >= limits.max_rows
    }
}
