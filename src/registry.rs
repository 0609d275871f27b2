//! The registry: cells that workers count in, and the directory that the exporter reads.
//!
//! ```text
//!  worker 0          worker N            exporter
//!  Shard ─▶ cells    Shard ─▶ cells ···▶ Directory ─▶ sums
//!     │ miss            │                  ▲    ▲
//!     └──▶ Births (one cold lock) ── newcomers  │
//!     └───────── Exchange (give up / reuse) ────┘
//! ```
//!
//! A cell has one writer, so counting is a plain load, add, store. What all must agree on is agreed
//! once, at a series' birth. Knows nothing of bytes on the wire, of sockets or of time's source.

pub(crate) mod birth;
pub(crate) mod buckets;
pub(crate) mod cell;
pub(crate) mod directory;
pub(crate) mod exchange;
pub(crate) mod expiry;
pub(crate) mod label_text;
pub(crate) mod shard;
pub(crate) mod slab;
