//! What is logged.
//!
//! Runs on `main`, once. It must not know how lines are written.

use std::time::Duration;

use super::convert::duration;
use super::table::Values;

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// Whether each message is.
    pub debug: bool,
    /// The shortest time between two log lines of one kind.
    pub interval: Duration,
}

impl LogConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Self {
        Self { debug: values.debug, interval: duration(values.log_interval) }
    }
}
