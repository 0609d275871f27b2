//! Message templates: messages that are known but for their number.
//!
//! PHP sends the same line again and again with only the value changed. A template is the listener together
//! with a message's raw bytes before and after the number of its top-level `value`; what the message means
//! apart from that number is stored with it. A hit costs a fraction of a parse: the number, a hash of the
//! bytes around it and one compare. It also tells where the object ends, so a hit is not framed either.
//!
//! ```text
//! cache.batch(listener, datagrams) ─▶ DatagramBatch ─next─▶ Cursor ─lookup─▶ Hit: count it
//! cache.read(listener, bytes) ─────────────────────▶   │              Miss::Parse: parse it
//!                                                      ◀─ note, admit─ Miss::Admissible: parse it, learn it
//! ```
//!
//! Why a hit means what a parse would have told: a template is admitted only after a proof that its message
//! with another number in that place parses to the same sample but for that number (the caller parses the
//! message that [`TemplateKey::write_with_other_number`] makes). The bytes before the number bring framer and
//! parser into one state, and a JSON number behind a colon leaves them in one state, whatever its digits; so
//! equal bytes around it end at the same place and mean the same. Predictions, probes and what was looked at
//! ahead decide only how soon a template is found: all its bytes are compared each time.
//!
//! A StatsD line is known by the bytes before and after the number behind its first colon, up to its line end; it has
//! the same proof. Where an object begins and where a line does are told apart by the first byte.
//!
//! Runs on an ingest worker; it knows no cells: what a template means is a `T` that its caller fills in.

mod cache;
mod cursor;
mod doorkeeper;
mod entry;
mod line;
mod locator;
mod lookahead;
mod lookup;
mod next_number;
mod number;
mod predictor;
mod store;

pub use cache::TemplateCache;
pub(crate) use cursor::{Cursor, DatagramBatch};
pub(crate) use locator::TemplateKey;
pub(crate) use lookup::TemplateId;
pub use lookup::{Hit, Lookup, Miss};

#[cfg(test)]
mod tests;
