//! All rows that are set aside so that those behind them go on: which are due, and how many there may be.
//!
//! Pure data, kept in memory; time is an argument.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use super::aside_rows::AsideRows;
use super::search::Taken;
use crate::sinks::block::Block;

/// The part of the queue's bytes that rows set aside may take.
const SHARE: u64 = 4;
/// All that is set aside.
#[derive(Debug)]
pub(super) struct Aside {
    /// In the order of their rows, as far as they have one.
    all: VecDeque<AsideRows>,
    bytes: u64,
    max_bytes: u64,
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

    /// Takes rows out until so many bytes more may be set aside, or none if there are too few that may go: those of kin
    /// of which the far end takes none while it takes others, the oldest of the kin that has most bytes first. Rows of
    /// other kin must not wait because of them.
    pub(super) fn make_room(
        &mut self,
        bytes: usize,
        others_lately: impl Fn(u64) -> bool,
    ) -> Vec<Block> {
        let mut ill: HashMap<u64, u64, ahash::RandomState> = HashMap::default();
        for rows in self.all.iter().filter(|rows| rows.is_ill(&others_lately)) {
            *ill.entry(rows.kin).or_default() += rows.rows.bytes().len() as u64;
        }
        let ill_bytes: u64 = ill.values().sum();
        let mut out = Vec::new();
        if ill_bytes < self.bytes && self.bytes - ill_bytes + bytes as u64 > self.max_bytes {
            return out;
        }
        while !self.has_room(bytes) {
            let largest = ill.iter_mut().max_by_key(|(_, bytes)| **bytes);
            let (kin, kin_bytes) = largest.expect("there are ill rows as long as there is no room");
            let is_it = |rows: &AsideRows| rows.kin == *kin && rows.is_ill(&others_lately);
            let index = self.all.iter().position(is_it).expect("its bytes are not all gone");
            let gone = self.remove(index);
            *kin_bytes -= gone.rows.bytes().len() as u64;
            out.push(gone.rows);
        }
        out
    }

    fn remove(&mut self, index: usize) -> AsideRows {
        let gone = self.all.remove(index).expect("it was found there");
        self.bytes -= gone.rows.bytes().len() as u64;
        gone
    }

    /// Bytes of all rows.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All rows, without taking them.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.all.iter().map(|rows| &rows.rows)
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
        Some(self.remove(index))
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
    use super::super::aside_rows::tests::{WAIT, aside};
    use super::*;

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
        all.push(aside(Taken::None, now + WAIT));
        all.push(aside(Taken::None, now));
        assert_eq!(all.next_due(), Some(now + WAIT));
        assert!(all.take_due(now).is_none());
        let first = all.take_due(now + 2 * WAIT).unwrap();
        assert_eq!(first.due, now + WAIT);
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

    #[test]
    fn rows_of_which_nothing_is_taken_make_room_and_no_others() {
        let now = Instant::now();
        let of_kin = |kin, taken| {
            let mut rows = aside(taken, now);
            rows.kin = kin;
            rows
        };
        let length = aside(Taken::None, now).rows.bytes().len();
        let filled = || {
            let mut all = Aside::new(4 * 4 * length as u64);
            for (kin, taken) in
                [(1, Taken::Kin), (2, Taken::Others), (3, Taken::None), (3, Taken::None)]
            {
                all.push(of_kin(kin, taken));
            }
            all
        };
        let left = |all: &Aside| all.all.iter().map(|rows| rows.kin).collect::<Vec<_>>();
        let mut all = filled();
        assert_eq!(all.make_room(length, |_| false).len(), 1);
        assert_eq!(left(&all), [1, 3, 3]);
        // Too few may go, so none goes.
        assert!(all.make_room(2 * length, |_| false).is_empty());
        let mut all = filled();
        assert_eq!(all.make_room(length, |kin| kin == 3).len(), 1);
        assert_eq!((left(&all), all.bytes()), (vec![1, 2, 3], 3 * length as u64));
        assert_eq!(all.make_room(3 * length, |kin| kin == 3).len(), 2);
        assert_eq!(left(&all), [1]);
    }
}
