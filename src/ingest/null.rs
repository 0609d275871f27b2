//! The handler that does nothing: the same sockets, slots and waits, with the work removed.
//!
//! What the loop costs with it is what the kernel costs: the limit that speed is measured against.

use crate::ingest::Handler;
use crate::metric::Rejection;
use crate::stats::Stats;
use crate::stats::Transport;
use crate::sys::recv::Datagrams;
use crate::wire::padded::Padded;

/// Counts datagrams and bytes, so that what was read is known; looks at nothing.
#[derive(Debug)]
pub struct Null {
    stats: Stats,
    worker: usize,
}

impl Null {
    /// For one worker.
    pub fn new(stats: Stats, worker: usize) -> Self {
        Self { stats, worker }
    }
}

impl Handler for Null {
    type Stream = ();

    fn open(_peer_uid: Option<u32>) -> Self::Stream {}

    fn between(&mut self, _now_ns: u64) {}

    fn datagrams(&mut self, _listener: usize, batch: &mut Datagrams, _now_ns: u64) {
        let stats = &self.stats[self.worker];
        let (mut datagrams, mut bytes) = (0, 0);
        for datagram in batch.iter_mut() {
            datagrams += 1;
            bytes += datagram.len as u64;
        }
        stats.datagrams.add(datagrams);
        stats.bytes[Transport::Udp as usize].add(bytes);
    }

    fn restore(&mut self, (): &mut (), _buffer: &mut [u8]) -> usize {
        0
    }

    fn stream(
        &mut self,
        _listener: usize,
        (): &mut (),
        received: Padded<'_>,
        _kept: usize,
    ) -> usize {
        self.stats[self.worker].bytes[Transport::Unix as usize].add(received.bytes().len() as u64);
        0
    }

    fn end(&mut self, _listener: usize, (): &mut ()) {}

    fn refuse(&mut self, _listener: usize, (): &mut (), _reason: Rejection) {}

    fn finish(self) {}
}
