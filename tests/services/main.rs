//! Tests with real services, which `make services` starts: each module needs the services that it names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

// What neither uses is found where the other tests are built: `tests/it/main.rs` allows nothing.
#[expect(dead_code, unused_imports, reason = "shared with tests/it, which uses all of it")]
#[path = "../common/harness.rs"]
mod common;

mod cassandra;
mod cql;
mod loki;
mod opensearch;
mod pyroscope;
mod service;
mod statsd_exporter;
