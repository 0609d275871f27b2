//! Numbers that one thread writes and any thread reads.
//!
//! A write is a plain load and store, so it costs no more than an ordinary addition. That holds because each
//! number has one writer: two would overwrite each other's changes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the one writer may call it.
    #[inline]
    pub fn add(&self, n: u64) {
        // Release pairs with the Acquire in `get`: whoever reads that a message was counted here also finds
        // the message in its cell.
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Release);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets the number. Only the one writer may call it.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
