//! Excerpts of messages that workers leave for `main` to log: a worker never writes to stderr itself, since that
//! might block it.
//!
//! Each reason for a rejection has a slot for one excerpt. While the slot is taken, further messages that are
//! rejected for that reason cost a worker one read of a flag; how many there were tells
//! `metrics_server_messages_rejected_total`. Refused unix connections have a flag alone, since there is nothing to
//! show of them. With `-debug` every message is put into a bounded queue as well.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use parking_lot::Mutex;

use crate::metric::Rejection;

/// Most bytes of a message that are shown, counted before escaping.
const EXCERPT_BYTES: usize = 128;
/// Most messages that wait to be logged with `-debug`.
const DEBUG_QUEUE: usize = 1024;

#[derive(Debug, Default)]
struct LogSlot {
    taken: AtomicBool,
    excerpt: Mutex<Option<Excerpt>>,
}

/// What the log shows of a message.
#[derive(Debug)]
pub struct Excerpt {
    /// The listener that the message came to.
    source: String,
    /// The first bytes of the message.
    bytes: Vec<u8>,
    /// The length of the whole message in bytes.
    len: usize,
}

/// The slots of all reasons, and the queue of `-debug`.
#[derive(Debug)]
pub struct LogSlots {
    slots: Vec<LogSlot>,
    /// Whether a unix connection was refused since `main` logged one.
    connection_refused: AtomicBool,
    debug: Option<ArrayQueue<Excerpt>>,
}

impl LogSlots {
    /// Empty slots, and an empty queue if `debug` is set.
    pub fn new(debug: bool) -> Self {
        Self {
            slots: (0..Rejection::COUNT).map(|_| LogSlot::default()).collect(),
            connection_refused: AtomicBool::new(false),
            debug: debug.then(|| ArrayQueue::new(DEBUG_QUEUE)),
        }
    }

    /// Whether the slot of a reason is free. Costs one relaxed read.
    pub fn is_free(&self, reason: Rejection) -> bool {
        !self.slots[reason as usize].taken.load(Ordering::Relaxed)
    }

    /// Leaves an excerpt of a rejected message. Returns whether it did: another worker may have been faster.
    #[cold]
    pub fn leave(&self, reason: Rejection, data_source: &str, bytes: &[u8]) -> bool {
        let slot = &self.slots[reason as usize];
        let Some(mut excerpt) = slot.excerpt.try_lock() else { return false };
        if slot.taken.load(Ordering::Relaxed) {
            return false;
        }
        *excerpt = Some(Excerpt::new(data_source, bytes));
        slot.taken.store(true, Ordering::Release); // pairs with the Acquire in `take`
        true
    }

    /// Whether an excerpt for this reason waits to be logged.
    pub fn waits(&self, reason: Rejection) -> bool {
        self.slots[reason as usize].taken.load(Ordering::Acquire)
    }

    /// Takes the excerpt for a reason, if one waits, and frees the slot. For `main`.
    pub fn take(&self, reason: Rejection) -> Option<Excerpt> {
        let slot = &self.slots[reason as usize];
        let excerpt = slot.excerpt.lock().take();
        slot.taken.store(false, Ordering::Release);
        excerpt
    }

    /// Notes that a unix connection was refused, which the caller has counted before. Returns `false` if `main` has
    /// not logged an earlier one yet, and so need not be woken again.
    #[cold]
    pub fn note_refused_connection(&self) -> bool {
        let known = self.connection_refused.load(Ordering::Relaxed);
        // Pairs with the Acquire in `take_refused_connection`.
        !known && !self.connection_refused.swap(true, Ordering::Release)
    }

    /// Whether a refused connection waits to be logged.
    pub fn refused_connection_waits(&self) -> bool {
        self.connection_refused.load(Ordering::Acquire)
    }

    /// Frees the flag, so that the next refused connection is noted again. For `main`.
    pub fn take_refused_connection(&self) {
        self.connection_refused.swap(false, Ordering::Acquire);
    }

    /// Whether every message is to be logged.
    pub fn debug(&self) -> bool {
        self.debug.is_some()
    }

    /// Puts a message into the queue of `-debug`. If the queue is full, the message is not logged, and counts as
    /// a suppressed line.
    #[cold]
    pub fn show(&self, data_source: &str, bytes: &[u8]) {
        if let Some(queue) = &self.debug
            && queue.push(Excerpt::new(data_source, bytes)).is_err()
        {
            crate::logger::suppress();
        }
    }

    /// Takes the next message from the queue of `-debug`. For `main`.
    pub fn next_debug(&self) -> Option<Excerpt> {
        self.debug.as_ref().and_then(ArrayQueue::pop)
    }
}

impl Excerpt {
    fn new(source: &str, bytes: &[u8]) -> Self {
        let shown = bytes[..bytes.len().min(EXCERPT_BYTES)].to_vec();
        Self { source: source.to_owned(), bytes: shown, len: bytes.len() }
    }

    /// The listener that the message came to.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its first bytes, not escaped, with U+FFFD in place of what is no UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The length of the whole message in bytes.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Display for Excerpt {
    /// `from <source>: <message>`, cut to its first bytes. Control characters and all but ASCII are escaped, so
    /// that a message cannot forge a line of the log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "from {}: ", self.source)?;
        for chunk in self.bytes.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    ' '..='~' => out.write_char(char)?,
                    _ => write!(out, "{}", char.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        if self.bytes.len() < self.len {
            write!(out, "… ({} bytes)", self.len)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_slot_keeps_the_first_excerpt() {
        let slots = LogSlots::new(false);
        assert!(slots.is_free(Rejection::Name));
        assert!(slots.leave(Rejection::Name, ":9999", b"{\"name\":\"a\nb\xff\"}"));
        assert!(!slots.leave(Rejection::Name, ":9999", b"second"));
        assert!(!slots.is_free(Rejection::Name) && slots.is_free(Rejection::Value));
        let excerpt = slots.take(Rejection::Name).unwrap();
        assert_eq!(excerpt.to_string(), r#"from :9999: {"name":"a\nb\xff"}"#);
        assert_eq!(excerpt.text(), "{\"name\":\"a\nb\u{fffd}\"}");
        assert!(slots.is_free(Rejection::Name));
    }

    #[test]
    fn a_refused_connection_is_told_once_until_it_is_taken() {
        let slots = LogSlots::new(false);
        assert!(!slots.refused_connection_waits());
        assert!(slots.note_refused_connection() && !slots.note_refused_connection());
        assert!(slots.refused_connection_waits());
        slots.take_refused_connection();
        assert!(!slots.refused_connection_waits() && slots.note_refused_connection());
    }

    #[test]
    fn long_messages_are_cut() {
        let text = Excerpt::new("a.sock", &[b'x'; 1000]).to_string();
        assert_eq!(text, format!("from a.sock: {}… (1000 bytes)", "x".repeat(128)));
    }

    #[test]
    fn the_debug_queue_keeps_what_it_has_room_for() {
        let slots = LogSlots::new(true);
        (0..DEBUG_QUEUE + 3).for_each(|_| slots.show("s", b"{}"));
        assert_eq!(slots.next_debug().unwrap().to_string(), "from s: {}");
        assert_eq!(std::iter::from_fn(|| slots.next_debug()).count(), DEBUG_QUEUE - 1);
    }
}
