//! What is logged.
//!
//! Runs on `main`, once. It must not know how lines are written.

use std::time::Duration;

use super::convert::duration;
use super::error::UsageError;
use super::table::Values;

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// Whether each message is.
    pub debug: bool,
    /// Whether each line is a JSON object.
    pub json: bool,
    /// The shortest time between two log lines of one kind.
    pub interval: Duration,
}

impl LogConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        let json = match values.log_format.as_str() {
            "text" => false,
            "json" => true,
            other => return Err(UsageError::value("log-format", other, "no such choice")),
        };
        Ok(Self { debug: values.debug, json, interval: duration(values.log_interval) })
    }
}
