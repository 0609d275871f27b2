//! One log line per interval, and how many were left out since the last.
//!
//! For one thread: a `Cell` is all it needs.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Decides which lines of one kind are logged.
#[derive(Debug)]
pub(super) struct LogThrottle {
    interval: Duration,
    logged: Cell<Option<Instant>>,
    left_out: Cell<u64>,
}

impl LogThrottle {
    /// At most one line per interval.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, logged: Cell::new(None), left_out: Cell::new(0) }
    }

    /// If a line is due: what to add to it about those that were left out. Otherwise it is left out.
    pub(super) fn due(&self) -> Option<String> {
        if self.logged.get().is_some_and(|logged| logged.elapsed() < self.interval) {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.logged.set(Some(Instant::now()));
        Some(match self.left_out.take() {
            0 => String::new(),
            count => format!(" ({count} more since the last such line)"),
        })
    }
}
