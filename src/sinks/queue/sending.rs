//! The sender's side of the queue: waiting until a batch is due, taking the oldest rows, and noting what is
//! delivered.

use std::time::{Duration, Instant};

use super::{Disk, QueuedBlock, SinkQueue, Stage};
use crate::planted::{self, Fault};
use crate::sinks::spill::{Segment, SegmentPosition};

/// What there is to take.
#[derive(Debug)]
pub(crate) enum NextRows {
    /// The oldest block in memory.
    Block(QueuedBlock),
    /// The oldest segment, since memory is empty.
    Segment(Segment),
    /// Nothing now.
    Nothing,
    /// Nothing, and no more will come.
    End,
}

/// Rows that the sender has taken from memory and not yet put into a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldRows {
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
    /// When they came into the queue.
    pub(crate) arrived: Instant,
}

impl SinkQueue {
    /// Takes the oldest rows. `read_to` is how far the sender has read the oldest segment, if it reads one.
    pub(crate) fn take(&self, read_to: Option<SegmentPosition>) -> NextRows {
        let mut state = self.state.lock();
        let taken = if planted::is(Fault::NewestFirst) {
            state.blocks.pop_back()
        } else {
            state.blocks.pop_front()
        };
        if let Some(queued) = taken {
            state.bytes -= queued.block.bytes().len();
            state.rows -= queued.block.row_count() as usize;
            return NextRows::Block(queued);
        }
        match state.segments.front() {
            Some(segment) if read_to != Some(segment.end()) => NextRows::Segment(*segment),
            None if state.stage >= Stage::Closed => NextRows::End,
            Some(_) | None => NextRows::Nothing,
        }
    }

    /// Waits until a batch is due: there are enough rows for a full one, the oldest row has waited for the period,
    /// there are rows on disk that are not read, or no more rows come. `held` are rows that the sender has already,
    /// and `read_to` is as for [`Self::take`]. Waits no longer than `asked`; returns whether a batch is due.
    pub(crate) fn wait(
        &self,
        held: Option<HeldRows>,
        read_to: Option<SegmentPosition>,
        asked: Option<Instant>,
    ) -> bool {
        let (held_bytes, held_rows) = held.map_or((0, 0), |held| (held.bytes, held.rows));
        let mut state = self.state.lock();
        loop {
            let is_full = self.limits.is_due(state.bytes + held_bytes, state.rows + held_rows);
            if is_full || state.stage >= Stage::Closed {
                return true;
            }
            let oldest_in_memory = state.blocks.front().map(|queued| queued.arrived);
            let arrived = held.map(|held| held.arrived).or(oldest_in_memory);
            let due = arrived.map(|arrived| arrived + self.limits.period);
            let unread = state.segments.front().map(Segment::end);
            if due.is_none() && unread.is_some() && unread != read_to {
                return true;
            }
            let now = Instant::now();
            if [due, state.deadline].into_iter().flatten().any(|until| now >= until) {
                return true;
            }
            match [due, state.deadline, asked].into_iter().flatten().min() {
                Some(until) if now >= until => return false,
                Some(until) => drop(self.changed.wait_until(&mut state, until)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Notes that `rows` more rows of the oldest segment are settled, which are all of those before `position`.
    /// Removes the segment if no rows are left in it; returns whether it is removed.
    pub(crate) fn settled(&self, position: SegmentPosition, rows: u64) -> bool {
        let mut state = self.state.lock();
        let is_newest = state.segments.len() == 1;
        let is_written_to = is_newest && state.disk == Disk::Writing;
        let oldest = state.segments.front_mut();
        let Some(oldest) = oldest.filter(|oldest| oldest.number() == position.number) else {
            return false;
        };
        oldest.settle(position.offset, rows);
        if !oldest.is_done() || is_written_to {
            return false;
        }
        let done = *oldest;
        state.segments.pop_front();
        drop(state);
        self.counters.leave_segment(done.undelivered_rows(), done.bytes());
        let spill = self.spill.as_ref().expect("segments come from a spill directory");
        if let Err(error) = spill.remove(&done) {
            log::warn!("-spill-dir: cannot remove a segment that is done with: {error}");
        }
        true
    }

    /// Waits for `pause`, but no longer than until the server begins to stop, or the sender has to end.
    pub(crate) fn pause(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut state = self.state.lock();
        let was_stopping = state.deadline.is_some();
        loop {
            let until = state.deadline.map_or(end, |deadline| deadline.min(end));
            if Instant::now() >= until || (!was_stopping && state.deadline.is_some()) {
                return;
            }
            self.changed.wait_until(&mut state, until);
        }
    }
}
