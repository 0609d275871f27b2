//! Prints what workers have left in the log slots: each reason at most once per interval, with how many
//! messages it stands for, and refused connections in the same way. Runs on main.

use std::time::{Duration, Instant};

use crate::ingest::log_slots::{Excerpt, LogSlots};
use crate::metric::Rejection;
use crate::stats::{Stats, WorkerStats};

/// Messages shown at once with `-debug`, before main looks at its other duties.
const DEBUG_LINES: usize = 256;

/// When lines on each subject were printed last, and their counts then.
#[derive(Debug)]
pub(super) struct Printer {
    interval: Duration,
    connections_max: usize,
    /// By reason.
    rejections: Vec<Option<PrintedLine>>,
    connections: Option<PrintedLine>,
    due: Option<Instant>,
}

/// The last line on a subject.
#[derive(Clone, Copy, Debug)]
struct PrintedLine {
    at: Instant,
    /// What was counted on the subject until then.
    count: u64,
}

impl Printer {
    /// Prints each subject at most once per interval; `connections_max` is shown.
    pub(super) fn new(interval: Duration, connections_max: usize) -> Self {
        let rejections = vec![None; Rejection::COUNT];
        Self { interval, connections_max, rejections, connections: None, due: None }
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
            if log.waits(reason) && self.may_print(self.rejections[reason as usize], now) {
                self.print_rejection(reason, log, stats, now);
            }
        }
        if log.refused_connection_waits() && self.may_print(self.connections, now) {
            self.print_refused_connections(log, stats, now);
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

    /// Whether the interval since the last line on a subject is over; if not, main comes again when it is.
    fn may_print(&mut self, last: Option<PrintedLine>, now: Instant) -> bool {
        let due = last.map_or(now, |last| last.at + self.interval);
        if due > now {
            self.due = Some(self.due.map_or(due, |other| other.min(due)));
        }
        due <= now
    }

    fn print_rejection(&mut self, reason: Rejection, log: &LogSlots, stats: &Stats, now: Instant) {
        let count = sum(stats, |worker| worker.rejected[reason as usize].get());
        let Some(excerpt) = log.take(reason) else { return };
        let line = PrintedLine { at: now, count };
        let last = self.rejections[reason as usize].replace(line);
        report(count - counted_until(last), reason, &excerpt);
    }

    fn print_refused_connections(&mut self, log: &LogSlots, stats: &Stats, now: Instant) {
        log.take_refused_connection(); // before counting: those that come in between are told again
        let count = sum(stats, |worker| worker.connections_refused.get());
        let (refused, limit) = (count - counted_until(self.connections), self.connections_max);
        if refused == 0 {
            return; // the line before has it: it came between its being counted and its being noted
        }
        self.connections = Some(PrintedLine { at: now, count });
        log::warn!(
            summary = "unix connections refused", count = refused, limit = limit;
            "{refused} unix connections refused: {limit} were open, none of them idle; raise -uds-connections-max to allow more"
        );
    }
}

fn sum(stats: &Stats, count: impl Fn(&WorkerStats) -> u64) -> u64 {
    stats.iter().map(|worker| count(worker)).sum()
}

fn counted_until(last: Option<PrintedLine>) -> u64 {
    last.map_or(0, |line| line.count)
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
