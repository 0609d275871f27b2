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
