//! Batches: blocks, cut and joined to what one request may hold.
//!
//! Runs on the sender. All rows of a batch come from memory, or all from one segment, since they are settled in
//! different ways.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::sinks::block::Block;
use crate::sinks::queue::SinkQueue;
use crate::sinks::queue::sending::NextRows;
use crate::sinks::spill::{Segment, SegmentPosition, SegmentReader};
use crate::sinks::{BatchLimits, Trigger};

mod open_block;

use open_block::OpenBlock;
pub(crate) use open_block::Origin;

/// The pause before a segment is read again after an error that may pass.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Rows for one request.
#[derive(Debug)]
pub(crate) struct Batch {
    /// In order.
    pub(crate) rows: Block,
    /// Where all of them came from.
    pub(crate) origin: Origin,
    /// Why they are sent now.
    pub(crate) trigger: Trigger,
}

/// Takes rows from a queue and makes batches of them.
#[derive(Debug)]
pub(crate) struct Batcher {
    queue: Arc<SinkQueue>,
    limits: BatchLimits,
    /// The block that the next rows are cut from.
    open: Option<OpenBlock>,
    /// The oldest segment, if it is being read.
    segment: Option<SegmentReader>,
    /// How many rows of the last batch came from the segment; they are settled with the batch.
    rows_from_disk: u64,
}

/// What there is to send.
#[derive(Debug)]
pub(crate) enum Collected {
    /// These rows.
    Batch(Batch),
    /// Nothing before the time that was asked for.
    Nothing,
    /// Nothing, and no more will come; or the sender has to end.
    End,
}

/// There is no row to make a batch of.
enum NoRows {
    /// Not now.
    Now,
    /// Nor will there be one.
    Ever,
}

impl Batcher {
    /// Takes rows from this queue; batches keep to these limits.
    pub(crate) fn new(queue: Arc<SinkQueue>, limits: BatchLimits) -> Self {
        Self { queue, limits, open: None, segment: None, rows_from_disk: 0 }
    }

    /// Waits until a batch is due and returns it, but no longer than `until`.
    pub(crate) fn collect(&mut self, until: Option<Instant>) -> Collected {
        loop {
            if self.open.is_none() && self.segment_is_removed() {
                self.segment = None;
            }
            let held = self.open.as_ref().and_then(OpenBlock::held);
            // An open block from disk needs no wait: its rows have waited for long.
            if self.open.is_none() || held.is_some() {
                self.note_oldest(self.open.as_ref().map_or(0, OpenBlock::oldest_ns));
                if !self.queue.wait(held, self.read_to(), until) {
                    return Collected::Nothing;
                }
            }
            if self.queue.is_over() {
                return Collected::End;
            }
            match self.gather() {
                Ok(batch) => {
                    let oldest = batch.rows.iter().next();
                    self.note_oldest(oldest.map_or(0, |row| row.time_ns));
                    return Collected::Batch(batch);
                }
                Err(NoRows::Now) => self.note_oldest(0),
                Err(NoRows::Ever) => return Collected::End,
            }
        }
    }

    /// Notes the time of the oldest row that the sender has; 0 for none.
    fn note_oldest(&self, time_ns: u64) {
        self.queue.counters().oldest_unix_ns.store(time_ns, Relaxed);
    }

    /// Makes a batch of the rows that are there now.
    fn gather(&mut self) -> Result<Batch, NoRows> {
        self.rows_from_disk = 0;
        let limits = self.limits;
        let origin = self.refill()?.origin();
        let mut batch = Batch { rows: Block::default(), origin, trigger: Trigger::Time };
        while let Ok(open) = self.refill()
            && open.origin() == origin
        {
            let rows_before = batch.rows.row_count();
            let is_full = open.cut(&mut batch.rows, limits);
            if open.is_used_up() {
                self.open = None;
            }
            if limits.is_due(batch.rows.bytes().len(), batch.rows.row_count() as usize) {
                batch.trigger = Trigger::Size;
            }
            if origin == Origin::Disk {
                self.rows_from_disk += u64::from(batch.rows.row_count() - rows_before);
            }
            if is_full {
                break;
            }
        }
        Ok(batch)
    }

    /// Returns the open block; opens the next one first if none is open.
    fn refill(&mut self) -> Result<&mut OpenBlock, NoRows> {
        if self.open.is_none() {
            self.open = Some(match self.queue.take(self.read_to()) {
                NextRows::Block(queued) => OpenBlock::from_memory(queued),
                NextRows::Segment(oldest) => self.read(&oldest)?,
                NextRows::Nothing => return Err(NoRows::Now),
                NextRows::End => return Err(NoRows::Ever),
            });
        }
        Ok(self.open.as_mut().expect("a block was opened if none was open"))
    }

    /// Reads the next block of the oldest segment.
    fn read(&mut self, oldest: &Segment) -> Result<OpenBlock, NoRows> {
        let spill = self.queue.spill().expect("segments come from a spill directory");
        let opened = match self.segment.take() {
            Some(reader) if reader.next().number == oldest.number() => Ok(reader),
            _ => spill.read(oldest),
        };
        let read = opened.and_then(|reader| {
            let reader = self.segment.insert(reader);
            let frame = reader.next();
            Ok(OpenBlock::from_disk(reader.read_block()?, frame))
        });
        read.map_err(|error| {
            self.cannot_read(oldest, &error);
            NoRows::Now
        })
    }

    /// Sets a damaged segment aside. After any other error, such as too few descriptors, it will be read again.
    fn cannot_read(&mut self, oldest: &Segment, error: &io::Error) {
        if self.rows_from_disk > 0 {
            // The rows before the damage are in the batch at hand and have to be settled first. The next batch
            // begins with this error.
            return;
        }
        let sink = self.queue.counters().sink;
        if matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::NotFound
        ) {
            log::error!(
                "-spill-dir: rows of {sink} cannot be read back: {error}; the rest of the segment is set aside"
            );
            self.segment = None;
            self.queue.settled(oldest.end(), 0);
        } else {
            log::warn!("-spill-dir: rows of {sink} cannot be read now: {error}; tried again");
            self.queue.pause(READ_AGAIN);
        }
    }

    /// How far the oldest segment was read, if it is being read.
    fn read_to(&self) -> Option<SegmentPosition> {
        self.segment.as_ref().map(SegmentReader::next)
    }

    /// Whether the segment was read to its end and is removed. The last batch of it may have been settled while
    /// the spooler wrote to the segment, so that it had to stay.
    fn segment_is_removed(&self) -> bool {
        self.read_to().is_some_and(|read_to| self.queue.settled(read_to, 0))
    }

    /// Notes that all rows of the last batch are settled.
    pub(crate) fn settled(&mut self) {
        let Some(reader) = &self.segment else { return };
        // A block that is not used up is sent again from its beginning if the server crashes now.
        let position = self.open.as_ref().and_then(OpenBlock::frame).unwrap_or(reader.next());
        if let Err(error) = reader.set_position(position.offset) {
            log::warn!("-spill-dir: cannot note what is delivered: {error}; it may be sent again");
        }
        if self.queue.settled(position, std::mem::take(&mut self.rows_from_disk)) {
            self.segment = None;
        }
    }

    /// Adds to `left`, which were in the last batch, the rows that were taken from memory and are in no batch.
    pub(crate) fn into_left(self, mut left: Vec<Block>) -> Vec<Block> {
        let open = self.open.filter(|open| open.origin() == Origin::Memory);
        left.extend(open.map(OpenBlock::into_left));
        left
    }
}
