//! What every sink's queue of rows has in common: how much waits, where, and how long.
//!
//! Runs on `main`, once. It must not open what it names.

use std::time::Duration;

use super::convert::{count, duration, size};
use super::limits::beside_series;
use super::table::Values;

/// What every sink's queue of rows has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueConfig {
    /// Most bytes in memory, for each sink.
    pub memory_max_bytes: usize,
    /// The directory for rows that memory has no room for; empty: none.
    pub spill_dir: String,
    /// Most bytes there, for each sink.
    pub spill_max_bytes: u64,
    /// How old rows may become; `None`: however old.
    pub retry_max: Option<Duration>,
    /// How long the end waits for sinks to take what is left.
    pub flush_timeout: Duration,
}

impl QueueConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Self {
        Self {
            memory_max_bytes: size(beside_series(values.sink_queue_bytes, values)),
            spill_dir: values.spill_dir.clone(),
            spill_max_bytes: count(values.spill_max_bytes),
            retry_max: Some(duration(values.sink_retry_max)).filter(|longest| !longest.is_zero()),
            flush_timeout: duration(values.sink_flush_timeout),
        }
    }
}
