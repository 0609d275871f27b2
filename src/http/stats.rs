//! What the HTTP server counts about itself.
//!
//! The thread `http` writes these numbers, and the thread `exporter` reads them when it makes a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::refusal::{Evicted, Refusal};

/// The status codes that `/metrics` counts, in this order.
pub(crate) const COUNTED_CODES: [u16; 3] = [200, 500, 503];

/// Counters and gauges of the HTTP server. All start at 0.
#[derive(Debug, Default)]
pub struct HttpStats {
    requests: [AtomicU64; COUNTED_CODES.len()],
    in_flight: AtomicU64,
    connections: AtomicU64,
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    evicted: [AtomicU64; Evicted::ALL.len()],
    idle_timeouts: AtomicU64,
    slow_readers: AtomicU64,
    panics: AtomicU64,
}

impl HttpStats {
    /// How many requests for `/metrics` were answered with each status code, in the order of `COUNTED_CODES`.
    pub fn requests(&self) -> [(u16, u64); COUNTED_CODES.len()] {
        std::array::from_fn(|i| (COUNTED_CODES[i], self.requests[i].load(Relaxed)))
    }

    /// Requests for `/metrics` that are being answered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Open connections.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Connections accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Times that accepting failed.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.load(Relaxed)
    }

    /// Connections and requests refused for this reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize].load(Relaxed)
    }

    /// Connections closed to make room for others while they waited for this.
    pub fn evicted(&self, waiting_for: Evicted) -> u64 {
        self.evicted[waiting_for as usize].load(Relaxed)
    }

    /// Connections closed since no request came for too long.
    pub fn idle_timeouts(&self) -> u64 {
        self.idle_timeouts.load(Relaxed)
    }

    /// Responses given up at their deadline.
    pub fn slow_readers(&self) -> u64 {
        self.slow_readers.load(Relaxed)
    }

    /// Panics that were caught while a request was answered.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// Counts a panic.
    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// Counts a request for `/metrics` as in flight until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(super) fn count_answer(&self, status: u16) {
        if let Some(index) = COUNTED_CODES.iter().position(|&code| code == status) {
            self.requests[index].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn set_connections(&self, open: usize) {
        self.connections.store(open as u64, Relaxed);
    }

    pub(super) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn count_accept_error(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }

    pub(super) fn count_refused(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_evicted(&self, waiting_for: Evicted) {
        self.evicted[waiting_for as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_idle_timeout(&self) {
        self.idle_timeouts.fetch_add(1, Relaxed);
    }

    pub(super) fn count_slow_reader(&self) {
        self.slow_readers.fetch_add(1, Relaxed);
    }
}

/// Counts one request for `/metrics` as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<HttpStats>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
