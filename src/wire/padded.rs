//! Received bytes with readable room behind them, which the parser reads past their end.
//!
//! Runs on the ingest workers, once for each datagram and each read; it must not know what the bytes say.

use crate::wire::json::PADDING;

/// Received bytes, and at least [`PADDING`] more.
#[derive(Debug, Default)]
pub struct Padded<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Padded<'b> {
    /// The bytes `buffer[..len]`.
    ///
    /// # Panics
    /// If `buffer` does not go on for [`PADDING`] bytes behind them.
    pub fn new(buffer: &'b mut [u8], len: usize) -> Self {
        assert!(buffer.len() >= len + PADDING, "received bytes have no padding behind them");
        Self { buffer, len }
    }

    /// The received bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The received bytes from `start` on, and the padding.
    pub fn from(&mut self, start: usize) -> &mut [u8] {
        &mut self.buffer[start..]
    }

    /// The same for a shorter time.
    #[inline]
    pub fn reborrow(&mut self) -> Padded<'_> {
        Padded { buffer: self.buffer, len: self.len }
    }
}

/// What one read of a stream has brought, in a buffer with room before it and at least [`PADDING`] bytes behind.
#[derive(Debug)]
pub struct ReadBytes<'b> {
    buffer: &'b mut [u8],
    start: usize,
    end: usize,
}

impl<'b> ReadBytes<'b> {
    /// The bytes `buffer[start..end]`.
    ///
    /// # Panics
    /// If `buffer` does not go on for [`PADDING`] bytes behind them.
    pub fn new(buffer: &'b mut [u8], start: usize, end: usize) -> Self {
        assert!(start <= end && buffer.len() >= end + PADDING, "read bytes lack their padding");
        Self { buffer, start, end }
    }

    /// How many bytes were read.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was read.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// What was read, behind a copy of these bytes, for which there must be room.
    #[inline]
    pub(crate) fn behind(self, kept: &[u8]) -> Padded<'b> {
        let from = self.start - kept.len();
        self.buffer[from..self.start].copy_from_slice(kept);
        Padded::new(&mut self.buffer[from..], self.end - from)
    }
}
