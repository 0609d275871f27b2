//! Rows that are set aside together: each is tried again by itself, and one that goes on to get no verdict while others
//! are taken is poison.
//!
//! Pure data; time is an argument. What counts is told by the constants: a far end that is only ill must not cost a row.

use std::time::{Duration, Instant};

use super::search::Taken;
use crate::sinks::block::Block;

/// The wait before a row is tried again, which doubles up to the second number.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How often a row must have got no verdict alone, and for how long, while rows of its kin were taken. If every second
/// request fails for no reason, one of 32 rows that came that far fails so often.
const KIN_FAILURES: u32 = 5;
const KIN_TIME: Duration = Duration::from_secs(30);
/// The same if only rows of other kin were taken: a part of the far end may be away for minutes.
const OTHERS_FAILURES: u32 = 12;
const OTHERS_TIME: Duration = Duration::from_mins(10);

/// Rows that are tried together.
#[derive(Debug)]
pub(super) struct AsideRows {
    pub(super) rows: Block,
    /// The kin of the first row.
    pub(super) kin: u64,
    /// Which other rows were taken since then.
    pub(super) taken: Taken,
    /// When they got no verdict for the first time.
    since: Instant,
    /// How often they got none while the far end answered otherwise.
    failures: u32,
    pub(super) due: Instant,
    wait: Duration,
}

impl AsideRows {
    /// Rows that got no verdict just now, for the first time.
    pub(super) fn new(rows: Block, kin: u64, taken: Taken, now: Instant) -> Self {
        let (due, wait) = (now + FIRST_WAIT, FIRST_WAIT);
        Self { rows, kin, taken, since: now, failures: 1, due, wait }
    }

    /// Other rows in their place, which are due at once.
    pub(super) fn part(&self, rows: Block, kin: u64, now: Instant) -> Self {
        Self { due: now, ..Self::new(rows, kin, self.taken, now) }
    }

    /// They are to be tried again later.
    pub(super) fn wait(&mut self, now: Instant) {
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.due = now + self.wait;
    }

    /// Notes that they got no verdict again, while the far end answered otherwise.
    pub(super) fn failed(&mut self) {
        self.failures += 1;
    }

    /// How often they got none.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether none of their kin was taken since then, while others were. `others_lately` tells of a kin whether others
    /// were just before.
    pub(super) fn is_ill(&self, others_lately: impl Fn(u64) -> bool) -> bool {
        match self.taken {
            Taken::None => others_lately(self.kin),
            Taken::Others => true,
            Taken::Kin => false,
        }
    }

    /// Whether a single row is the cause itself.
    pub(super) fn is_poison(&self, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.since);
        match self.taken {
            Taken::None => false,
            Taken::Others => self.failures >= OTHERS_FAILURES && time >= OTHERS_TIME,
            Taken::Kin => self.failures >= KIN_FAILURES && time >= KIN_TIME,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::sinks::row::tests::sample;

    /// The wait before the first trial.
    pub(in super::super) const WAIT: Duration = FIRST_WAIT;

    /// A row of kin 7 that got no verdict at this time.
    pub(in super::super) fn aside(taken: Taken, now: Instant) -> AsideRows {
        let mut rows = Block::default();
        rows.push(1, &sample(Op::Raw, "r", &[]), &[]);
        AsideRows::new(rows, 7, taken, now)
    }

    /// Tries the row whenever it is due; returns when it is taken for poison, and after how many failures.
    fn convicted(mut row: AsideRows, now: Instant) -> Option<(Duration, u32)> {
        for _ in 0..1_000 {
            let tried = row.due;
            row.failed();
            if row.is_poison(tried) {
                return Some((tried - now, row.failures()));
            }
            row.wait(tried);
        }
        None
    }

    #[test]
    fn a_row_is_poison_if_its_kin_are_taken_and_it_is_not() {
        let now = Instant::now();
        let (after, failures) = convicted(aside(Taken::Kin, now), now).unwrap();
        assert!(after >= KIN_TIME && after < 3 * KIN_TIME, "{after:?}");
        assert_eq!(failures, KIN_FAILURES);
    }

    #[test]
    fn if_none_of_its_kin_is_taken_it_takes_longer_and_if_nobody_is_it_is_never() {
        let now = Instant::now();
        let (after, _) = convicted(aside(Taken::Others, now), now).unwrap();
        assert!(after >= OTHERS_TIME, "{after:?}");
        assert_eq!(convicted(aside(Taken::None, now), now), None);
    }
}
