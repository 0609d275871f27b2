//! What workers have to say, left for main to print: a worker never writes to stderr.
//!
//! Each reason has one slot for one excerpt. While a slot is taken, further messages of that reason
//! cost a worker one read of a flag; how many there were is in the books. `-debug` puts each message
//! into a bounded queue instead.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;
use parking_lot::Mutex;

use crate::metric::Rejection;

/// Bytes of a message that are shown, before escaping.
const EXCERPT_BYTES: usize = 128;
/// Messages that wait to be printed with `-debug`.
const DEBUG_QUEUE: usize = 1024;

#[derive(Debug, Default)]
struct LogSlot {
    taken: AtomicBool,
    excerpt: Mutex<String>,
}

/// The slots, and the queue of `-debug`.
#[derive(Debug)]
pub struct LogSlots {
    slots: Vec<LogSlot>,
    debug: Option<ArrayQueue<String>>,
    debug_dropped: AtomicU64,
}

impl LogSlots {
    /// Empty slots; with a queue for every message if `debug`.
    pub fn new(debug: bool) -> Self {
        Self {
            slots: (0..Rejection::COUNT).map(|_| LogSlot::default()).collect(),
            debug: debug.then(|| ArrayQueue::new(DEBUG_QUEUE)),
            debug_dropped: AtomicU64::new(0),
        }
    }

    /// Whether the slot of a reason is free: one relaxed read.
    pub fn is_free(&self, reason: Rejection) -> bool {
        !self.slots[reason as usize].taken.load(Ordering::Relaxed)
    }

    /// Leaves an excerpt of a refused message; `false` if another was faster.
    #[cold]
    pub fn leave(&self, reason: Rejection, data_source: &str, bytes: &[u8]) -> bool {
        let slot = &self.slots[reason as usize];
        let Some(mut excerpt) = slot.excerpt.try_lock() else { return false };
        if slot.taken.load(Ordering::Relaxed) {
            return false;
        }
        *excerpt = describe(data_source, bytes);
        slot.taken.store(true, Ordering::Release); // pairs with the Acquire in `take`
        true
    }

    /// Whether an excerpt waits.
    pub fn waits(&self, reason: Rejection) -> bool {
        self.slots[reason as usize].taken.load(Ordering::Acquire)
    }

    /// Takes an excerpt and frees its slot. Run by main.
    pub fn take(&self, reason: Rejection) -> String {
        let slot = &self.slots[reason as usize];
        let excerpt = std::mem::take(&mut *slot.excerpt.lock());
        slot.taken.store(false, Ordering::Release);
        excerpt
    }

    /// Whether each message is to be shown.
    pub fn debug(&self) -> bool {
        self.debug.is_some()
    }

    /// Offers a message to be shown; full, it is dropped and counted.
    #[cold]
    pub fn show(&self, data_source: &str, bytes: &[u8]) {
        if let Some(queue) = &self.debug
            && queue.push(describe(data_source, bytes)).is_err()
        {
            self.debug_dropped.fetch_add(1, Ordering::Relaxed);
            crate::logger::suppress();
        }
    }

    /// The next message to show. Run by main.
    pub fn next_debug(&self) -> Option<String> {
        self.debug.as_ref().and_then(ArrayQueue::pop)
    }

    /// Messages that `-debug` could not show.
    pub fn debug_dropped(&self) -> u64 {
        self.debug_dropped.load(Ordering::Relaxed)
    }
}

/// `from <source>: <escaped, cut message>`: control characters and quotes cannot forge a log line.
fn describe(data_source: &str, bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
    let mut text = format!("from {data_source}: ");
    for chunk in shown.utf8_chunks() {
        chunk.valid().chars().for_each(|char| match char {
            ' '..='~' => text.push(char),
            _ => text.extend(char.escape_debug()),
        });
        for byte in chunk.invalid() {
            _ = write!(text, "\\x{byte:02x}"); // into a string it does not fail
        }
    }
    if shown.len() < bytes.len() {
        _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
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
        assert_eq!(slots.take(Rejection::Name), r#"from :9999: {"name":"a\nb\xff"}"#);
        assert!(slots.is_free(Rejection::Name));
    }

    #[test]
    fn long_messages_are_cut() {
        let text = describe("a.sock", &[b'x'; 1000]);
        assert_eq!(text, format!("from a.sock: {}… (1000 bytes)", "x".repeat(128)));
    }

    #[test]
    fn the_debug_queue_drops_and_counts() {
        let slots = LogSlots::new(true);
        (0..DEBUG_QUEUE + 3).for_each(|_| slots.show("s", b"{}"));
        assert_eq!(slots.debug_dropped(), 3);
        assert_eq!(slots.next_debug().as_deref(), Some("from s: {}"));
    }
}
