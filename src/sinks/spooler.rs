//! The spooler: receives workers' blocks as they come, so that no worker ever waits for a disk or a network.
//!
//! Runs on its own thread, one per sink. It gives rows their final times and numbers, and it alone appends to
//! segments on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use crate::logger::throttle::Throttle;
use crate::sinks::block::{Block, Stamps};
use crate::sinks::drop_log::DropLog;
use crate::sinks::outbox;
use crate::sinks::queue::SinkQueue;
use crate::sinks::spill::SegmentWriter;

/// The longest time for which rows on disk would be lost if the machine failed.
const SYNC_PERIOD: Duration = Duration::from_millis(200);

/// How often the spooler looks for drops to tell of while no blocks come.
const DROPS_PERIOD: Duration = Throttle::USUAL_PERIOD;

/// One sink's spooler.
#[derive(Debug)]
pub struct Spooler {
    blocks: Receiver<Block>,
    queue: Arc<SinkQueue>,
    stamps: Stamps,
}

impl Spooler {
    /// Receives blocks from workers, stamps their rows, and puts them into the queue.
    pub fn new(blocks: Receiver<Block>, queue: Arc<SinkQueue>, stamps: Stamps) -> Self {
        Self { blocks, queue, stamps }
    }

    /// Runs until all workers have ended.
    pub fn run(mut self) {
        let mut writer = SegmentWriter::default();
        let mut drops = DropLog::default();
        let mut synced = Instant::now();
        loop {
            let received = if writer.is_dirty() {
                self.blocks.recv_timeout(SYNC_PERIOD)
            } else {
                synced = Instant::now();
                self.blocks.recv_timeout(DROPS_PERIOD)
            };
            match received {
                Ok(mut block) => {
                    let bytes = outbox::on_the_way_bytes(&block);
                    self.queue.counters().on_the_way_bytes.fetch_sub(bytes, Relaxed);
                    block.stamp(&mut self.stamps);
                    self.queue.put(block, &mut writer);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            drops.tell(self.queue.counters());
            if writer.is_dirty() && synced.elapsed() >= SYNC_PERIOD {
                self.sync(&mut writer);
                synced = Instant::now();
            }
        }
        self.sync(&mut writer);
        drops.tell_rest(self.queue.counters());
        self.queue.close();
    }

    fn sync(&self, writer: &mut SegmentWriter) {
        if let Err(error) = writer.sync() {
            log::warn!(
                "-spill-dir: rows of {} may not survive the machine: {error}",
                self.queue.counters().sink
            );
        }
    }
}
