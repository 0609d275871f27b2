//! Measures how long a worker leaves its UDP socket unread: the lag of its loop.
//!
//! A datagram that arrives while the worker does something else waits until the worker reads the socket
//! again. So the time between two reads is the longest that a datagram may have waited to be looked for.
//! Time asleep in the poll is not part of it, since a datagram ends that sleep at once; a wait for the next
//! batch to fill is, since a datagram does not end it.

/// The stopwatch of one worker.
#[derive(Debug)]
pub(super) struct LagTimer {
    /// When the socket was read last, put off by the time that the worker has slept since.
    read_ns: u64,
    /// The longest time between two reads that this turn has seen; `None` while it has read no datagram.
    longest_ns: Option<u64>,
}

impl LagTimer {
    /// Begins at this time of the clock.
    pub(super) fn new(now_ns: u64) -> Self {
        Self { read_ns: now_ns, longest_ns: None }
    }

    /// The worker has slept for so long, and a datagram would have woken it.
    pub(super) fn slept(&mut self, time_ns: u64) {
        self.read_ns += time_ns;
    }

    /// For how long the socket has been left unread now.
    pub(super) fn unread_ns(&self, now_ns: u64) -> u64 {
        now_ns - self.read_ns
    }

    /// The socket has been read, and there were datagrams.
    pub(super) fn read_some(&mut self, now_ns: u64) {
        self.longest_ns = self.longest_ns.max(Some(self.unread_ns(now_ns)));
        self.read_ns = now_ns;
    }

    /// The socket has been read, and there was nothing.
    pub(super) fn read_nothing(&mut self, now_ns: u64) {
        self.read_ns = now_ns;
    }

    /// Ends a turn; the longest time between two reads, if it has read datagrams.
    pub(super) fn end_turn(&mut self) -> Option<u64> {
        self.longest_ns.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_tells_its_longest_time_between_two_reads() {
        let mut timer = LagTimer::new(100);
        timer.read_some(130);
        timer.read_some(180);
        timer.read_some(190);
        assert_eq!(timer.end_turn(), Some(50));
        timer.read_some(210);
        assert_eq!(timer.end_turn(), Some(20), "each turn begins anew");
    }

    #[test]
    fn sleep_does_not_count_and_work_before_it_does() {
        let mut timer = LagTimer::new(100);
        timer.read_some(110);
        timer.end_turn();
        // Busy from 110 to 150, asleep until 1,150, and read 5 later.
        timer.slept(1_000);
        timer.read_some(1_155);
        assert_eq!(timer.end_turn(), Some(45));
    }

    #[test]
    fn a_turn_without_datagrams_tells_nothing() {
        let mut timer = LagTimer::new(100);
        timer.read_nothing(150);
        assert_eq!(timer.end_turn(), None);
        timer.read_some(160);
        assert_eq!(timer.end_turn(), Some(10), "the socket was found empty at 150");
    }
}
