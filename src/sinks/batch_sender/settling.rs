//! One batch: sent, and parts of it again, until each of its rows is settled or set aside.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::BatchSender;
use super::attempts::Attempt;
use super::part::Part;
use super::search::Search;
use crate::planted::{self, Fault};
use crate::sinks::backoff::Backoff;
use crate::sinks::batcher::{Batch, Origin};
use crate::sinks::block::Block;
use crate::sinks::{Outcome, RejectReason, RowResult};

/// How many requests without a verdict, one after another, before rows are sent in pieces.
const NO_VERDICTS: u32 = 2;
/// The longest wait before the next part after one that got no verdict at once: the other parts are not to fall on a far
/// end that fails, and a row is to be found soon.
const PARTS_WAIT: Duration = Duration::from_secs(1);
/// A failure that took longer than this was wait enough.
const SOON: Duration = Duration::from_secs(1);
/// For how long rows that were taken tell that the far end takes rows.
const LATELY: Duration = Duration::from_mins(1);

/// A batch that is being settled.
struct Settling {
    search: Search,
    origin: Origin,
    backoff: Backoff,
    /// The waits between parts that get no verdict.
    parts_backoff: Backoff,
    began: Instant,
}

impl Settling {
    /// Notes that the far end judged rows, and took those of this kin.
    fn judged(&mut self, taken: impl IntoIterator<Item = u64>) {
        self.search.judged(taken);
        self.parts_backoff.reset();
    }
}

/// Why rows got no verdict.
struct NoVerdict {
    why: String,
    /// The wait that the far end asks for.
    after: Option<Duration>,
    took: Duration,
}

impl BatchSender {
    /// Sends a batch, and parts of it again, until each row is settled. If the sender has to end before that,
    /// returns the rows that are left.
    pub(super) fn settle(&mut self, batch: Batch) -> Vec<Block> {
        let Batch { rows, origin, trigger } = batch;
        let backoff = Backoff::up_to(self.attempts.sink().longest_wait());
        let (search, began) = (Search::new(rows), Instant::now());
        let parts_backoff = Backoff::up_to(PARTS_WAIT);
        let mut batch = Settling { search, origin, backoff, parts_backoff, began };
        while let Some(part) = batch.search.next() {
            if self.queue.is_over() {
                batch.search.put_back(part);
                return batch.search.into_left();
            }
            if !part.rows.is_readable() {
                self.reject_unreadable(&part.rows, origin);
                continue;
            }
            let limit = self.limit(&part);
            let attempt = self.attempts.send(&part.rows, trigger, limit);
            self.note_up(&part, &attempt);
            if attempt.has_verdict() {
                self.batches_fail = false;
            } else if !part.is_piece && !part.is_rest && attempt.outcome != Outcome::Rows {
                self.batches_fail = true;
            }
            if let Some(again) = self.judge(&mut batch, part, attempt) {
                let rows = self.books.expire(again.rows, origin);
                batch.search.put_back(Part { rows, ..again });
            }
        }
        self.set_aside(batch.search, origin);
        Vec::new()
    }

    /// Does as the far end said of a part; returns what of it is to be sent next, before all others.
    fn judge(&mut self, batch: &mut Settling, mut part: Part, attempt: Attempt) -> Option<Part> {
        if planted::is(Fault::OutageLosesRows) && !attempt.has_verdict() {
            return None;
        }
        match attempt.outcome {
            Outcome::Rows => self.take_results(batch, &part, &attempt.results),
            Outcome::Retry { why, after } => {
                part.no_verdicts = 0;
                self.attempts.pause(&mut batch.backoff, after, Some(&why));
                Some(part)
            }
            Outcome::NoVerdict { why, after } => {
                let took = attempt.took;
                self.no_verdict(batch, part, &NoVerdict { why, after, took })
            }
            Outcome::Split { why, reason } if part.rows.row_count() <= 1 => {
                batch.judged([]);
                self.attempts.complain(&format!("{why}; the row is rejected"));
                self.books.reject(&part.rows, reason, batch.origin);
                None
            }
            Outcome::Split { .. } => {
                batch.judged([]);
                batch.search.put_all_back(part.halves());
                None
            }
        }
    }

