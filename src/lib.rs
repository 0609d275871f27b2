//! metrics-server.

pub mod clock;
pub mod exposition;
pub mod logger;
pub mod metric;
pub mod registry;
pub mod server;
pub mod stats;
pub mod sync;
pub mod sys;
pub mod text;
pub mod wire;
pub mod config;
pub mod exporter;
pub mod ingest;
