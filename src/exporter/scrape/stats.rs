//! What making pages counts.
//!
//! Written by the threads that make pages, read by the page.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::http::pages::Encoding;

/// Counters of pages; all start at 0.
#[derive(Debug, Default)]
pub struct ScrapeStats {
    begun: [AtomicU64; Encoding::ALL.len()],
    panics: AtomicU64,
    last_ns: AtomicU64,
    last_bytes: AtomicU64,
}

impl ScrapeStats {
    /// Pages begun, by encoding.
    pub fn begun(&self, encoding: Encoding) -> u64 {
        self.begun[encoding as usize].load(Relaxed)
    }

    /// Panics that were caught while a page was made.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// What the last whole page took to make, and its bytes as sent.
    pub(crate) fn last_page(&self) -> (Duration, u64) {
        (Duration::from_nanos(self.last_ns.load(Relaxed)), self.last_bytes.load(Relaxed))
    }

    pub(super) fn count_begun(&self, encoding: Encoding) {
        self.begun[encoding as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(super) fn set_last_page(&self, ns: u64, bytes: u64) {
        self.last_ns.store(ns, Relaxed);
        self.last_bytes.store(bytes, Relaxed);
    }
}