    /// Counts the rows that are settled, and waits before the others are sent again.
    fn take_results(
        &mut self,
        batch: &mut Settling,
        part: &Part,
        results: &[RowResult],
    ) -> Option<Part> {
        let kin = self.note_taken(part, results);
        let rest = self.books.settle(&part.rows, results, batch.origin);
        let progress = rest.row_count() < part.rows.row_count();
        if progress {
            batch.judged(kin);
            batch.backoff.reset();
        }
        let rest = part.rest(rest, progress);
        if rest.rows.is_empty() {
            return None;
        }
        if self.may_wait_aside(&rest, batch.began) {
            self.wait_aside(rest.rows, batch.origin);
            return None;
        }
        self.attempts.pause(&mut batch.backoff, None, None);
        Some(rest)
    }

    /// Looks for the row that is the cause, if the far end answers otherwise.
    fn no_verdict(
        &mut self,
        batch: &mut Settling,
        mut part: Part,
        cause: &NoVerdict,
    ) -> Option<Part> {
        let NoVerdict { why, after, took } = cause;
        part.no_verdicts += 1;
        if part.no_verdicts < NO_VERDICTS {
            self.attempts.pause(&mut batch.backoff, *after, Some(why));
            return Some(part);
        }
        if !self.attempts.is_well() {
            // It is away as a whole: nothing is wrong with these rows.
            self.attempts.note_up(false);
            self.attempts.pause(&mut batch.backoff, *after, Some(why));
            return Some(Part::new(part.rows));
        }
        if *took < SOON {
            self.attempts.pause(&mut batch.parts_backoff, None, None);
        }
        if part.rows.row_count() > 1 {
            self.attempts.complain(&format!("{why}; sent again in pieces"));
            batch.search.put_all_back(part.pieces());
            return None;
        }
        if !self.make_room_aside(batch.search.aside_bytes() + part.rows.bytes().len()) {
            self.attempts.pause(&mut batch.backoff, *after, Some(why));
            self.try_aside(Instant::now());
            return Some(part);
        }
        self.attempts.patience.beware(Instant::now());
        if !batch.search.put_aside(part.rows) {
            if *took >= SOON {
                self.attempts.patience.was_short();
            }
            self.attempts.pause(&mut batch.backoff, *after, Some(why));
        }
        None
    }

    /// Notes whether the far end takes rows. A part of a batch that gets no verdict says nothing of that, nor do rows that
    /// are to come later while those of other kin are taken.
    fn note_up(&self, part: &Part, attempt: &Attempt) {
        if attempt.has_verdict() {
            self.attempts.note_up(true);
            return;
        }
        let says_nothing = match attempt.outcome {
            Outcome::Rows => part.is_piece || self.takes_others(part),
            Outcome::NoVerdict { .. } => part.is_piece || part.is_rest,
            Outcome::Retry { .. } | Outcome::Split { .. } => part.is_piece,
        };
        if !says_nothing {
            self.attempts.note_up(false);
        }
    }

    /// Whether the far end took rows lately of none of the kin of these.
    pub(super) fn takes_others(&self, part: &Part) -> bool {
        let sink = self.attempts.sink();
        let kin: Vec<_> = part.rows.iter().map(|row| sink.kin(&row)).collect();
        self.taken_lately.others_than(&kin, Instant::now(), LATELY)
    }

    /// How long the answer to a part may take.
    fn limit(&self, part: &Part) -> Duration {
        let patience = &self.attempts.patience;
        if part.is_piece {
            patience.for_piece()
        } else {
            patience.for_batch(part.no_verdicts, Instant::now())
        }
    }

    /// Notes which rows were taken; returns the kin of these, where somebody asks for it.
    fn note_taken(
        &mut self,
        part: &Part,
        results: &[RowResult],
    ) -> HashSet<u64, ahash::RandomState> {
        let taken = part.rows.iter().zip(results);
        self.others_taken |= taken.clone().any(|(_, result)| *result != RowResult::Retry);
        let sink = self.attempts.sink();
        let taken = taken.filter(|(_, result)| **result == RowResult::Delivered);
        let mut taken_kin = taken.map(|(row, _)| sink.kin(&row));
        let mut kin = HashSet::default();
        let Some(first) = taken_kin.next() else { return kin };
        self.taken_lately.note(first, Instant::now());
        let somebody_asks = part.is_piece || results.contains(&RowResult::Retry);
        if somebody_asks || !self.aside.is_empty() {
            kin.insert(first);
            kin.extend(taken_kin);
            self.aside.others_taken(&kin);
        }
        kin
    }

    fn reject_unreadable(&mut self, rows: &Block, origin: Origin) {
        // None of them can be trusted.
        let count = rows.row_count();
        self.attempts.complain(&format!("{count} rows cannot be read back and are rejected"));
        self.books.reject(rows, RejectReason::Unreadable, origin);
    }
}
