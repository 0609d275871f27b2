//! What the HTTP server counts about itself.
//!
//! Written by the receiving threads, read by the page. These are cold: a few requests a minute.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The status codes that `/metrics` counts, in this order.
pub(crate) const COUNTED_CODES: [u16; 3] = [200, 500, 503];

/// Counters and gauges of the HTTP server; all start at 0.
#[derive(Debug, Default)]
pub struct HttpStats {
    requests: [AtomicU64; COUNTED_CODES.len()],
    in_flight: AtomicU64,
    restarts: AtomicU64,
    slow_readers: AtomicU64,
    refused_bodies: AtomicU64,
    panics: AtomicU64,
    last_response_bytes: AtomicU64,
}

impl HttpStats {
    /// Answers to `/metrics` by code, in the order of [`COUNTED_CODES`].
    pub fn requests(&self) -> [(u16, u64); COUNTED_CODES.len()] {
        std::array::from_fn(|i| (COUNTED_CODES[i], self.requests[i].load(Relaxed)))
    }

    /// Requests for `/metrics` that are being answered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Times the server was rebuilt on its listener because it accepted no more.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// Responses given up at their deadline.
    pub fn slow_readers(&self) -> u64 {
        self.slow_readers.load(Relaxed)
    }

    /// Requests dropped unanswered for the size of their body.
    pub fn refused_bodies(&self) -> u64 {
        self.refused_bodies.load(Relaxed)
    }

    /// Faults of ours that were caught while a request was answered.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// Bytes of the last page of metrics that was sent whole, without the head and what frames pieces.
    pub fn last_response_bytes(&self) -> u64 {
        self.last_response_bytes.load(Relaxed)
    }

    /// Counts a request in flight until the guard is dropped.
    pub(super) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self)
    }

    pub(super) fn count_answer(&self, status: u16) {
        if let Some(index) = COUNTED_CODES.iter().position(|&code| code == status) {
            self.requests[index].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn tell_bytes(&self, bytes: u64) {
        self.last_response_bytes.store(bytes, Relaxed);
    }

    pub(super) fn count_restart(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    pub(super) fn count_slow_reader(&self) {
        self.slow_readers.fetch_add(1, Relaxed);
    }

    pub(super) fn count_refused_body(&self) {
        self.refused_bodies.fetch_add(1, Relaxed);
    }

    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }
}

/// One request for `/metrics` in flight.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a HttpStats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
