//! What workers have to say, left for main to print: a worker never writes to stderr.
//!
//! Each reason has one slot for one excerpt. While a slot is taken, further messages of that reason
//! cost a worker one read of a flag; how many there were is in the books. `-debug` puts each message
//! into a bounded queue instead.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

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
    excerpt: Mutex<Option<Excerpt>>,
}

/// A message as the log shows it: where it came in, and its first bytes.
#[derive(Debug)]
pub struct Excerpt {
    source: String,
    bytes: Vec<u8>,
    len: usize,
}

/// The slots, and the queue of `-debug`.
#[derive(Debug)]
pub struct LogSlots {
    slots: Vec<LogSlot>,
    debug: Option<ArrayQueue<Excerpt>>,
}

impl LogSlots {
    /// Empty slots; with a queue for every message if `debug`.
    pub fn new(debug: bool) -> Self {
        Self {
            slots: (0..Rejection::COUNT).map(|_| LogSlot::default()).collect(),
            debug: debug.then(|| ArrayQueue::new(DEBUG_QUEUE)),
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
        *excerpt = Some(Excerpt::new(data_source, bytes));
        slot.taken.store(true, Ordering::Release); // pairs with the Acquire in `take`
        true
    }

    /// Whether an excerpt waits.
    pub fn waits(&self, reason: Rejection) -> bool {
        self.slots[reason as usize].taken.load(Ordering::Acquire)
    }

    /// Takes an excerpt, if one waits, and frees its slot. Run by main.
    pub fn take(&self, reason: Rejection) -> Option<Excerpt> {
        let slot = &self.slots[reason as usize];
        let excerpt = slot.excerpt.lock().take();
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
            && queue.push(Excerpt::new(data_source, bytes)).is_err()
        {
            crate::logger::suppress();
        }
    }

    /// The next message to show. Run by main.
    pub fn next_debug(&self) -> Option<Excerpt> {
        self.debug.as_ref().and_then(ArrayQueue::pop)
    }
}

impl Excerpt {
    fn new(source: &str, bytes: &[u8]) -> Self {
        let shown = bytes[..bytes.len().min(EXCERPT_BYTES)].to_vec();
        Self { source: source.to_owned(), bytes: shown, len: bytes.len() }
    }

    /// Where the message came in.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its first bytes, not escaped; U+FFFD stands for what is no UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The length of the whole message in bytes.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Display for Excerpt {
    /// `from <source>: <escaped, cut message>`: control characters and quotes cannot forge a log line.
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
