//! Buffers for pieces of text, used again and again while pages are made.
//!
//! The allocator gives blocks as large as a piece back to the system at once. So without these the kernel would
//! map the memory of each piece anew, page by page.
//! The thread `exporter` takes buffers; whoever drops the last reference to a piece gives its buffer back.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

/// Buffers that nobody uses for now.
#[derive(Clone, Debug)]
pub(super) struct Buffers(Arc<ArrayQueue<Vec<u8>>>);

impl Buffers {
    /// Keeps up to so many.
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(ArrayQueue::new(count)))
    }

    /// An empty buffer.
    pub(super) fn take(&self) -> Buffer {
        Buffer { bytes: self.0.pop().unwrap_or_default(), home: self.clone() }
    }

    /// Whether some are in use.
    pub(super) fn are_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1 // each buffer in use refers to the others
    }

    /// Gives the memory of those that nobody uses back to the system.
    pub(super) fn release(&self) {
        while self.0.pop().is_some() {}
    }
}

/// A buffer in use.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.bytes.clear();
        drop(self.home.0.push(std::mem::take(&mut self.bytes))); // freed where there are enough
    }
}
