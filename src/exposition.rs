//! From the registry's cells to the text page that Prometheus reads.
//!
//! Runs on the exporter's threads. It knows nothing of sockets and HTTP: it makes bytes.

pub mod page;
