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

pub mod birth;
pub mod buckets;
pub mod cell;
pub mod directory;
pub mod exchange;
pub mod expiry;
pub mod label_text;
pub mod shard;
pub mod slab;
