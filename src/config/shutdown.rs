//! When the server stops, and at whose word.
//!
//! Runs on `main`, once. It must not know how a stop goes.

use std::time::Duration;

use super::convert::duration;
use super::error::UsageError;
use super::table::Values;

/// When the server stops, and at whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShutdownConfig {
    /// How long to keep running once asked to stop.
    pub delay: Duration,
    /// Whose `op: shutdown` is obeyed.
    pub from: ShutdownFrom,
}

/// Whose `op: shutdown` is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownFrom {
    /// Clients of unix sockets.
    Unix,
    /// Whoever sends one, over UDP too.
    Any,
    /// Nobody.
    None,
}

impl ShutdownConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        Ok(Self {
            delay: duration(values.shutdown_delay),
            from: shutdown_from(&values.shutdown_from)?,
        })
    }
}

fn shutdown_from(text: &str) -> Result<ShutdownFrom, UsageError> {
    match text {
        "uds" => Ok(ShutdownFrom::Unix),
        "any" => Ok(ShutdownFrom::Any),
        "none" => Ok(ShutdownFrom::None),
        _ => Err(UsageError::value("shutdown-from", text, "no such choice")),
    }
}
