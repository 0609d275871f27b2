//! The registry: cells that workers count in, and the directory that the exporter reads.
//!
//! ```text
//!  worker 0                 worker N               exporter
//!  LocalRegistry ─▶ cells   LocalRegistry ─▶ cells ···▶ Directory ─▶ sums
//!     │ series not known      │                          ▲
//!     ├──▶ Registry (one lock, rarely taken) ─ new cells ┘
//!     └──▶ Mailboxes (give up a cell, reuse its place) ◀── Expiry
//! ```
//!
//! A cell has one writer, so counting is a plain load, add, store. What all workers must agree on (a
//! family's name, type, label names and buckets) is agreed once, when a series is created. The registry
//! knows nothing of bytes on the wire, of sockets, or of where the time comes from.

pub(crate) mod birth;
pub(crate) mod buckets;
pub(crate) mod cell;
pub(crate) mod directory;
pub(crate) mod expiry;
pub(crate) mod label_text;
pub(crate) mod local;
pub(crate) mod mailbox;
pub(crate) mod slab;

pub use self::birth::{Registry, SeriesLimits};
