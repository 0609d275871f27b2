//! What is set aside is tried again: one trial between two batches, and one more of all when the server stops.

use std::time::{Duration, Instant};

use super::aside_rows::AsideRows;
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
        self.try_due(now);
        self.copies.tidy(&self.aside);
    }

    fn try_due(&mut self, now: Instant) {
        let Some(mut tried) = self.aside.take_due(now) else { return };
        tried.rows = self.books.expire(tried.rows, Origin::Memory);
        if tried.rows.is_empty() {
            return;
        }
        let attempt = self.attempt(&tried);
        if attempt.has_verdict() {
            self.attempts.note_up(true);
        }
        let Attempt { outcome, results, took } = attempt;
        let now = now + took;
        match outcome {
            Outcome::Rows => {
                let before = tried.rows.row_count();
                let rest = self.books.settle(&tried.rows, &results, Origin::Memory);
                if rest.row_count() < before {
                    self.taken_lately.note(tried.kin, now);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::metric::Op;
    use crate::sinks::batcher::Batch;
    use crate::sinks::block::Block;
    use crate::sinks::counters::SinkCounters;
    use crate::sinks::queue::SinkQueue;
    use crate::sinks::row::tests::sample;
    use crate::sinks::{BatchLimits, Row, RowResult, Sink};

    /// Says nothing of rows with the name `poison`, and of no row while it is away; always says that it is well.
    #[derive(Debug)]
    struct SilentSink {
        is_away: Arc<AtomicBool>,
    }

    impl Sink for SilentSink {
        fn limits(&self) -> BatchLimits {
            let period = Duration::ZERO;
            BatchLimits { bytes: 1, rows: 1, period, max_bytes: 1 << 20, max_rows: 1_000 }
        }

        fn deliver(
            &mut self,
            rows: &[Row<'_>],
            _: Trigger,
            results: &mut Vec<RowResult>,
        ) -> Outcome {
            if self.is_away.load(Relaxed) || rows.iter().any(|row| row.name == "poison") {
                return Outcome::NoVerdict { why: "silence".to_owned(), after: None };
            }
            results.resize(rows.len(), RowResult::Delivered);
            Outcome::Rows
        }

        fn is_well(&mut self) -> bool {
            true
        }

        fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
            Box::new(|| ())
        }
    }

    fn settle(sender: &mut BatchSender, names: &[&str]) {
        let mut rows = Block::default();
        for name in names {
            rows.push(1, &sample(Op::Raw, name, &[]), &[]);
        }
        sender.queue.counters().enter_memory(names.len() as u64, rows.bytes().len());
        let batch = Batch { rows, origin: Origin::Memory, trigger: Trigger::Time };
        assert!(sender.settle(batch).is_empty());
    }

    #[test]
    fn trials_while_whole_batches_fail_are_not_held_against_a_row() {
        let is_away = Arc::new(AtomicBool::new(false));
        let sink = Box::new(SilentSink { is_away: Arc::clone(&is_away) });
        let counters = Arc::new(SinkCounters::new("test", 1));
        let queue = SinkQueue::new(Arc::clone(&counters), sink.limits(), 1 << 20, None);
        let mut sender = BatchSender::new(sink, Arc::new(queue), None);
        let poison = || counters.rejected[RejectReason::Poison as usize].load(Relaxed);
        settle(&mut sender, &["good", "poison"]);
        // From now on it takes nothing, so each trial fails, whatever is wrong with its row.
        is_away.store(true, Relaxed);
        settle(&mut sender, &["other"]);
        let mut now = Instant::now();
        for _ in 0..5 {
            now += Duration::from_mins(2);
            (0..2).for_each(|_| sender.try_aside(now));
        }
        assert_eq!(poison(), 0);
        is_away.store(false, Relaxed);
        settle(&mut sender, &["good"]);
        while poison() == 0 {
            now += Duration::from_mins(2);
            sender.try_aside(now);
        }
        assert_eq!((counters.delivered.load(Relaxed), poison()), (3, 1));
        assert_eq!(counters.queued_bytes.load(Relaxed), 0);
    }
}
