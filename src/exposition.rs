//! From the registry's cells to the text page that Prometheus reads.
//!
//! `page` writes lines, `page_writer` goes through the directory piece by piece. Runs on the exporter's threads.
//! It knows nothing of sockets and HTTP: it makes bytes.

pub(crate) mod page;
pub(crate) mod page_writer;
