//! How a caller goes through received bytes: datagram by datagram, message by message.
//!
//! Runs on an ingest worker. What the cache has found by looking ahead is true only of the bytes that it looked
//! at. A cursor borrows the cache and the bytes together, so that no lookup is made with other bytes.

use std::ops::Range;

use super::cache::TemplateCache;
use super::locator::TemplateKey;
use super::lookup::{Lookup, TemplateId};
use crate::wire::padded::Padded;

impl<T: Copy> TemplateCache<T> {
    /// Goes through a batch of datagrams of one listener. Each datagram begins with a message of its own, so
    /// their first messages are looked at together.
    pub fn batch<'b, 'd>(
        &'b mut self,
        listener: usize,
        datagrams: &'b mut [Padded<'d>],
    ) -> DatagramBatch<'b, 'd, T> {
        DatagramBatch { cache: self, listener: number(listener), datagrams, next: 0 }
    }

    /// Goes through what was read from one connection to a listener; its last line may go on in the next read.
    #[inline]
    pub fn read<'c>(&'c mut self, listener: usize, received: Padded<'c>) -> Cursor<'c, T> {
        self.begin_read();
        Cursor { cache: self, listener: number(listener), received, ends_last: false }
    }
}

/// A batch of datagrams, handed out one by one in their order.
#[derive(Debug)]
pub struct DatagramBatch<'b, 'd, T> {
    cache: &'b mut TemplateCache<T>,
    listener: u32,
    datagrams: &'b mut [Padded<'d>],
    next: usize,
}

impl<T: Copy> DatagramBatch<'_, '_, T> {
    /// The next datagram. The first call looks at the first messages of all; it calls `prefetch` for what
    /// will be needed soon.
    pub fn next(&mut self, prefetch: impl Fn(T)) -> Option<Cursor<'_, T>> {
        let Self { cache, listener, datagrams, next } = self;
        let number = *next;
        *next += 1;
        if number == 0 {
            cache.look_at_firsts(*listener, datagrams, prefetch);
        }
        let received = datagrams.get_mut(number)?.reborrow();
        cache.begin_datagram(number);
        Some(Cursor { cache, listener: *listener, received, ends_last: true })
    }

    /// The bytes of the datagram that was handed out last.
    pub fn last_bytes(&self) -> &[u8] {
        let last = self.next.checked_sub(1).and_then(|last| self.datagrams.get(last));
        last.map_or(&[], Padded::bytes)
    }
}

/// One datagram, or what was read from a connection at once: its messages are looked up one by one.
#[derive(Debug)]
pub struct Cursor<'c, T> {
    cache: &'c mut TemplateCache<T>,
    listener: u32,
    received: Padded<'c>,
    /// Whether the end of the bytes ends a line.
    ends_last: bool,
}

impl<T: Copy> Cursor<'_, T> {
    /// The received bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.received.bytes()
    }

    /// The received bytes from `start` on and the padding behind them, for the parser, which leaves them as
    /// they are.
    pub fn padded_from(&mut self, start: usize) -> &mut [u8] {
        self.received.from(start)
    }

    /// Looks up the message that begins at this place, with a `{`; messages are looked up in their order.
    /// Calls `prefetch` for what will be needed soon.
    #[inline]
    pub fn lookup(&mut self, at: usize, prefetch: impl Fn(T)) -> Lookup<T> {
        self.cache.lookup(self.listener, self.received.bytes(), at, prefetch)
    }

    /// Looks up the line that begins at this place, if it is one; otherwise as [`Self::lookup`].
    #[inline]
    pub fn lookup_line(&mut self, at: usize) -> Lookup<T> {
        self.cache.lookup_line(self.listener, self.received.bytes(), at, self.ends_last)
    }

    /// Notes a message that was missed. Returns whether it was noted before, so that it is worth admitting. A
    /// flood of messages that come only once changes nothing but these notes.
    pub fn seen_before(&mut self, key: TemplateKey, message: Range<usize>) -> bool {
        self.cache.seen_before(key, self.listener, &self.received.bytes()[message])
    }

    /// Makes a message a template. The caller has proved that it may be one.
    #[cold]
    pub fn admit(&mut self, key: TemplateKey, message: Range<usize>, meaning: T) {
        self.cache.admit(key, self.listener, &self.received.bytes()[message], meaning);
    }

    /// Removes a template whose meaning no longer holds.
    #[cold]
    pub fn remove(&mut self, id: TemplateId) {
        self.cache.remove(id);
    }

    /// The listener that the bytes came to.
    pub fn listener(&self) -> usize {
        self.listener as usize
    }

    /// The cache, to be asked for its size.
    pub fn cache(&self) -> &TemplateCache<T> {
        self.cache
    }
}

/// The number of a listener as templates keep it.
#[inline]
fn number(listener: usize) -> u32 {
    assert!(listener < 1 << 16, "more listeners than a process has descriptors");
    #[expect(clippy::cast_possible_truncation, reason = "the assertion above bounds it")]
    let number = listener as u32;
    number
}
