//! Prints what workers have left in the log slots: each reason at most once per interval, with how many
//! messages it stands for. Runs on main.

use std::time::{Duration, Instant};

use crate::ingest::log_slots::{Excerpt, LogSlots};
use crate::metric::Rejection;
use crate::stats::Stats;

/// Messages shown at once with `-debug`, before main looks at its other duties.
const DEBUG_LINES: usize = 256;

/// When each reason was printed last, and its count then.
#[derive(Debug)]
pub(super) struct Printer {
    interval: Duration,
    printed: Vec<Option<(Instant, u64)>>,
    due: Option<Instant>,
}

impl Printer {
    /// Prints each reason at most once per interval.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, printed: vec![None; Rejection::COUNT], due: None }
    }

    /// When something that waits may be printed.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due
    }

    /// Prints what is due.
    pub(super) fn print(&mut self, log: &LogSlots, stats: &Stats) {
        let now = Instant::now();
        self.due = None;
        for &reason in Rejection::ALL {
            if !log.waits(reason) {
                continue;
            }
            let (due, before) = match self.printed[reason as usize] {
                Some((last, count)) => (last + self.interval, count),
                None => (now, 0),
            };
            if due > now {
                self.due = Some(self.due.map_or(due, |other| other.min(due)));
                continue;
            }
            let count = stats.iter().map(|worker| worker.rejected[reason as usize].get()).sum();
            let Some(excerpt) = log.take(reason) else { continue };
            report(count - before, reason, &excerpt);
            self.printed[reason as usize] = Some((now, count));
        }
        for _ in 0..DEBUG_LINES {
            let Some(message) = log.next_debug() else { return };
            log::debug!(
                summary = "message", source = message.source(), message = message.text(), bytes = message.len();
                "message {message}"
            );
        }
        self.due = Some(now); // more wait
    }
}

/// One line for `count` messages that were refused for one reason.
fn report(count: u64, reason: Rejection, excerpt: &Excerpt) {
    let reason = reason.as_str();
    log::warn!(
        summary = "messages rejected", count = count, reason = reason, source = excerpt.source(),
        message = excerpt.text(), bytes = excerpt.len();
        "{count} messages rejected, reason={reason}, one of them {excerpt}"
    );
}
