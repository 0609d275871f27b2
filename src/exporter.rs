//! The exporter: makes the pages that Prometheus scrapes, from the registry and the server's own counters.
//!
//! `scrape` makes pages, piece by piece, and shares them among scrapes that ask at the same time. `own` adds the
//! server's own families, `expiry_timer` removes idle series, `freed_memory` gives back what they took. All run on the threads `exporter` and `exporter-gzip`;
//! workers never wait for them. Of HTTP they know the encoding in which a page is
//! asked for, and the numbers that the HTTP server counts.

pub(crate) mod expiry_timer;
mod freed_memory;
pub(crate) mod own;
pub(crate) mod process;
pub(crate) mod scrape;
pub(crate) mod udp_sockets;
