//! The beginning of a message that has not arrived whole, kept from one read of its connection to the next.
//!
//! Runs on an ingest worker. A read copies at most three times as many bytes as it brings, however many are kept: a
//! client that sends a long message byte by byte costs no more for each byte than one that sends a short one.
//! What is kept takes little more memory than the longest message, and little more than its own length once a long
//! message has ended: a client must not hold memory with one byte that it once needed for many.

use std::mem;

use crate::capacity;
use crate::wire::json::PADDING;
use crate::wire::padded::{Padded, ReadBytes};

/// What is kept of one connection.
#[derive(Debug, Default)]
pub(super) struct KeptBytes {
    bytes: Vec<u8>,
}

impl KeptBytes {
    /// The kept bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory that it takes, room for more included; never less than are kept. The padding is left out, so
    /// that one message may be as long as all of them together.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.len().max(self.bytes.capacity().saturating_sub(PADDING))
    }

    /// Calls `process` with the kept bytes and behind them what was read, and keeps them from where it says.
    ///
    /// The shorter of the two is copied to the other. No message is longer than `message_max_bytes`.
    #[inline]
    pub(super) fn extend_by(
        &mut self,
        read: ReadBytes<'_>,
        message_max_bytes: usize,
        process: impl FnOnce(&mut Padded<'_>) -> usize,
    ) {
        let stays = self.len() > read.len();
        let mut joined = Vec::new();
        let mut received = if stays {
            joined = self.take_with(read.bytes(), message_max_bytes);
            let len = joined.len() - PADDING;
            Padded::new(&mut joined, len)
        } else {
            read.behind(&self.bytes)
        };
        let start = process(&mut received);
        let open = &received.bytes()[start..];
        if open.is_empty() {
            self.bytes = Vec::new(); // frees the memory: there may be thousands of idle connections
        } else if stays {
            self.put_back(joined, start, message_max_bytes);
        } else {
            self.bytes.clear();
            if capacity::to_shrink_to(self.bytes.capacity(), open.len()).is_some() {
                self.bytes = Vec::new();
            }
            self.bytes.extend_from_slice(open);
        }
    }

    /// Takes the kept bytes, appends what was read, and the padding. Memory grows by half, so that it seldom moves, up
    /// to that of the longest message.
    #[cold]
    fn take_with(&mut self, read: &[u8], message_max_bytes: usize) -> Vec<u8> {
        let mut joined = mem::take(&mut self.bytes);
        let needed = joined.len() + read.len() + PADDING;
        if needed > joined.capacity() {
            let capacity = needed.max((needed + needed / 2).min(message_max_bytes + PADDING));
            joined.reserve_exact(capacity - joined.len());
        }
        joined.extend_from_slice(read);
        joined.resize(joined.len() + PADDING, 0);
        joined
    }

    /// Keeps these bytes from `start` on, without their padding. They are moved only if the object that began with
    /// them has ended.
    #[cold]
    fn put_back(&mut self, mut joined: Vec<u8>, start: usize, message_max_bytes: usize) {
        joined.truncate(joined.len() - PADDING);
        joined.drain(..start);
        if let Some(capacity) = capacity::to_shrink_to(joined.capacity(), joined.len()) {
            joined.shrink_to(capacity);
        } else if joined.capacity() > message_max_bytes + PADDING {
            joined.shrink_to(message_max_bytes + PADDING);
        }
        self.bytes = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 64 << 10;

    /// Reads these bytes, and keeps what was received from the place on that `open` finds.
    fn read(kept: &mut KeptBytes, bytes: &[u8], open: impl FnOnce(&[u8]) -> usize) {
        let mut buffer = vec![b'"'; ROOM + bytes.len() + PADDING];
        buffer[ROOM..ROOM + bytes.len()].copy_from_slice(bytes);
        let read = ReadBytes::new(&mut buffer, ROOM, ROOM + bytes.len());
        kept.extend_by(read, ROOM + 1000, |received| open(received.bytes()));
    }

    #[test]
    fn what_is_kept_comes_before_what_is_read() {
        let mut kept = KeptBytes::default();
        // Each step: what is read, what is received then, and how much of it is done with.
        for (bytes, received, done) in [
            ("{\"a", "{\"a", 0),
            ("\":1}{\"bcdef", "{\"a\":1}{\"bcdef", 7), // more than is kept
            ("g", "{\"bcdefg", 0),                     // less than is kept
            ("}{", "{\"bcdefg}{", 9),
            ("}", "{}", 2),
            ("{\"long", "{\"long", 0),
            ("}", "{\"long}", 7),
            ("", "", 0),
        ] {
            read(&mut kept, bytes.as_bytes(), |all| {
                assert_eq!(str::from_utf8(all), Ok(received));
                done
            });
            assert_eq!(kept.bytes(), &received.as_bytes()[done..]);
        }
    }

    #[test]
    fn a_long_message_that_comes_byte_by_byte_stays_where_it_is() {
        let mut kept = KeptBytes::default();
        read(&mut kept, &[b'{'; 1000], |_| 0);
        let (mut place, mut moves) = (kept.bytes().as_ptr(), 0);
        for _ in 0..ROOM {
            let mut processed = place;
            read(&mut kept, b"a", |all| {
                processed = all.as_ptr();
                0
            });
            assert_eq!(kept.bytes().as_ptr(), processed, "it is processed where it is kept");
            moves += u32::from(processed != place);
            place = processed;
        }
        // Its memory grows by half each time.
        assert!(moves <= 2 * (ROOM / 1000).ilog2(), "{moves} moves");
        assert!(kept.held_bytes() <= ROOM + 1000, "{} bytes are held", kept.held_bytes());
    }

    #[test]
    fn what_follows_a_long_message_holds_no_memory_of_it() {
        // The end of the long message comes in a short read, or in one that is longer than what is kept of it.
        for end in [10, ROOM] {
            let mut kept = KeptBytes::default();
            for _ in 0..3 {
                read(&mut kept, &[b'a'; ROOM / 4], |_| 0);
            }
            let held = kept.held_bytes();
            assert!((3 * ROOM / 4..=ROOM + 1000).contains(&held), "{held} bytes are held");
            read(&mut kept, &vec![b'a'; end], |all| all.len() - 1);
            assert_eq!(kept.len(), 1);
            assert!(kept.held_bytes() <= 64, "{} bytes are held", kept.held_bytes());
        }
    }
}
