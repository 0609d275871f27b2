//! metrics-server: the daemon to which short-lived programs throw their metrics, and which Prometheus
//! scrapes.
//!
//! # Bird's eye
//!
//! **Worker threads share nothing on the hot path.** A worker owns its sockets (`SO_REUSEPORT` gives each its
//! own), its buffers and its own cell in every series it has seen. A cell has one writer, so counting is a
//! plain load, add, store: no lock, no compare-and-swap, no line that another core writes. The exporter reads
//! everybody's cells: it adds those of counters and histograms, and of a gauge takes the one set last and what was added
//! since. What all must agree on (a family's name, type, label names, buckets) is agreed once, when a series is created,
//! under one cold lock.
//!
//! ```text
//!  PHP fleet        ingest-0                                exporter          exporter-gzip, http
//!  ─UDP─▶ socket ─▶ recvmmsg ─▶ template known ─▶ own cells ···▶ sum ─▶ text ─▶ connections ─▶ /metrics
//!  ─UDS─▶ stream ─▶ read     ─▶   │ no             ▲    ▲         ▲                │
//!                                 └▶ frame ─▶ parse┤    │         │ on demand ◀────┘ (http::pages::Pages)
//!                                                  ├▶ create ─────┘ list of new cells
//!                                                  │  (one lock)
//!                                                  │    └─ give up a cell ◀─▶ expiry (registry::mailbox)
//!         ingest-N …                               └▶ instead, for rows: blocks ─▶ spooler ─▶ sender ─▶ a sink
//! ```
//!
//! - A *template* (`wire::template`) is a message known but for its number: one that comes a second time, and
//!   that a second parse with another number has proved, is from then on counted without a parse.
//! - *Cells* are in `registry::slab`, one slab for each worker; what a worker knows of them is in
//!   `registry::local`, what the exporter shows in `registry::directory`.
//! - A *page* is made when somebody asks, piece by piece, and shared by all who ask meanwhile. The server's own
//!   families stand on it as well (`stats`, `exporter::own`).
//! - Events, documents and raw rows are not counted: they go to a sink in place of that. With `-remote` every
//!   message goes on to another server, and nothing is counted here.
//! - Other threads: `main` (signals, ends of threads, excerpts of what was rejected), `logger` (stderr),
//!   `web-config` (passwords, changed certificates), `pyroscope` (profiles).
//!
//! # Floors
//!
//! A module names only modules on lower floors; `tests/it/tidy.rs` holds it to that.
//!
//! ```text
//! 5  program     args → Config → Server → exit code
//! 4  server      binds, starts, watches, drains and stops threads; `server::threads` alone starts them
//! 3  ingest, exporter
//! 2  exposition  directory → text
//!    http        connections; `exporter` makes what it sends, through the trait `http::pages::Pages`
//! 1  wire, registry, sys, sinks
//! 0  metric, config, control, stats, clock, logger, text, pem, segmented_table, index_table, capacity,
//!    sync, planted
//! ```
//!
//! # Invariants
//!
//! - Every object that is framed is booked once: accepted under its op, or rejected under a reason. Every
//!   datagram is read, or dropped and counted by the kernel. A test asserts the sums.
//! - Every row for a sink is delivered, rejected or dropped under a reason, queued, or on disk: the sums add up.
//! - A worker waits for its poll, and at most for `-udp-batch-wait`, in which more datagrams come; for nothing else.
//!   It may drop, it may not block, and once it runs it writes no log.
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
mod planted;
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
