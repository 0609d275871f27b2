//! The time at which a worker's samples count. It never goes back.
//!
//! Used by one worker. It is the clock's, read once for many samples. What is ordered by it, the sets of a gauge over
//! all workers, can be ordered no finer than that, but for one case that must not go wrong: an `add` counts from the
//! newest set that it sees, so a set that comes behind it on the same worker has to be newer than that one. So an
//! `add` moves the time past the stamp that it has seen, as Lamport's clocks do; the set itself does nothing for it.
//! The time is ahead of the clock by one nanosecond for each `add` at most, and reading the clock again makes up for
//! that: no `add` takes less than a nanosecond.

use std::cell::Cell;

/// The time of one worker, in ns of the monotonic clock.
#[derive(Debug)]
pub struct WorkerTime(Cell<u64>);

impl WorkerTime {
    /// This time.
    pub fn new(now_ns: u64) -> Self {
        Self(Cell::new(now_ns))
    }

    /// What it is now.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.0.get()
    }

    /// The clock was read: goes on to that time, unless it is past it.
    pub fn advance(&self, clock_ns: u64) {
        self.0.set(self.0.get().max(clock_ns));
    }

    /// Goes on so far that the next set is newer than the one with this stamp, and newer than whatever this worker has
    /// counted so far.
    pub(super) fn pass(&self, stamp_ns: u64) {
        self.0.set(self.0.get().max(stamp_ns) + 1);
    }
}
