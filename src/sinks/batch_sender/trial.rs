//! What is set aside is tried again: one trial between two batches, and one more of all when the server stops.

use std::time::{Duration, Instant};

use super::aside::AsideRows;
use super::attempts::Attempt;
use super::part::Part;
use super::{BatchSender, first_kin};
use crate::sinks::backoff::Backoff;
use crate::sinks::batcher::Origin;
use crate::sinks::{Outcome, RejectReason, Trigger};
use crate::text::excerpt::excerpt;

/// How often a trial is repeated at once if it fails sooner than that, as with a connection that is reset: one
/// that is slow has been given time enough.
const REPEATS: u32 = 3;
const SOON: Duration = Duration::from_secs(1);

impl BatchSender {
    /// Tries the rows that have been due for the longest time, if any are.
    pub(super) fn try_aside(&mut self, now: Instant) {
        let Some(mut tried) = self.aside.take_due(now) else { return };
        tried.rows = self.books.expire(tried.rows, Origin::Memory);
        if tried.rows.is_empty() {
            return;
        }
        let Attempt { outcome, results, .. } = self.attempt(&tried);
        let now = Instant::now();
        match outcome {
            Outcome::Rows => {
                let before = tried.rows.row_count();
                let rest = self.books.settle(&tried.rows, &results, Origin::Memory);
                if rest.row_count() < before {
                    self.aside.make_due(now);
                }
                tried.rows = rest;
                tried.wait(now);
                if !tried.rows.is_empty() {
                    self.aside.put_back(tried);
                }
            }
            Outcome::Retry { why, .. } => {
                self.attempts.complain(&format!("{why}; tried again"));
                tried.wait(now);
                self.aside.put_back(tried);
            }
            Outcome::Split { why, reason } if tried.rows.row_count() <= 1 => {
                self.attempts.complain(&format!("{why}; the row is rejected"));
                self.books.reject(&tried.rows, reason, Origin::Memory);
            }
            Outcome::Split { .. } => self.cut(&tried, now),
            // It may be away as a whole: that says nothing of these rows.
            Outcome::NoVerdict { .. } if self.batches_fail || !self.attempts.is_well() => {
                tried.wait(now);
                self.aside.put_back(tried);
            }
            Outcome::NoVerdict { .. } if tried.rows.row_count() > 1 => self.cut(&tried, now),
            Outcome::NoVerdict { why, .. } => {
                tried.failed();
                if tried.is_poison(now) {
                    self.reject_poison(&tried, &why);
                } else {
                    tried.wait(now);
                    self.aside.put_back(tried);
                }
            }
        }
    }

    /// Sends the rows, again if that fails soon.
    fn attempt(&mut self, tried: &AsideRows) -> Attempt {
        let limit = self.attempts.patience.for_row_alone();
        let mut backoff = Backoff::up_to(self.attempts.sink().longest_wait());
        for _ in 1..REPEATS {
            let attempt = self.attempts.send(&tried.rows, Trigger::Time, limit);
            if !matches!(attempt.outcome, Outcome::NoVerdict { .. }) || attempt.took >= SOON {
                return attempt;
            }
            self.attempts.pause(&mut backoff, None, None);
        }
        self.attempts.send(&tried.rows, Trigger::Time, limit)
    }

    /// Puts pieces of the rows in their place.
    fn cut(&mut self, tried: &AsideRows, now: Instant) {
        let pieces = Part::new(tried.rows.clone()).pieces();
        for Part { rows, .. } in pieces.rev() {
            let kin = first_kin(self.attempts.sink(), &rows);
            self.aside.put_back(tried.part(rows, kin, now));
        }
    }

    /// Rejects a row that is the cause itself: keeps it on disk, if there is one, and shows its beginning in the log.
    fn reject_poison(&mut self, tried: &AsideRows, why: &str) {
        let mut json = Vec::new();
        tried.rows.iter().for_each(|row| row.write_json(&mut json));
        let kept = match self.queue.spill().map(|spill| spill.quarantine(&json)) {
            None => String::new(),
            Some(Ok(Some(path))) => format!(" and kept in {}", path.display()),
            Some(Ok(None)) => "; there is no room to keep it".to_owned(),
            Some(Err(error)) => format!("; it cannot be kept: {error}"),
        };
        log::error!(
            "{}: a row got no verdict {} times alone, while others were taken (the last time: {why}); it is rejected \
             as poison{kept}: {}",
            self.queue.counters().sink,
            tried.failures(),
            excerpt(&String::from_utf8_lossy(&json)),
        );
        self.books.reject(&tried.rows, RejectReason::Poison, Origin::Memory);
    }

    /// Tries all that is set aside once more, as far as there is time: the server stops.
    pub(super) fn try_all_aside(&mut self) {
        let now = Instant::now();
        self.aside.make_due(now);
        while !self.queue.is_over() && self.aside.next_due().is_some_and(|due| due <= now) {
            self.try_aside(now);
        }
    }
}
