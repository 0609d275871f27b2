//! metrics-server.

pub mod metric;
