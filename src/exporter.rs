//! The exporter: everything between the registry and Prometheus.
//!
//! `scrape` makes pages, piece by piece, and shares them among scrapes that ask at the same time; `own` adds the
//! server's own families, `expiry_timer` drives expiry on a timer. Runs on the threads `exporter` and `exporter-gzip`;
//! workers never wait for any of it. Knows of HTTP only what a page is asked for with.

pub(crate) mod expiry_timer;
pub(crate) mod own;
pub(crate) mod process;
pub(crate) mod scrape;
pub(crate) mod udp_sockets;
