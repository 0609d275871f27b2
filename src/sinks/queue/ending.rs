//! The end of the queue: main sets a deadline and waits; the sender leaves, and what it could not send goes to
//! disk.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{SinkQueue, Stage};
use crate::sinks::DropReason;
use crate::sinks::block::Block;
use crate::sinks::spill::Segment;

/// How long the sender waits for the spooler to end. The spooler has only to take what workers have sent to it.
const LAST_BLOCKS_WAIT: Duration = Duration::from_secs(1);

impl SinkQueue {
    /// Sets the time at which the sender has to end. Called by main when the server stops.
    pub fn stop_by(&self, deadline: Instant) {
        self.state.lock().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// Whether the sender has to end.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits until the sender has ended, but no longer than `until`; returns whether it has. Called by main.
    pub(crate) fn wait_ended(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while state.stage < Stage::Ended && !self.changed.wait_until(&mut state, until).timed_out()
        {
        }
        state.stage == Stage::Ended
    }

    /// Writes what is left in memory to disk, before the segments that are there, and drops what has no room.
    /// `left` are rows that the sender has taken and not delivered. Called by the sender at its end; it waits for
    /// the last blocks of the spooler first.
    pub(crate) fn keep(&self, mut left: Vec<Block>) {
        let until = Instant::now() + LAST_BLOCKS_WAIT;
        let mut state = self.state.lock();
        while state.stage < Stage::Closed && !self.changed.wait_until(&mut state, until).timed_out()
        {
        }
        left.extend(state.blocks.drain(..).map(|queued| queued.block));
        if !left.is_empty() {
            self.keep_blocks(&state.segments, &left);
        }
        state.stage = Stage::Ended;
        self.changed.notify_all();
    }

    fn keep_blocks(&self, segments: &VecDeque<Segment>, left: &[Block]) {
        let rows =
            |blocks: &[Block]| blocks.iter().map(|block| u64::from(block.row_count())).sum::<u64>();
        let kept_blocks = self.spill.as_ref().map_or(0, |spill| {
            let written = spill.write_before(segments, left);
            self.counters.enter_disk(rows(&left[..written.blocks]), written.segment_bytes);
            if let Some(error) = written.error {
                log::error!("-spill-dir: cannot keep rows of {}: {error}", self.counters.sink);
            }
            written.blocks
        });
        let dropped = rows(&left[kept_blocks..]);
        if dropped > 0 {
            let sink = self.counters.sink;
            let cause = if self.spill.is_some() { ": -spill-dir has no room" } else { "" };
            log::warn!("{sink}: {dropped} rows were not delivered and are dropped{cause}");
            self.counters.drop_rows(DropReason::Shutdown, dropped);
        }
        let bytes = left.iter().map(|block| block.bytes().len()).sum();
        self.counters.leave_memory(rows(left), bytes);
    }
}
