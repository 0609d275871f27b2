//! A handler that leaves the work out. `loadgen -null` runs the workers' loop with it.
//!
//! What the loop costs with this handler is what receiving alone costs, on the same sockets and with the same
//! waits: the figure that the server's cost is compared with.

use crate::ingest::Handler;
use crate::metric::Rejection;
use crate::stats::{Stats, Transport};
use crate::sys::recv::Datagrams;
use crate::wire::padded::ReadBytes;

/// Counts the datagrams and bytes that were read, and does not look at them.
#[derive(Debug)]
pub struct Null {
    stats: Stats,
    worker: usize,
}

impl Null {
    /// The handler of the worker with this number, which counts into its counters.
    pub fn new(stats: Stats, worker: usize) -> Self {
        Self { stats, worker }
    }
}

impl Handler for Null {
    type Stream = ();

    fn open(_peer_uid: Option<u32>, _refusal: Option<Rejection>) -> Self::Stream {}

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

    fn stream(&mut self, _listener: usize, (): &mut (), read: ReadBytes<'_>) -> usize {
        self.stats[self.worker].bytes[Transport::Unix as usize].add(read.len() as u64);
        0
    }

    fn held_bytes((): &()) -> usize {
        0
    }

    fn end(&mut self, _listener: usize, (): &mut ()) {}

    fn refuse(&mut self, _listener: usize, (): &mut (), _reason: Rejection) {}

    fn finish(self) {}
}
