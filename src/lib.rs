//! metrics-server: the daemon to which short-lived programs throw their metrics, and which Prometheus
//! scrapes.
//!
//! # Bird's eye
//!
//! **Worker threads share nothing on the hot path.** A worker owns its sockets, its buffers and its own
//! cells in every series it has seen. A cell has one writer, so counting is a plain load, add, store:
//! no lock, no compare-and-swap, no line that another core writes. The exporter reads everybody's
//! cells and sums. What all must agree on (a family's name, type, label names, buckets) is agreed
//! once, when a series is created, under one cold lock.
//!
//! ```text
//!  PHP fleet        ingest-0                            exporter, exporter-gzip, http
//!  ─UDP─▶ socket ─▶ recvmmsg ─▶ template known ─▶ own cells ····▶ sum ─▶ text ─▶ /metrics
//!  ─UDS─▶ stream ─▶ read     ─▶   │ no             ▲                     ▲
//!                                 └▶ frame ─▶ parse┤                     │
//!                                                  ├▶ create (one lock) ─┘ list of new cells
//!         ingest-N …                               └▶ blocks of rows ─▶ spooler ─▶ sender ─▶ a sink's far end
//!         main: signals, ends of threads; logger: stderr; web-config: passwords and changed certificates
//! ```
//!
//! # Floors
//!
//! A module names only modules on lower floors; `tests/it/tidy.rs` holds it to that.
//!
//! ```text
//! 5  program     args → Config → Server → exit code
//! 4  server      binds, starts, watches, drains and stops threads; the only file that starts one
//! 3  ingest, exporter
//! 2  exposition  directory → text
//!    http        connections; what it sends is made above it
//! 1  wire, registry, sys, sinks
//! 0  metric, config, control, stats, clock, logger, text, pem, segmented_table, index_table, capacity,
//!    sync
//! ```
//!
//! # Invariants
//!
//! - Every object that is framed is booked once: accepted under its op, or rejected under a reason. Every
//!   datagram is read, or dropped and counted by the kernel. A test asserts the sums.
//! - Every row for a sink is delivered, rejected or dropped under a reason, queued, or on disk: the sums add up.
//! - A worker waits for its poll and for nothing else. It may drop, it may not block, and it writes no log.
//! - `wire`, `registry` and `exposition` do no I/O and read no clock.
//! - No input can make the page fail: what cannot be shown is refused before a series is created.
//! - Deliberately absent: an async runtime on the ingest path, a map shared on it, a log line per message.

mod capacity;
mod clock;
mod config;
mod control;
mod exporter;
mod exposition;
mod http;
mod index_table;
mod ingest;
mod logger;
mod metric;
mod pem;
mod program;
mod registry;
mod segmented_table;
mod server;
mod sinks;
mod stats;
mod sync;
mod sys;
#[doc(hidden)]
pub mod testing;
mod text;
mod wire;

pub use program::run;
