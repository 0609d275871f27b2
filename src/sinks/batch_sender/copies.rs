//! Copies on disk of what waits aside in memory, so that a crash loses none of it.
//!
//! Runs on the sender. They are in one segment, which only grows: it is removed once nothing waits aside, and written
//! anew if most of it is of rows that are settled. After a crash those are sent again as well, as they were.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::aside::Aside;
use crate::logger::throttle::Throttle;
use crate::sinks::block::Block;
use crate::sinks::queue::SinkQueue;
use crate::sinks::spill::CopySegment;

/// A segment of twice the bytes that wait aside, and this, is written anew.
const SETTLED_MAX_BYTES: u64 = 1 << 20;

/// The copies of one sink.
#[derive(Debug)]
pub(super) struct Copies {
    /// Without a directory there are none.
    queue: Arc<SinkQueue>,
    segment: Option<CopySegment>,
    throttle: Throttle,
}

impl Copies {
    /// Copies in the directory of this queue.
    pub(super) fn new(queue: Arc<SinkQueue>) -> Self {
        Self { queue, segment: None, throttle: Throttle::default() }
    }

    /// Adds rows to the segment; returns whether there is one.
    pub(super) fn add(&mut self, rows: &Block) -> bool {
        let Some(segment) = self.segment.as_mut().filter(|segment| segment.is_there()) else {
            return false;
        };
        if let Err(error) = segment.append([rows]) {
            self.complain(&error);
        }
        true
    }

    /// Writes all that waits aside into a new segment, in place of the one there was.
    pub(super) fn write(&mut self, aside: &Aside) {
        let Some(spill) = self.queue.spill() else { return };
        let mut segment = match spill.copy_segment() {
            Ok(segment) => segment,
            Err(error) => return self.complain(&error),
        };
        let written = segment.append(aside.blocks());
        self.remove();
        self.segment = Some(segment);
        if let Err(error) = written {
            self.complain(&error);
        }
    }

    /// Removes the segment if nothing waits aside any more, and writes it anew if it is far too long.
    pub(super) fn tidy(&mut self, aside: &Aside) {
        let Some(segment) = &self.segment else { return };
        if aside.is_empty() {
            self.remove();
        } else if segment.bytes() > 2 * aside.bytes() + SETTLED_MAX_BYTES {
            self.write(aside);
        }
    }

    /// Removes the segment, since all of its rows are settled or kept elsewhere.
    pub(super) fn remove(&mut self) {
        if let Some(segment) = self.segment.take()
            && let Err(error) = segment.remove()
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!(
                "-spill-dir: rows that were set aside are sent again after the next start: {error}"
            );
        }
    }

    fn complain(&mut self, error: &io::Error) {
        let counters = self.queue.counters();
        counters.spill_errors.fetch_add(1, Relaxed);
        if self.throttle.allows() {
            let sink = counters.sink;
            log::warn!(
                "-spill-dir: cannot copy rows of {sink} that wait aside: {error}; a crash would lose them"
            );
        }
    }
}
