//! Messages that are looked at before it is their turn, several at once.
//!
//! Runs on an ingest worker. A guess, no more: where the next message really begins is known only when
//! the one before it was counted, and a message that was not foreseen is looked at by itself.

use super::sight::Sight;

/// Messages that are looked at together, as many as a batch has datagrams: so many memory accesses are
/// under way at once as the processor can bear.
pub(super) const AHEAD_MAX: usize = 64;
/// The same within one datagram or read: what is fetched for them must stay near until it is used.
const COUNT_MAX: usize = 32;
/// Bytes between two messages: an outer brace, a line end.
const GAP_MAX: usize = 4;

/// A message that was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// Where it begins in the bytes; what is read together is far below 4 GiB.
    pub(super) at: u32,
    /// What was seen of it.
    pub(super) sight: Sight,
    /// The entry that it may be.
    pub(super) index: u32,
}

/// Messages in the order of the bytes.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) messages: Vec<Ahead>,
    next: usize,
    count: usize,
    /// The first message of each datagram of a batch, if it could be seen.
    pub(super) firsts: Vec<Option<Ahead>>,
}

impl Queue {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self {
            messages: Vec::with_capacity(COUNT_MAX),
            next: 0,
            count: COUNT_MAX,
            firsts: Vec::with_capacity(AHEAD_MAX),
        }
    }

    /// How many to look at next time. Halved when some were not used, so that bytes which only look
    /// like messages are not looked at for long; doubled when all were.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Forgets all.
    #[inline]
    pub(super) fn empty(&mut self) {
        if self.next < self.messages.len() {
            self.count = (self.count / 2).max(1);
        } else if !self.messages.is_empty() {
            self.count = (self.count * 2).min(COUNT_MAX);
        }
        self.messages.clear();
        self.next = 0;
    }

    /// Begins the datagram of this number in the batch that was foreseen.
    #[inline]
    pub(super) fn begin(&mut self, datagram: usize) {
        self.empty();
        self.messages.extend(self.firsts.get(datagram).copied().flatten());
    }

    /// The message that begins at `at`, if it is in the queue.
    #[inline]
    pub(super) fn take(&mut self, at: usize) -> Option<Ahead> {
        while let Some(&message) = self.messages.get(self.next)
            && message.at as usize <= at
        {
            self.next += 1;
            if message.at as usize == at {
                return Some(message);
            }
        }
        None
    }
}

/// Where the next message begins, if it does so a few bytes behind `from`.
#[inline]
pub(super) fn next(bytes: &[u8], from: usize) -> Option<usize> {
    for at in from..from + GAP_MAX {
        match bytes.get(at) {
            Some(b'{') => return Some(at),
            Some(b'\n' | b'}' | b' ' | b'\r' | b'\t') => {}
            _ => return None,
        }
    }
    None
}
