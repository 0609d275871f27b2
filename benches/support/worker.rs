//! A worker's handler and one connection to it, without sockets.

use std::sync::Arc;

use crossbeam::utils::CachePadded;
use metrics_server::testing::ingest::{Dispatch, Handler as _, Stream};
use metrics_server::testing::registry::{LocalRegistry, Mailboxes, Registry, SeriesLimits};
use metrics_server::testing::stats::{Counter, Stats};
use metrics_server::testing::wire::{PADDING, ReadBytes};

use crate::cost::READ_BYTES;
use crate::{dispatch, inputs};

/// Most bytes of an open message that are kept before a read: what the server allows by default.
const KEPT_BYTES_MAX: usize = 128 << 10;

/// A worker's handler and one connection to it.
pub(crate) struct StreamWorker {
    dispatch: Dispatch,
    stream: Stream,
    buffer: Vec<u8>,
    read_bytes: u64,
    stats: Stats,
}

impl StreamWorker {
    /// A worker that knows the series of the good messages and a histogram of 1,024 bounds, so that there is no
    /// room for another of them. Series that come again are told from a flood, as with `-metric-clean-up`.
    pub(crate) fn new() -> Self {
        let limits = SeriesLimits::unlimited(1)
            .with_buckets_max(1024)
            .with_lines_max(2000)
            .with_evict_singletons(true);
        let registry = Arc::new(Registry::new(limits, |_| false));
        let local_registry = LocalRegistry::new(0, registry, Arc::new(Mailboxes::new(1)));
        let stats: Stats = [CachePadded::default()].into_iter().collect();
        let dispatch = dispatch::dispatch(&stats, local_registry, 1 << 24);
        let buffer = vec![0; KEPT_BYTES_MAX + READ_BYTES + PADDING];
        let stream = Stream::default();
        let mut worker = Self { dispatch, stream, buffer, read_bytes: 0, stats };
        for line in inputs::known() {
            worker.send(line.as_bytes());
        }
        worker
    }

    /// Sends the first so many reads.
    pub(crate) fn send_all(&mut self, all: &[Vec<u8>], reads: usize) {
        for bytes in &all[..reads] {
            self.send(bytes);
        }
        self.check();
    }

    fn check(&self) {
        let counted: u64 = self.stats[0].bytes.iter().map(Counter::get).sum();
        assert_eq!(counted, self.read_bytes, "all bytes were taken");
        assert_eq!(self.stats[0].panics.get(), 0, "no panic was caught");
    }

    /// Sends the beginning of an object of so many bytes, and then bytes of its first string, one a read.
    pub(crate) fn send_byte_by_byte(&mut self, open_bytes: usize, reads: usize) {
        let mut open = br#"{"help":""#.to_vec();
        open.resize(open_bytes, b'a');
        for bytes in open.chunks(READ_BYTES) {
            self.send(bytes);
        }
        for _ in 0..reads {
            self.send(b"a");
        }
        self.check();
    }

    /// Sends one read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let end = KEPT_BYTES_MAX + bytes.len();
        self.buffer[KEPT_BYTES_MAX..end].copy_from_slice(bytes);
        let read = ReadBytes::new(&mut self.buffer, KEPT_BYTES_MAX, end);
        self.dispatch.stream(0, &mut self.stream, read);
        self.read_bytes += bytes.len() as u64;
    }
}
