//! All tests that need nothing but the program and the library, in one binary: a change is linked once.
//!
//! They run as threads of one process, beside each other: none may change what belongs to the process (its
//! environment, its directory, its limits). One that must runs itself again, as a process of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/harness.rs"]
mod common;

mod bad_input;
mod batch_positions;
mod batches_without_verdict;
mod books;
mod compose;
mod conformance;
mod descriptors;
mod expiry;
mod fair;
mod flags;
mod gauge_add;
mod harness;
mod http;
mod http_log;
mod http_memory;
mod labels;
mod limits;
mod loki;
mod loki_answers;
mod loop_lag;
mod memory;
mod newcomers;
mod opensearch;
mod opensearch_faults;
mod page_writer;
mod pages;
mod pyroscope;
mod readme;
mod real;
mod remote;
mod remote_log;
mod remote_network;
mod remote_order;
mod remote_outage;
mod remote_ring;
mod scrape;
mod scylla;
mod shutdown_uid;
mod sink_memory;
mod sink_queue;
mod startup;
mod statsd;
mod stop;
mod template_equals_parse;
mod tidy;
mod unix;
mod unix_limits;
mod unixgram;
mod web_config;
mod web_config_login;
mod web_config_reload;
mod web_config_tls;
mod wire_frame;
mod wire_json;
