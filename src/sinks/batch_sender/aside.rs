//! Rows that are set aside so that those behind them go on: each is tried again by itself, and one that goes on to get
//! no verdict while others are taken is poison.
//!
//! Pure data, kept in memory; time is an argument. What counts is told by the constants: a far end that is only ill
//! must not cost a row.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::search::Taken;
use crate::sinks::block::Block;

/// The part of the queue's bytes that rows set aside may take.
const SHARE: u64 = 4;
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

/// All that is set aside.
#[derive(Debug)]
pub(super) struct Aside {
    /// In the order of their rows, as far as they have one.
    all: VecDeque<AsideRows>,
    bytes: u64,
    max_bytes: u64,
}

/// Rows that are tried together.
#[derive(Debug)]
pub(super) struct AsideRows {
    pub(super) rows: Block,
    /// The kin of the first row.
    pub(super) kin: u64,
    /// Which other rows were taken since then.
    taken: Taken,
    /// When they got no verdict for the first time.
    since: Instant,
    /// How often they got none while the far end answered otherwise.
    failures: u32,
    due: Instant,
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

impl Aside {
    /// Nothing yet, of a queue of so many bytes.
    pub(super) fn new(queue_max_bytes: u64) -> Self {
        Self { all: VecDeque::new(), bytes: 0, max_bytes: queue_max_bytes / SHARE }
    }

    /// Whether nothing is set aside.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether so many bytes more may be set aside. One row always may.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes as u64 <= self.max_bytes || self.all.is_empty()
    }

    /// Puts rows behind all others.
    pub(super) fn push(&mut self, rows: AsideRows) {
        self.bytes += rows.rows.bytes().len() as u64;
        self.all.push_back(rows);
    }

    /// Puts rows before all others, where they were taken from.
    pub(super) fn put_back(&mut self, rows: AsideRows) {
        self.bytes += rows.rows.bytes().len() as u64;
        self.all.push_front(rows);
    }

    /// When rows are due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.all.iter().map(|rows| rows.due).min()
    }

    /// Takes the rows that have been due for the longest time.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<AsideRows> {
        let due = self.all.iter().enumerate().filter(|(_, rows)| rows.due <= now);
        let (index, _) = due.min_by_key(|(_, rows)| rows.due)?;
        let taken = self.all.remove(index)?;
        self.bytes -= taken.rows.bytes().len() as u64;
        Some(taken)
    }

    /// Notes that the far end took other rows, of this kin.
    pub(super) fn others_taken(&mut self, kin: &HashSet<u64, ahash::RandomState>) {
        for rows in &mut self.all {
            rows.taken = rows.taken.max(Taken::of(kin, rows.kin));
        }
    }

    /// Makes all rows due, since one that had no verdict has one now.
    pub(super) fn make_due(&mut self, now: Instant) {
        self.all.iter_mut().for_each(|rows| rows.due = rows.due.min(now));
    }

    /// All rows, since the sender ends.
    pub(super) fn take_all(&mut self) -> Vec<Block> {
        self.bytes = 0;
        self.all.drain(..).map(|rows| rows.rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::sinks::row::tests::sample;

    fn aside(taken: Taken, now: Instant) -> AsideRows {
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

    #[test]
    fn what_is_taken_meanwhile_counts_for_its_kin() {
        let now = Instant::now();
        let mut all = Aside::new(1 << 20);
        all.push(aside(Taken::None, now));
        for (kin, taken) in [(8, Taken::Others), (7, Taken::Kin), (8, Taken::Kin)] {
            all.others_taken(&HashSet::from_iter([kin]));
            assert_eq!(all.all[0].taken, taken);
        }
    }

    #[test]
    fn the_row_that_is_due_for_the_longest_time_comes_first() {
        let now = Instant::now();
        let mut all = Aside::new(1 << 20);
        assert_eq!(all.next_due(), None);
        all.push(aside(Taken::None, now + FIRST_WAIT));
        all.push(aside(Taken::None, now));
        assert_eq!(all.next_due(), Some(now + FIRST_WAIT));
        assert!(all.take_due(now).is_none());
        let first = all.take_due(now + 2 * FIRST_WAIT).unwrap();
        assert_eq!(first.since, now);
        all.put_back(first);
        all.make_due(now);
        assert!(all.take_due(now).is_some() && all.take_due(now).is_some());
        assert!(all.is_empty() && all.take_all().is_empty());
    }

    #[test]
    fn a_quarter_of_the_queue_is_set_aside_at_most() {
        let now = Instant::now();
        let length = aside(Taken::None, now).rows.bytes().len();
        let mut all = Aside::new(4 * 2 * length as u64);
        assert!(all.has_room(10 * length), "one row always");
        all.push(aside(Taken::None, now));
        assert!(all.has_room(length));
        all.push(aside(Taken::None, now));
        assert!(!all.has_room(length));
    }
}
